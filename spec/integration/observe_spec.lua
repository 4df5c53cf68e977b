-- What an operator sees: the access log, metrics, readiness and the end of the process.
local http = require("support.http")
local moongate = require("support.moongate")
local wire = require("support.wire")

local YAML = [[
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes:
      - { name: up, paths: [/up], strip_path: false }
]]

local gw, service

local function start(extra)
  service = http.service()
  gw = moongate.start { yaml = YAML .. (extra or ""), vars = { up = service.port } }
end

local function stop()
  service:close()
  gw:stop()
end

describe("the access log", function()
  before_each(function() start() end)
  after_each(function()
    service:close()
    moongate.stop_all()
  end)

  it("has a line for every request, with the fields that were promised", function()
    gw:request(
      "POST",
      "/up/x?secret=1",
      { body = "abc", headers = { Host = "a.test", ["User-Agent"] = "spec/1" } }
    )
    local line = gw:access_log(1)[1]
    assert.equal("POST", line.method)
    assert.equal(200, line.statusCode)
    assert.equal("up", line.route)
    assert.equal("up", line.service)
    assert.equal("127.0.0.1:" .. service.port, line.upstream)
    assert.equal(200, line.upstreamStatus)
    assert.equal(1, line.tries)
    assert.equal(3, line.bytesIn)
    assert.equal(5, line.bytesOut)
    assert.equal("127.0.0.1", line.clientIp)
    assert.equal("a.test", line.host)
    assert.equal("spec/1", line.userAgent)
    assert.is_truthy(line.path:find("^/up/x"))
    assert.is_truthy(line.correlationId:find("^%x+%-%x+%-7"))
    assert.is_truthy(line.timestamp:find("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$"))
    assert.is_true(line.duration >= 0)
    for _, phase in ipairs { "rewrite", "access", "connect", "head", "body" } do
      assert.is_truthy(line.phases[phase], phase)
    end
    stop()
  end)

  it("never shows a query, where keys and tokens stand", function()
    gw:get("/up?apikey=hush1")
    gw:get("/nothing?apikey=hush2")
    gw:raw("GET /up?apikey=hush3 HTTP/1.1\r\n\r\n") -- refused: no Host
    gw:access_log(3)
    stop()
    assert.is_nil((gw.process:stdout() .. gw:stderr()):find("hush", 1, true))
  end)

  it("has one for requests that were refused or found no route", function()
    gw:stop() -- one worker, so that the lines are in order
    gw = moongate.start { yaml = "workers: 1\n" .. YAML, vars = { up = service.port } }
    gw:get("/nothing")
    gw:raw("GET /\27[31m HTTP/1.1\r\nHost: a\r\n\r\n")
    gw:raw("GET / HTTP/1.1\r\nHost: a\r\nX-A: \255\1\r\n\r\n")
    local lines = gw:access_log(3)
    assert.equal(404, lines[1].statusCode)
    assert.equal("no_route", lines[1].error)
    assert.equal(400, lines[2].statusCode)
    assert.equal(400, lines[3].statusCode)
    assert.is_nil(gw.process:stdout():find("\27", 1, true))
    stop()
  end)

  it("has one for a client that went away", function()
    local silent = wire.listen()
    gw:configure(YAML, { up = silent.port })
    gw:reload()
    local conn = gw:connect()
    conn:send(http.request_bytes("GET", "/up"))
    assert(silent:accept())
    conn:close()
    local line = gw:access_log(1)[1]
    assert.equal(499, line.statusCode)
    assert.equal("client_gone", line.error)
    silent:close()
    stop()
  end)

  it("loses no line at the end", function()
    local conn = gw:connect()
    for _ = 1, 50 do
      gw:request("GET", "/up", { conn = conn })
    end
    conn:close()
    stop()
    assert.equal(50, #gw:access_log())
  end)
end)

describe("the logs' places", function()
  after_each(function()
    service:close()
    moongate.stop_all()
  end)

  local function read(name)
    local file = io.open(gw:path(name))
    local text = file and file:read("*a") or ""
    if file then file:close() end
    return text
  end

  it("may be files, opened again on SIGUSR1", function()
    start()
    gw:configure(YAML .. "log: { access: ./access.log, error: ./error.log, level: info }\n")
    gw:reload()
    gw:get("/up")
    assert.is_truthy(wire.wait(function() return read("access.log"):find('"statusCode":200', 1, true) end))
    assert(os.rename(gw:path("access.log"), gw:path("access.log.1")))
    gw.process:kill("USR1")
    assert.is_truthy(wire.wait(function() return io.open(gw:path("access.log")) end))
    gw:get("/up")
    assert.is_truthy(wire.wait(function() return read("access.log"):find('"statusCode":200', 1, true) end))
    gw:reload()
    assert.is_truthy(wire.wait(function() return read("error.log"):find("generation 3 serves", 1, true) end))
    assert.equal("", gw.process:stdout())
    stop()
  end)

  it("may be off, and may change with a reload", function()
    start("log: { access: off }\n")
    gw:get("/up")
    gw:configure(YAML)
    gw:reload()
    gw:get("/up")
    assert.equal(1, #gw:access_log(1))
    stop()
  end)

  it("that cannot be opened refuse the reload", function()
    start()
    gw:configure(YAML .. "log: { access: /nowhere/access.log }\n")
    local status, answer = gw:reload()
    assert.equal(422, status)
    assert.is_truthy(answer.errors[1]:find("log.access: cannot open /nowhere/access.log: No such file", 1, true))
    stop()
  end)
end)

describe("metrics", function()
  after_each(function()
    service:close()
    moongate.stop_all()
  end)

  it("count requests, connections, reloads and generations", function()
    start()

    gw:get("/up")
    gw:get("/up")
    gw:get("/nothing")
    local conn = gw:connect()
    gw:request("GET", "/up", { conn = conn })
    gw:reload()
    gw:access_log(4)
    assert.equal(3, gw:metric('moongate_requests_total{service="up",route="up",code="200"}'))
    assert.equal(4, gw:metric("moongate_requests_total{"))
    assert.equal(4, gw:metric("moongate_request_duration_seconds_count"))
    assert.equal(1, gw:metric("moongate_connections{"))
    assert.equal(2, gw:metric("moongate_generation "))
    assert.equal(1, gw:metric('moongate_reloads_total{result="good"}'))
    assert.equal(0, gw:metric("moongate_log_dropped_total"))
    assert.is_true(gw:metric("moongate_lua_memory_bytes") > 0)
    conn:close()
    stop()
  end)

  it("are valid text for Prometheus", function()
    start()
    gw:get("/up")
    local response = gw:ask("GET", "/metrics")
    assert.equal("text/plain; version=0.0.4; charset=utf-8", response.headers["content-type"])
    local typed = {}
    for line in response.body:gmatch("[^\n]+") do
      local name, kind = line:match("^# TYPE (%S+) (%S+)$")
      if name then
        assert.is_nil(typed[name], name .. " is declared twice")
        typed[name] = kind
      elseif not line:find("^# HELP %S+ .+") then
        local metric, value = line:match("^([%a_:][%w_:]*)%b{} (%S+)$")
        if not metric then
          metric, value = line:match("^([%a_:][%w_:]*) (%S+)$")
        end
        assert.is_truthy(metric and tonumber(value), line)
        local base = metric:gsub("_bucket$", ""):gsub("_sum$", ""):gsub("_count$", "")
        assert.is_truthy(typed[metric] or typed[base], line)
      end
    end
    stop()
  end)
end)

describe("the end", function()
  after_each(function()
    service:close()
    moongate.stop_all()
  end)

  it("is not ready first, and refuses connections after drain_delay only (2.19.5)", function()
    for _, delay in ipairs { "1h", "200ms" } do
      start()
      gw:configure(YAML .. "\ndrain_delay: " .. delay .. "\n", { up = service.port })
      assert.equal(200, (gw:reload()))
      gw.process:kill("TERM")
      if delay == "1h" then
        assert.is_truthy(wire.wait(function() return gw:ask("GET", "/health/ready").status == 503 end))
        assert.equal(200, gw:get("/up").status) -- on a connection of its own
        assert.is_truthy(gw:wait_log("not ready any more; takes connections for another 3600.0 s"))
        gw.process:kill("TERM")
      end
      assert.equal(0, gw.process:wait(20))
      stop()
    end
  end)

  it("lets a running request finish and is not ready meanwhile (2.19.5)", function()
    start()
    local slow = wire.listen()
    gw:configure(YAML, { up = slow.port })
    gw:reload()
    local idle, conn = gw:connect(), gw:connect()
    gw:request("GET", "/nothing", { conn = idle })
    conn:send(http.request_bytes("GET", "/up"))
    local up = assert(slow:accept())
    assert(http.read_request(up))
    gw.process:kill("TERM")
    assert.is_truthy(wire.wait(function() return idle.ended end)) -- idle connections end at once
    assert.equal(503, gw:ask("GET", "/health/ready").status)
    assert.equal(200, gw:ask("GET", "/health/live").status)
    assert.equal("reset", select(2, gw:connect():read_all())) -- nobody listens any more
    up:send(http.response_bytes { body = "late" })
    local response = http.read_response(conn)
    assert.equal("late", response.body)
    assert.equal("close", response.headers.connection)
    assert.equal(0, gw.process:wait())
    idle:close()
    conn:close()
    slow:close()
    stop()
  end)

  it("does not wait longer than drain_timeout", function()
    start("drain_timeout: 200ms\n")
    local slow = wire.listen()
    gw:configure(YAML .. "drain_timeout: 200ms\n", { up = slow.port })
    gw:reload()
    local conn = gw:connect()
    conn:send(http.request_bytes("GET", "/up"))
    assert(slow:accept())
    gw.process:kill("TERM")
    local response = http.read_response(conn)
    assert.equal(503, response.status)
    conn:close()
    slow:close()
    stop()
  end)

  it("comes at once when it is told twice", function()
    start()
    local slow = wire.listen()
    gw:configure(YAML, { up = slow.port })
    gw:reload()
    local conn = gw:connect()
    conn:send(http.request_bytes("GET", "/up"))
    assert(slow:accept())
    gw.process:kill("TERM")
    assert.is_truthy(gw:wait_log("stopping: requests under way"))
    gw.process:kill("INT")
    assert.equal(503, http.read_response(conn).status)
    conn:close()
    slow:close()
    stop()
  end)

  it("is not killed by signals that come while it ends", function()
    start()
    gw.process:kill("TERM")
    for _ = 1, 200 do -- an event to wait for is what must not come
      gw.process:kill("HUP")
      if gw.process:wait(0.001) then break end
    end
    assert.equal(0, gw.process:wait(30))
    stop()
  end)
end)
