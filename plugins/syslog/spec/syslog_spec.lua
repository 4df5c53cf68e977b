local cjson = require("cjson")
local gateway = require("moongate.spec")

-- With a real socket: spec/integration/syslog_spec.lua
describe("syslog", function()
  local function new(config)
    local gw = gateway.new { plugins = { { name = "syslog", config = config } } }
    return gw, gw.upstreams.syslog:raw()
  end

  local function priorities(logs)
    local list = {}
    for priority in logs.received:gmatch("<(%d+)>[^\n]*\n") do
      list[#list + 1] = tonumber(priority)
    end
    return list
  end

  it("writes a message whose severity comes from the status", function()
    local gw, logs = new {
      facility = "local3",
      successful_severity = "info",
      client_errors_severity = "warning",
      server_errors_severity = "crit",
    }
    for _, status in ipairs { 200, 404, 503 } do
      gw.upstream:reply { status = status }
      gw:get("/")
    end
    gw.clock:advance(1)
    assert.same({ 19 * 8 + 6, 19 * 8 + 4, 19 * 8 + 2 }, priorities(logs))
  end)

  it("writes it in the form of the local socket, with the gateway's time", function()
    local gw, logs = new {}
    gw:get("/one")
    gw.clock:advance(1)
    local stamp, tag, line = logs.received:match("^<14>(%a%a%a [ %d]%d %d%d:%d%d:%d%d) ([^ ]+): (.*)\n$")
    assert.equal(os.date("%b %e", gw.clock:now() - 1), stamp:sub(1, 6))
    assert.matches("^moongate%[%d+%]$", tag)
    assert.equal("/one", cjson.decode(line).request.uri)
  end)

  it("writes nothing below its level", function()
    local gw, logs = new { log_level = "warning", server_errors_severity = "err" }
    gw:get("/")
    gw.upstream:reply { status = 500 }
    gw:get("/")
    gw.clock:advance(1)
    assert.same({ 8 + 3 }, priorities(logs))
  end)
end)
