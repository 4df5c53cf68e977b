-- The plugins of the first days once through the real binary; their specs beside them run in the harness.
local http = require("support.http")
local moongate = require("support.moongate")

describe("key-auth, correlation-id, the transformers and echo together", function()
  local gw, service

  setup(function()
    service = http.service(function() return { status = 200, body = "fine", headers = { ["X-Gone"] = "1" } } end)
    gw = moongate.start {
      vars = { up = service.port },
      yaml = [[
default_access: deny
plugins: [{ name: correlation-id }]
consumers: [{ username: alice, keyauth_credentials: [{ key: k-alice }] }]
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes:
      - name: all
        paths: [/all]
        plugins:
          - { name: key-auth }
          - { name: request-transformer, config: { add: { headers: ["x-add:1"] }, remove: { querystring: [gone] } } }
          - { name: response-transformer, config: { add: { headers: ["x-back:2"] }, remove: { headers: [x-gone] } } }
routes:
  - { name: echo, paths: [/echo], public: true, plugins: [{ name: echo }] }
]],
    }
  end)

  teardown(function()
    gw:stop()
    service:close()
    moongate.stop_all()
  end)

  it("let a known key pass and change what passes", function()
    local res = gw:get("/all?gone=1&kept=2", { apikey = "k-alice" })
    assert.equal(200, res.status)
    assert.equal("2", res.headers["x-back"])
    assert.is_nil(res.headers["x-gone"])
    assert.is_string(res.headers["x-correlation-id"])
    local seen = service.requests[#service.requests]
    assert.equal("alice", seen.headers["x-consumer-username"])
    assert.equal("1", seen.headers["x-add"])
    assert.equal(res.headers["x-correlation-id"], seen.headers["x-correlation-id"])
    assert.is_nil(seen.headers.apikey)
    assert.matches("%?kept=2$", seen.target)
  end)

  it("refuse everybody else", function() assert.equal(401, gw:get("/all").status) end)

  it("show what arrived", function()
    local res = gw:request("POST", "/echo", { body = "two moons" })
    assert.equal("two moons", require("cjson").decode(res.body).body)
  end)
end)
