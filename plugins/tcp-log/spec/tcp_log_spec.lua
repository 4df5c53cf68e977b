local cjson = require("cjson")
local gateway = require("moongate.spec")

-- How it goes with real sockets, reloads and the end of the process: spec/integration/tcp_log_spec.lua
describe("tcp-log", function()
  local function new(config)
    config = config or {}
    config.host, config.port = "logs.test", 5044
    local gw = gateway.new { plugins = { { name = "tcp-log", config = config } } }
    return gw, gw.upstreams["logs.test"]:raw()
  end

  local function lines(logs)
    local list = {}
    for line in logs.received:gmatch("([^\n]*)\n") do
      list[#list + 1] = cjson.decode(line)
    end
    return list
  end

  it("sends one line of JSON a request on a connection that is kept", function()
    local gw, logs = new()
    gw:get("/one")
    gw:get("/two")
    gw.clock:advance(1)
    assert.equal("/one", lines(logs)[1].request.uri)
    assert.equal("/two", lines(logs)[2].request.uri)
    assert.equal(1, logs.connections)
  end)

  it("closes a connection that is idle", function()
    local gw, logs = new { keepalive = 5000 }
    gw:get("/one")
    gw.clock:advance(10)
    gw:get("/two")
    gw.clock:advance(1)
    assert.equal(2, #lines(logs))
    assert.equal(2, logs.connections)
  end)

  it("sends the lines when the receiver is back", function()
    local gw, logs = new()
    logs:refuse()
    for i = 1, 3 do
      assert.equal(200, gw:get("/" .. i).status)
    end
    gw.clock:advance(20)
    logs:refuse(false)
    gw.clock:advance(30)
    assert.equal(3, #lines(logs))
    assert.is_truthy(gw.log:find("no connection is accepted"))
    assert.is_truthy(gw.log:find("takes lines again %(lost meanwhile: 0%)"))
  end)

  it("gives up connecting after its timeout, and a line after a minute", function()
    local gw, logs = new { timeout = 1000 }
    logs:connect_after(nil)
    gw:get("/lost")
    gw.clock:advance(90)
    assert.is_truthy(gw.log:find("connecting takes too long"))
    logs:connect_after(0)
    gw:get("/kept")
    gw.clock:advance(5)
    assert.equal(1, #lines(logs))
    assert.equal("/kept", lines(logs)[1].request.uri)
  end)

  it("knows TLS, but not in this version", function()
    local ok, why = pcall(new, { tls = true })
    assert.is_false(ok)
    assert.matches("tls.*not in this version", tostring(why))
  end)
end)
