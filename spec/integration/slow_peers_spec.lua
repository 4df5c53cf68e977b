-- Clients that stop in the middle of something over real TCP: nothing comes any more, no FIN and no RST, or they never read. Each
-- ends by its own limit, holds no more than its limits while it lasts, and leaves every counter at zero.
local cjson = require("cjson")
local moongate = require("support.moongate")
local wire = require("support.wire")

local WRITE_QUEUE = 8 * 1024 * 1024

local YAML = [[
workers: 1
limits: { head_timeout: 300ms, idle_timeout: 300ms, body_min_rate: off, write_queue: 8m }
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes:
      - { name: up, paths: [/up], strip_path: false }
      - { name: timed, paths: [/timed], strip_path: false, limits: { total_timeout: 300ms } }
]]

local OK = "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
local PIECE = ("y"):rep(1024 * 1024)

-- What lies in the kernel between a service that sends and a client that does not read, at most.
local function kernel_room()
  local sum = 0
  for _, name in ipairs { "tcp_rmem", "tcp_wmem" } do
    local file = assert(io.open("/proc/sys/net/ipv4/" .. name))
    sum = sum + 2 * tonumber(file:read("*a"):match("(%d+)%s*$"))
    file:close()
  end
  return sum
end

describe("a client over TCP that", function()
  local gw, worker, up, clients, baseline
  local told = 0 -- lines of the log that were looked at

  local function descriptors()
    local pipe = io.popen("ls /proc/" .. worker .. "/fd | wc -l")
    local count = pipe:read("*n")
    pipe:close()
    return count
  end

  local function is_quiet()
    return gw:metric("moongate_connections{") == 0
      and gw:metric("moongate_active_requests") == 0
      and gw:metric("moongate_upstream_active_requests") == 0
      and gw:metric("moongate_upstream_idle_connections") == 0
  end

  setup(function()
    up = assert(wire.listen())
    gw = moongate.start { yaml = YAML, vars = { up = up.port } }
    worker = gw:worker()
    local conn = gw:connect() -- some things are opened by the first request
    conn:send("GET /up HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    local service = assert(up:accept())
    service:send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
    assert.is_truthy(wire.wait(function() return conn.ended end))
    conn:close()
    service:close()
    told = #gw:access_log(1)
    assert.is_truthy(wire.wait(is_quiet))
    baseline = descriptors()
  end)

  before_each(function() clients = {} end)

  teardown(function()
    gw:stop()
    up:close()
    moongate.stop_all()
  end)

  local function connect(bytes)
    local conn = assert(wire.connect(gw.port, { receive_buffer = 4096 }))
    clients[#clients + 1] = conn
    conn:send(bytes)
    return conn
  end

  -- A client that does not read, and a service that has so many pieces for it; `taken` of them went.
  local function stall(pieces)
    local conn = connect("GET /up HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    conn:hold(true)
    local service = assert(up:accept())
    assert(service:read_until("\r\n\r\n"))
    service:send(OK:format(pieces * #PIECE))
    service.taken = 0
    service.on_change = function() -- a piece when the last one is gone: what is queued here is not taken
      while #service.out == 0 and not service.broken and service.taken < pieces * #PIECE do
        service.taken = service.taken + #PIECE
        service:send(PIECE)
      end
    end
    service:on_change()
    return conn, service
  end

  -- The log tells these errors, one a client; then nothing of anybody is left.
  local function assert_ended(error, count)
    local lines = gw:access_log(told + count)
    assert.equal(told + count, #lines)
    for i = told + 1, #lines do
      assert.equal(error, lines[i].error)
    end
    told = #lines
    for _, conn in ipairs(clients) do
      if conn.fd then conn:close() end
    end
    assert.is_truthy(wire.wait(is_quiet), "something is left")
    assert.is_truthy(wire.wait(function() return descriptors() <= baseline end), "descriptors are left")
  end

  it("vanishes in its head is gone after head_timeout", function()
    for _ = 1, 20 do
      connect("GET /up HTTP/1.1\r\nHost: a\r\nX-")
    end
    assert.is_truthy(wire.wait(function()
      for _, conn in ipairs(clients) do
        if not conn:peek():find("^HTTP/1.1 408 ") then return false end
      end
      return true
    end))
    assert_ended("head_slow", 20)
  end)

  it("vanishes in its body is gone after total_timeout, and so is the service's connection", function()
    connect("POST /timed HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhalf")
    local service = assert(up:accept())
    assert.is_truthy(service:read_until("half"))
    assert.is_truthy(wire.wait(function() return service.ended end))
    assert_ended("total_timeout", 1)
  end)

  it("never reads is gone after idle_timeout, holds its write_queue and holds the service back", function()
    local room = WRITE_QUEUE + kernel_room()
    local pieces = math.ceil(room / #PIECE) + 8
    local conn, service = stall(pieces)
    assert.is_truthy(wire.wait(function() return service.ended or service.broken end))
    assert_ended("write_slow", 1)
    assert.is_true(service.taken <= room, service.taken .. " bytes of the service's were taken")
    assert.is_true(service.taken >= #PIECE)
    assert.is_nil(conn.ended) -- it was not looking
  end)

  it("never reads and breaks off with RST is gone at once", function()
    local conn, service = stall(64)
    assert.is_truthy(wire.wait(function() return service.taken > #PIECE end))
    conn:reset()
    assert.is_truthy(wire.wait(function() return service.ended or service.broken end))
    assert_ended("client_gone", 1)
  end)

  it("never reads its last answer is gone after idle_timeout, though nobody works for it any more", function()
    -- All of it finds room here, so the request is over: what is left is a connection that lingers.
    local _, service = stall(7)
    assert.is_truthy(wire.wait(function() return #service.out == 0 end))
    service:close()
    assert_ended(cjson.null, 1)
  end)
end)
