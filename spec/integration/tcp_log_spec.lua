local cjson = require("cjson")
local moongate = require("support.moongate")
local wire = require("support.wire")

describe("tcp-log", function()
  local gw, logs

  before_each(function() logs = wire.listen() end)
  after_each(function()
    if gw then gw:stop() end
    gw = nil
    logs:close()
    moongate.stop_all()
  end)

  local YAML = [[
log: { access: off }
plugins: [{ name: tcp-log, config: { host: 127.0.0.1, port: {{logs}} } }]
routes: [{ name: all, paths: [/], plugins: [{ name: echo }] }]
]]

  local function start() gw = moongate.start { vars = { logs = logs.port }, yaml = YAML } end

  -- The lines of all connections, whole ones only.
  local function lines()
    local list = {}
    for _, conn in ipairs(logs.conns) do
      for line in conn:peek():gmatch("([^\n]*)\n") do
        list[#list + 1] = cjson.decode(line)
      end
    end
    return list
  end

  local function wait_for(count)
    wire.wait(function() return #lines() >= count end)
    assert.equal(count, #lines())
    return lines()
  end

  it("sends one line of JSON a request on a connection that is kept", function()
    start()
    gw:get("/one")
    gw:get("/two")
    local list = wait_for(2)
    table.sort(list, function(a, b) return a.started_at < b.started_at end)
    assert.equal("/two", list[2].request.uri)
    assert.equal(200, list[2].response.status)
    assert.equal(1, logs.accepted)
    assert.equal(2, gw:metric('moongate_log_sent_total{sink="tcp:127.0.0.1:'))
  end)

  it("lets requests pass while the receiver is down, and sends the lines when it is back", function()
    local port = logs.port
    logs:close()
    gw = moongate.start { vars = { logs = port }, yaml = YAML }
    for _ = 1, 5 do
      assert.equal(200, gw:get("/").status)
    end
    assert.is_truthy(gw:wait_log("sink tcp:127.0.0.1:%d+: no connection is accepted"))
    assert.is_true(gw:metric("moongate_log_waiting{") > 0)
    logs = wire.listen { port = port }
    wait_for(5)
    assert.is_truthy(gw:wait_log("takes lines again %(lost meanwhile: 0%)"))
  end)

  it("goes on with another connection when the receiver resets one", function()
    start()
    gw:get("/one")
    wait_for(1)
    logs.conns[1]:reset()
    table.remove(logs.conns, 1)
    gw:get("/two")
    assert.equal("/two", wait_for(1)[1].request.uri)
  end)

  it("loses nothing while the configuration is reloaded again and again", function()
    start()
    for _ = 1, 5 do
      for _ = 1, 20 do
        gw:get("/")
      end
      assert.equal(200, (gw:reload()))
    end
    wait_for(100)
    assert.equal(1, logs.accepted)
    assert.equal(0, gw:metric("moongate_log_dropped_total"))
  end)

  it("sends what waits when the plugin is taken out, and closes its connection", function()
    start()
    for _ = 1, 10 do
      gw:get("/")
    end
    gw:configure("log: { access: off }\nroutes: [{ name: all, paths: [/], plugins: [{ name: echo }] }]")
    assert.equal(200, (gw:reload()))
    assert.is_true(wire.wait(function() return logs.conns[1] and logs.conns[1].ended == "end" end))
    wait_for(10)
  end)

  it("sends the rest when the gateway stops", function()
    start()
    for _ = 1, 50 do
      gw:get("/")
    end
    gw:stop()
    gw = nil
    wait_for(50)
  end)

  it("does not keep the gateway from stopping when the receiver is down", function()
    local port = logs.port
    logs:close()
    gw = moongate.start { vars = { logs = port }, yaml = "drain_timeout: 500ms\n" .. YAML }
    for _ = 1, 3 do
      gw:get("/")
    end
    gw:stop()
    assert.matches("sink tcp:127.0.0.1:%d+: lines that were not delivered before the end: 3", gw:stderr())
    gw = nil
  end)

  it("knows TLS, but not in this version", function()
    start()
    gw:configure((YAML:gsub("port: {{logs}}", "port: {{logs}}, tls: true")))
    local status, answer = gw:reload()
    assert.equal(422, status)
    assert.matches("tls.*not in this version", answer.errors[1])
  end)
end)
