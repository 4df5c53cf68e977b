local cjson = require("cjson")
local datagrams = require("support.datagrams")
local moongate = require("support.moongate")

describe("syslog", function()
  local gw, logs

  setup(function()
    local path = os.tmpname()
    os.remove(path)
    logs = datagrams.unix(path)
    gw = moongate.start {
      vars = { socket = path },
      yaml = [[
log: { access: off }
plugins:
  - name: syslog
    config:
      { socket: "{{socket}}", facility: local3, log_level: notice, successful_severity: info,
        client_errors_severity: warning, server_errors_severity: crit }
routes:
  - { name: fine, paths: [/fine], plugins: [{ name: echo }] }
  - { name: wrong, paths: [/wrong], plugins: [{ name: request-termination, config: { status_code: 503 } }] }
]],
    }
  end)

  teardown(function()
    gw:stop()
    logs:close()
    moongate.stop_all()
  end)

  it("writes a message whose severity comes from the status, in the form of the local socket", function()
    gw:get("/nothing")
    local message = logs:wait(1)[1]
    local priority, stamp, tag, line = message:match("^<(%d+)>(%a%a%a [ %d]%d %d%d:%d%d:%d%d) ([^ ]+): (.*)$")
    assert.equal(19 * 8 + 4, tonumber(priority))
    assert.equal(os.date("%b"), stamp:sub(1, 3))
    assert.equal(("moongate[%d]"):format(gw:worker()), tag)
    assert.equal(404, cjson.decode(line).response.status)

    gw:get("/wrong")
    assert.equal(19 * 8 + 2, tonumber(logs:wait(1)[1]:match("^<(%d+)>")))
  end)

  it("writes nothing below its level", function()
    gw:get("/fine")
    gw:get("/nothing")
    local list = logs:wait(1)
    assert.equal(1, #list)
    assert.matches("404", list[1])
  end)
end)
