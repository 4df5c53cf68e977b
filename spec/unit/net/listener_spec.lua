local ffi = require("ffi")
local c = require("support.c")
local net = require("support.net")

ffi.cdef([[
struct gw_spec_rlimit { unsigned long cur, max; };
int getrlimit(int, struct gw_spec_rlimit *);
int setrlimit(int, const struct gw_spec_rlimit *);
int connect(int, const void *, unsigned);
int fcntl(int, int, ...);
int dup(int);
]])

local RLIMIT_NOFILE = 7

describe("a listener", function()
  local loop, accepted, fd, addr, listener

  before_each(function()
    loop = net.loop()
    accepted = {}
    fd, addr = net.socket()
    listener = net.listen(loop, fd, function(conn) accepted[#accepted + 1] = conn end)
  end)

  after_each(function()
    if listener then c.gw_listener_close(listener) end
    for _, conn in ipairs(accepted) do
      c.gw_conn_close(conn)
    end
    loop:free()
    assert.equal(0, c.gw_conn_count())
  end)

  -- Plain sockets: their connect() is done when the kernel says so, accepted or not.
  local function clients(count)
    local fds = {}
    for i = 1, count do
      fds[i] = ffi.C.socket(2, 1, 0)
      assert(fds[i] >= 0)
      assert.equal(0, ffi.C.connect(fds[i], addr, addr.len))
    end
    return fds
  end

  local function close(fds)
    for _, one in ipairs(fds) do
      ffi.C.close(one)
    end
  end

  it("hands over what comes, also many at once", function()
    local fds = clients(100)
    loop:until_true(function() return #accepted == 100 end)
    assert.equal(net.addr_text(addr), net.addr_text(c.gw_listener_addr(listener)))
    assert.truthy(net.addr_text(c.gw_conn_peer(accepted[1])):find("^127%.0%.0%.1:%d+$"))
    close(fds)
  end)

  it("lets a connection be closed in its callback, and itself too", function()
    local fds = clients(3)
    local seen = 0
    c.gw_listener_close(listener)
    local other_fd, other_addr = net.socket()
    addr = other_addr
    listener = net.listen(loop, other_fd, function(conn)
      seen = seen + 1
      c.gw_conn_close(conn)
      c.gw_listener_close(listener)
      listener = nil
    end)
    local more = clients(3)
    loop:until_true(function() return seen > 0 end)
    loop:settle()
    assert.equal(1, seen)
    close(fds)
    close(more)
  end)

  it("survives the end of descriptors: drops who waits, then goes on", function()
    local lines = {}
    local sink = ffi.cast("gw_log_sink", function(_, line) lines[#lines + 1] = ffi.string(line) end)
    local old, low = ffi.new("struct gw_spec_rlimit"), ffi.new("struct gw_spec_rlimit")
    local waiting = clients(3)
    assert.equal(0, ffi.C.getrlimit(RLIMIT_NOFILE, old))
    -- Fill every place below the limit, so that not one is left.
    local fillers, highest = {}, 0
    low.cur, low.max = 256, old.max
    assert.equal(0, ffi.C.setrlimit(RLIMIT_NOFILE, low))
    while true do
      local one = ffi.C.dup(fd)
      if one < 0 then break end
      fillers[#fillers + 1], highest = one, math.max(highest, one)
    end
    assert.is_true(#fillers > 0)
    c.gw_log_set_sink(sink, nil)
    local ok, err = pcall(function()
      for _ = 1, 10 do
        loop:turn(false)
      end
    end)
    c.gw_log_set_sink(nil, nil)
    close(fillers)
    assert.equal(0, ffi.C.setrlimit(RLIMIT_NOFILE, old))
    sink:free()
    assert(ok, err)
    assert.equal(0, #accepted)
    assert.equal(1, #lines, table.concat(lines, "\n")) -- once a second
    assert.truthy(lines[1]:find("listener 127%.0%.0%.1:%d+: Too many open files; 1 connections dropped %(raise"))
    -- The peers that waited were hung up on instead of left waiting.
    local byte = ffi.new("char[1]")
    for _, one in ipairs(waiting) do
      local n = tonumber(ffi.C.recv(one, byte, 1, 0x40)) -- MSG_DONTWAIT
      assert.is_true(n == 0 or (n < 0 and ffi.errno() == 104), "still waiting") -- ECONNRESET
    end
    close(waiting)
    local fds = clients(2)
    loop:until_true(function() return #accepted == 2 end)
    close(fds)
  end)

  it("refuses a descriptor that is none", function()
    assert.is_true(net.listen(loop, 9999, function() end) == nil)
  end)

  it("tries again when the kernel cannot watch its socket yet", function()
    local faults = require("support.faults")
    local fresh_fd, fresh_addr = net.socket()
    local got
    faults.set("listener:1-2")
    local late = net.listen(loop, fresh_fd, function(conn) got = conn end)
    local client = ffi.C.socket(2, 1, 0)
    assert.equal(0, ffi.C.connect(client, fresh_addr, fresh_addr.len))
    loop:until_true(function() return got end, "the waiting client")
    assert.equal(2, faults.fired())
    faults.set("")
    c.gw_conn_close(got)
    c.gw_listener_close(late)
    ffi.C.close(client)
  end)

  it("can be closed while its socket is not watched", function()
    local faults = require("support.faults")
    faults.set("listener:*")
    c.gw_listener_close(net.listen(loop, (net.socket()), function() end))
    faults.set("")
  end)
end)
