-- The limits that a real process keeps, as a client, the log and the metrics see them.
local cjson = require("cjson")
local http = require("support.http")
local moongate = require("support.moongate")
local wire = require("support.wire")

describe("limits:", function()
  local gw, service

  before_each(function() service = http.service() end)

  after_each(function()
    service:close()
    moongate.stop_all()
  end)

  local function start(limits, more)
    gw = moongate.start {
      yaml = ("limits: %s\n%s"):format(limits, more or "") .. [[
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes: [{ name: up, paths: [/], strip_path: false }]
]],
      vars = { up = service.port },
    }
  end

  -- Connections that have served a request, so that they are counted for sure.
  local function open(count)
    local conns = {}
    for i = 1, count do
      conns[i] = gw:connect()
      assert.equal(200, gw:request("GET", "/", { conn = conns[i] }).status)
    end
    return conns
  end

  local function close(conns)
    for _, conn in ipairs(conns) do
      conn:close()
    end
  end

  local function assert_turned_away(status, reason)
    local response = gw:get("/")
    assert.equal(status, response.status)
    assert.equal("1", response.headers["retry-after"])
    assert.equal("close", response.headers.connection)
    assert.equal("application/problem+json", response.headers["content-type"])
    local problem = cjson.decode(response.body)
    assert.equal(reason, problem.reason)
    local line = wire.wait(function()
      for _, one in ipairs(gw:access_log()) do
        if one.correlationId == problem.correlationId then return one end
      end
    end)
    assert.equal(status, line.statusCode)
    assert.equal(reason, line.error)
    assert.equal("127.0.0.1", line.clientIp)
  end

  local function wait_connections(count)
    assert.is_truthy(
      wire.wait(function() return gw:metric("moongate_connections{") == count end),
      "connections: " .. tostring(gw:metric("moongate_connections{"))
    )
  end

  -- Counted behind the answer.
  local function wait_rejections(limit, count)
    local name = ('moongate_limit_rejections_total{limit="%s"}'):format(limit)
    wire.wait(function() return gw:metric(name) == count end)
    assert.equal(count, gw:metric(name))
  end

  it("connections: one too many gets 503 and its line, and takes nobody's place", function()
    start("{ connections: 3 }")
    local conns = open(3)
    assert_turned_away(503, "connections")
    wait_rejections("connections", 1)
    wait_connections(3)
    conns[1]:close()
    wait_connections(2)
    conns[1] = open(1)[1]
    for _, conn in ipairs(conns) do
      assert.equal(200, gw:request("GET", "/", { conn = conn }).status)
    end
    close(conns)
    wait_connections(0)
    gw:stop()
  end)

  it("connections_per_client: its next one gets 429, until one ends", function()
    start("{ connections_per_client: 2 }")
    local conns = open(2)
    assert_turned_away(429, "client_connections")
    wait_rejections("connections_per_client", 1)
    close(conns)
    wait_connections(0)
    close(open(2))
    gw:stop()
  end)

  it("connections_per_client: proxies we trust are not clients", function()
    start("{ connections_per_client: 1 }", "trusted_proxies: [127.0.0.0/8]\n")
    close(open(3))
    gw:stop()
  end)

  it("connections_per_client: comes with a reload, and goes with it", function()
    start("{ connections_per_client: off }")
    local conns = open(2)
    gw:configure([[
limits: { connections_per_client: 1 }
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes: [{ name: up, paths: [/], strip_path: false }]
]])
    assert.equal(200, (gw:reload()))
    conns[3] = open(1)[1] -- those from before are not counted
    assert_turned_away(429, "client_connections")
    close(conns)
    gw:stop()
  end)

  it("requests_per_connection: the last answer says so", function()
    start("{ requests_per_connection: 2 }")
    local conn = gw:connect()
    assert.is_nil(gw:request("GET", "/", { conn = conn }).headers.connection)
    assert.equal("close", gw:request("GET", "/", { conn = conn }).headers.connection)
    assert.equal("end", select(2, conn:read_all()))
    conn:close()
    gw:stop()
  end)

  it("what a listener says holds for its requests, where route and service say nothing", function()
    gw = moongate.start {
      yaml = [[
limits: { body: 100b }
listeners:
  - { address: 127.0.0.1:0 }
  - { address: 127.0.0.1:0, limits: { body: 10b } }
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes:
      - { name: up, paths: [/up], strip_path: false }
      - { name: wide, paths: [/wide], strip_path: false, limits: { body: 50b } }
]],
      vars = { up = service.port },
    }
    local function status(port, target, size)
      return gw:request("POST", target, { port = gw.ports[port], body = ("x"):rep(size) }).status
    end
    assert.equal(200, status(1, "/up", 100))
    assert.equal(413, status(1, "/up", 101))
    assert.equal(200, status(2, "/up", 10))
    assert.equal(413, status(2, "/up", 11))
    assert.equal(200, status(2, "/wide", 50))
    assert.equal(413, status(1, "/wide", 51))
    wait_rejections("body", 3)
    gw:stop()
  end)

  it("head, headers and target: 431 and 414, with their lines", function()
    start("{ head: 2k, headers: 10, target: 1k }")
    local function refused(bytes) return tonumber((gw:raw(bytes)):match("^HTTP/1.1 (%d+)")) end
    assert.equal(431, refused("GET / HTTP/1.1\r\nHost: a\r\nX: " .. ("x"):rep(3000) .. "\r\n\r\n"))
    assert.equal(431, refused("GET / HTTP/1.1\r\nHost: a\r\n" .. ("a: 1\r\n"):rep(11) .. "\r\n"))
    assert.equal(414, refused("GET /" .. ("x"):rep(1500) .. " HTTP/1.1\r\nHost: a\r\n\r\n"))
    local errors = {}
    for i, line in ipairs(gw:access_log(3)) do
      errors[i] = line.statusCode .. line.error
    end
    table.sort(errors)
    assert.same({ "414target_too_long", "431head_too_large", "431head_too_large" }, errors)
    wait_rejections("head", 2)
    wait_rejections("target", 1)
    gw:stop()
  end)

  it("head_timeout: a slow head gets 408, also byte by byte", function()
    start("{ head_timeout: 300ms }")
    local conn = gw:connect()
    conn:send("GET / HT")
    local answer, ended = conn:read_all()
    assert.equal("end", ended)
    assert.equal(408, tonumber(answer:match("^HTTP/1.1 (%d+)")))
    assert.equal("head_slow", gw:access_log(1)[1].error)
    wait_rejections("head_timeout", 1)
    conn:close()
    gw:stop()
  end)

  it("idle_timeout: a connection that rests is closed in time, and serves when it is not", function()
    start("{ idle_timeout: 3s, requests_per_connection: 3 }")
    local used, silent, blank = gw:connect(), gw:connect(), gw:connect()
    local began = wire.now()
    assert.equal(200, gw:request("GET", "/", { conn = used }).status)
    wire.pass(1.6) -- at rest by now: nothing is left of them but the connection
    assert.equal(200, gw:request("GET", "/", { conn = used }).status)
    blank:send("\r\n") -- which is no request, and no sign of life
    wire.wait(function() return silent.ended and blank.ended end)
    assert.equal("end", silent.ended)
    assert.equal("end", blank.ended)
    assert.is_true(wire.now() - began >= 2.9)
    assert.is_nil(used.ended)
    assert.equal("close", gw:request("GET", "/", { conn = used }).headers.connection) -- the third
    wait_connections(0)
    close { used, silent, blank }
    gw:stop()
  end)

  it("a stop, and a listener that goes, end connections that rest", function()
    start("{}")
    local conns = open(2)
    wire.pass(1.6)
    gw:configure([[
listeners: [{ address: "127.0.0.1:0", limits: { head: 3k } }, { address: "127.0.0.1:0" }]
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes: [{ name: up, paths: [/], strip_path: false }]
]])
    assert.equal(200, (gw:reload()))
    assert.equal(200, gw:request("GET", "/", { conn = conns[1] }).status)
    wire.pass(1.6)
    gw:stop()
    assert.equal("end", select(2, conns[1]:read_all()))
    assert.equal("end", select(2, conns[2]:read_all()))
    close(conns)
  end)
end)
