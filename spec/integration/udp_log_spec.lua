local cjson = require("cjson")
local datagrams = require("support.datagrams")
local moongate = require("support.moongate")
local wire = require("support.wire")

describe("udp-log", function()
  local gw, logs

  setup(function()
    logs = datagrams.udp()
    gw = moongate.start {
      vars = { logs = logs.port },
      yaml = [[
log: { access: off }
plugins: [{ name: udp-log, config: { host: localhost, port: {{logs}} } }]
routes: [{ name: all, paths: [/], plugins: [{ name: echo }] }]
]],
    }
  end)

  teardown(function()
    gw:stop()
    logs:close()
    moongate.stop_all()
  end)

  it("sends a datagram with a line of JSON for each request", function()
    gw:get("/one")
    gw:get("/two")
    local list = logs:wait(2)
    assert.equal(2, #list)
    local line = cjson.decode(list[1])
    assert.equal(200, line.response.status)
    assert.is_truthy(line.request.uri == "/one" or line.request.uri == "/two")
    assert.is_nil(list[1]:find("\n", 1, true))
  end)

  it("loses and counts what is too long for a datagram", function()
    local headers = {}
    for i = 1, 4 do
      headers["X-Long-" .. i] = ('"'):rep(5800)
    end -- twice as long in JSON
    local before = gw:metric("moongate_log_lost_total{")
    assert.equal(200, gw:get("/?" .. ("q"):rep(7500), headers).status) -- stands there three times
    gw:get("/after")
    assert.equal("/after", cjson.decode(logs:wait(1)[1]).request.uri)
    assert.is_true(wire.wait(function() return gw:metric("moongate_log_lost_total{") == before + 1 end))
  end)
end)
