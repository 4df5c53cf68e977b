local ffi = require("ffi")
local c = require("support.c")
local net = require("support.net")

describe("gw_dial_start", function()
  local loop

  before_each(function() loop = net.loop() end)

  after_each(function()
    loop:free()
    assert.equal(0, c.gw_conn_count())
  end)

  local function result_of(addr, seconds)
    local result
    net.dial(loop, addr, seconds or 5, function(conn, reason) result = { conn = conn, reason = reason } end)
    assert.is_nil(result) -- never before it returned
    loop:until_true(function() return result end)
    return result
  end

  -- A port that nobody listens on.
  local function closed_port()
    local fd, addr = net.socket()
    ffi.C.close(fd)
    return addr
  end

  it("connects", function()
    local near, far = net.bound_pair("tcp", loop)
    near:close()
    far:close()
  end)

  it("says when nobody listens", function()
    local result = result_of(closed_port())
    assert.is_nil(result.conn)
    assert.equal("connect", result.reason)
  end)

  it("says when a unix socket is not there, or not a socket", function()
    assert.equal("connect", result_of(net.addr("unix:/nonexistent/moongate.sock")).reason)
    assert.equal("connect", result_of(net.addr("unix:/dev/null")).reason)
  end)

  it("says when the address cannot be reached at all", function()
    local result = result_of(net.addr("255.255.255.255:80"))
    assert.equal("connect", result.reason)
  end)

  it("gives up after its time", function()
    -- A full backlog: the kernel drops the SYN, nobody answers.
    local fd = ffi.C.socket(2, 1, 0)
    local addr, len = net.addr("127.0.0.1:0"), ffi.new("unsigned[1]", 16)
    assert.equal(0, ffi.C.bind(fd, addr, addr.len))
    assert.equal(0, ffi.C.listen(fd, 0))
    assert.equal(0, ffi.C.getsockname(fd, addr, len))
    local conns, result = {}, nil
    for _ = 1, 3 do
      net.dial(loop, addr, 0.05, function(conn, reason)
        if conn then
          conns[#conns + 1] = conn
        else
          result = reason
        end
      end)
    end
    loop:until_true(function() return result end)
    assert.equal("connect_timeout", result)
    loop:until_true(function() return c.gw_conn_count() == #conns end)
    for _, conn in ipairs(conns) do
      c.gw_conn_close(conn)
    end
    ffi.C.close(fd)
  end)

  it("ends silently when cancelled", function()
    local fd, addr = net.socket()
    local called = 0
    local dials = {
      net.dial(loop, addr, 5, function() called = called + 1 end),
      net.dial(loop, closed_port(), 5, function() called = called + 1 end),
      net.dial(loop, net.addr("unix:/nonexistent/x.sock"), 5, function() called = called + 1 end),
      net.dial(loop, net.addr("255.255.255.255:80"), 5, function() called = called + 1 end),
    }
    for _, dial in ipairs(dials) do
      c.gw_dial_cancel(dial)
    end
    loop:settle()
    assert.equal(0, called)
    ffi.C.close(fd)
  end)

  it("ends by its time on a virtual clock too", function()
    loop:free()
    loop = net.loop(true)
    local result
    local fd, addr = net.socket()
    net.dial(loop, addr, 5, function(_, reason) result = reason end)
    c.gw_loop_advance(loop.c, 5e6) -- the connection is there, but nobody turned the loop
    assert.equal("connect_timeout", result)
    loop:settle()
    ffi.C.close(fd)
  end)
end)
