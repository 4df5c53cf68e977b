-- What happens when file descriptors run out: service goes on, the oldest idle connections make room, who gets nothing
-- hears 503, and everything is back to where it was afterwards.
local http = require("support.http")
local moongate = require("support.moongate")
local wire = require("support.wire")

local YAML = [[
workers: 1
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes: [{ name: up, paths: [/], strip_path: false }]
]]

describe("out of file descriptors:", function()
  local gw, service, conns

  before_each(function() conns = {} end)

  after_each(function()
    for _, conn in ipairs(conns) do
      conn:close()
    end
    service:close()
    moongate.stop_all()
  end)

  local function start(handler)
    service = http.service(handler)
    gw = moongate.start { yaml = YAML, vars = { up = service.port }, open_files = 100 }
  end

  local function connect()
    local conn = gw:connect()
    conns[#conns + 1] = conn
    return conn
  end

  local function wait_metric(name, value)
    wire.wait(function() return gw:metric(name) == value end)
    assert.equal(value, gw:metric(name), name)
  end

  local function close_all()
    for _, conn in ipairs(conns) do
      conn:close()
    end
    conns = {}
    wait_metric("moongate_connections{", 0)
  end

  it("the oldest idle clients make room, and no request fails", function()
    start()
    assert.is_truthy(gw:wait_log("limits.connections: the listeners may take 20000 connections"))
    for i = 1, 300 do
      local response, other = gw:request("GET", "/", { conn = connect() })
      assert(response, ("request %d: %s"):format(i, tostring(other)))
      assert.equal(200, response.status)
    end
    assert.is_truthy(gw:wait_log("out of file descriptors: %d+ idle connections closed, the oldest first"))
    assert.is_true(gw:metric("moongate_connections_shed_total") >= 200)
    wire.pass(0.1)
    assert.is_truthy(conns[1].ended)
    assert.is_nil(conns[300].ended)
    assert.equal(200, gw:request("GET", "/", { conn = conns[300] }).status)
    for _, line in ipairs(gw:access_log(301)) do
      assert.equal(200, line.statusCode)
    end
    close_all()
    gw:stop()
  end)

  it("heads that never end make room too", function()
    start()
    for _ = 1, 300 do
      connect():send("GET / HTTP/1.1\r\nHost: a\r\nX-")
    end
    assert.is_truthy(gw:wait_log("out of file descriptors"))
    -- Behind a burst of strangers, of whom nobody knows yet that they will say nothing more, it may take a moment.
    assert.is_truthy(wire.wait(function() return gw:get("/").status == 200 end, 5), "service goes on")
    wire.wait(function() return conns[1]:peek() ~= "" end)
    assert.is_truthy(conns[1]:peek():find("^HTTP/1.1 503 "))
    assert.is_truthy(conns[1]:peek():find("\r\nretry%-after: 1\r\n"))
    close_all()
    gw:stop()
  end)

  it("with everybody at work the next ones hear 503, and all is well afterwards", function()
    local answers = {}
    start(function(_, conn)
      answers[#answers + 1] = conn
      return ""
    end)
    for _ = 1, 150 do
      connect():send(http.request_bytes("GET", "/"))
    end
    -- Everybody has a service's connection or an answer.
    local refused = {}
    wire.wait(function()
      refused = {}
      for _, conn in ipairs(conns) do
        if conn:peek():find("\r\n\r\n", 1, true) then refused[#refused + 1] = conn end
      end
      return #refused + #answers == 150
    end)
    assert.equal(150, #refused + #answers)
    assert.is_true(#answers >= 5 and #refused >= 20, ("%d at work, %d refused"):format(#answers, #refused))
    for _, conn in ipairs(refused) do
      assert.is_truthy(conn:peek():find("^HTTP/1.1 503 Service Unavailable\r\n"), conn:peek())
      assert.is_truthy(conn:peek():find("\r\nretry%-after: 1\r\n"), conn:peek())
    end
    for _, conn in ipairs(answers) do
      conn:send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
    end
    wire.wait(function()
      local whole = 0
      for _, conn in ipairs(conns) do
        if conn:peek():find("^HTTP/1.1 200 ") then whole = whole + 1 end
      end
      return whole == #answers
    end)
    local counts = {}
    for _, line in ipairs(gw:access_log(150)) do
      counts[line.statusCode] = (counts[line.statusCode] or 0) + 1
      if line.statusCode == 503 then assert.equal("descriptors", line.error) end
    end
    assert.same({ [200] = #answers, [503] = #refused }, counts)
    assert.equal(#refused, gw:metric('moongate_limit_rejections_total{limit="descriptors"}'))
    close_all()
    wait_metric("moongate_upstream_active_requests", 0)
    gw:stop()
  end)
end)
