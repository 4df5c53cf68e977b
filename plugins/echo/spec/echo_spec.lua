local gateway = require("moongate.spec")

describe("echo", function()
  local gw = gateway.new {
    config = [[
routes:
  - { name: all, paths: [/], public: true, plugins: [{ name: echo }] }
  - { name: quiet, paths: [/quiet], public: true, plugins: [{ name: echo, config: { status: 418, include_body: false } }] }
  - { name: small, paths: [/small], public: true, plugins: [{ name: echo, config: { max_body: 4b } }] }
]],
  }

  it("says what arrived", function()
    local res = gw:get("/a/b?x=1&y=%20z&bare", { headers = { ["X-Thing"] = "one" } })
    assert.has_status(res, 200)
    assert.has_header(res, "content-type", "application/json")
    local said = res:json()
    assert.equal("GET", said.method)
    assert.equal("/a/b", said.path)
    assert.same({ x = "1", y = " z", bare = true }, said.query)
    assert.equal("one", said.headers["x-thing"])
    assert.equal("all", said.route)
    assert.equal("192.0.2.1", said.client_ip)
    assert.is_nil(said.body)
  end)

  it("shows the body", function() assert.equal("two moons", gw:post("/", { body = "two moons" }):json().body) end)

  it("names credentials without showing them", function()
    local said = gw:get("/", { headers = { Authorization = "Basic c2VjcmV0", Cookie = "a=b" } }):json()
    assert.equal("(not shown)", said.headers.authorization)
    assert.equal("(not shown)", said.headers.cookie)
  end)

  it("answers with the status it was given and leaves the body alone", function()
    local res = gw:post("/quiet", { body = "shh" })
    assert.has_status(res, 418)
    assert.is_nil(res:json().body)
  end)

  it("leaves out a body that is too large and says so", function()
    local said = gw:post("/small", { body = "12345" }):json()
    assert.is_nil(said.body)
    assert.equal("too large", said.body_left_out)
  end)
end)
