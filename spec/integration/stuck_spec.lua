local cjson = require("cjson")
local moongate = require("support.moongate")
local wire = require("support.wire")

local function handler(body)
  return "local M = { version = '1.0.0', priority = 1000 }\nfunction M.access(_, ctx)\n"
    .. body
    .. "\nend\nreturn M\n"
end

local SCHEMA = "return require('moongate.schema').record {}"

local function start(body)
  return moongate.start {
    yaml = "workers: 1\nplugin_paths: [./plugins]\nlog: { access: stdout }\nlua: { budget: off, stuck_limit: off }\n"
      .. "routes: [{ name: r, paths: [/], plugins: [{ name: busy }, { name: echo }] }]\n",
    files = { ["plugins/busy/handler.lua"] = handler(body), ["plugins/busy/schema.lua"] = SCHEMA },
  }
end

describe("a hook that computes", function()
  after_each(moongate.stop_all)

  it("is seen in the access log", function()
    local gw = start("local t = os.clock() while os.clock() - t < 0.05 do end")
    assert.equal(200, gw:get("/").status)
    local line = gw:access_log(1)[1]
    assert.is_true(line.duration >= 45, cjson.encode(line))
    assert.is_true(line.phases.access >= 45, cjson.encode(line))
    gw:stop()
  end)

  it("without end is named by a reload, and does not keep the process from ending", function()
    local gw = start("if ctx.request:get_path() == '/stuck' then while true do end end")
    local client = gw:connect()
    client:send("GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.pass(0.2)
    local admin = assert(wire.connect(gw.admin))
    admin:send("POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
    assert.is_truthy(gw:wait_log("1 of 1 workers have not taken the new generation", 10))
    gw.process:kill("TERM")
    assert.is_truthy(gw:wait_log("stopping"))
    gw.process:kill("TERM")
    assert.equal(1, gw.process:wait(10))
    assert.matches("a worker does not end", gw:stderr())
    client:close()
    admin:close()
  end)
end)
