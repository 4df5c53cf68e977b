local cjson = require("cjson")
local gateway = require("moongate.spec")

-- With real datagrams: spec/integration/udp_log_spec.lua
describe("udp-log", function()
  local gw = gateway.new { plugins = { { name = "udp-log", config = { host = "logs.test", port = 9999 } } } }

  it("sends a line of JSON for each request", function()
    local logs = gw.upstreams["logs.test"]:raw()
    gw:get("/one")
    gw:get("/two", { headers = { authorization = "Basic abc" } })
    gw.clock:advance(1)
    local one, two = logs.received:match("^(%b{})\n(%b{})\n$")
    assert.equal("/one", cjson.decode(one).request.uri)
    assert.equal("REDACTED", cjson.decode(two).request.headers.authorization)
  end)
end)
