local moongate = require("support.moongate")

describe("echo", function()
  local gw

  setup(function()
    gw = moongate.start { yaml = [[
routes:
  - { name: all, paths: [/], plugins: [{ name: echo }] }
  - { name: quiet, paths: [/quiet], plugins: [{ name: echo, config: { status: 418, include_body: false } }] }
  - { name: small, paths: [/small], plugins: [{ name: echo, config: { max_body: 4b } }] }
]] }
  end)

  teardown(function()
    gw:stop()
    moongate.stop_all()
  end)

  local function echoed(method, target, opts)
    local res = gw:request(method, target, opts)
    return require("cjson").decode(res.body), res
  end

  it("says what arrived", function()
    local said, res = echoed("GET", "/a/b?x=1&y=%20z&bare", { headers = { ["X-Thing"] = "one" } })
    assert.equal(200, res.status)
    assert.equal("application/json", res.headers["content-type"])
    assert.equal("GET", said.method)
    assert.equal("/a/b", said.path)
    assert.same({ x = "1", y = " z", bare = true }, said.query)
    assert.equal("one", said.headers["x-thing"])
    assert.equal("all", said.route)
    assert.equal("127.0.0.1", said.client_ip)
    assert.is_nil(said.body)
  end)

  it("shows the body", function()
    assert.equal("two moons", echoed("POST", "/", { body = "two moons" }).body)
  end)

  it("names credentials without showing them", function()
    local said = echoed("GET", "/", { headers = { Authorization = "Basic c2VjcmV0", Cookie = "a=b" } })
    assert.equal("(not shown)", said.headers.authorization)
    assert.equal("(not shown)", said.headers.cookie)
  end)

  it("answers with the status it was given and leaves the body alone", function()
    local said, res = echoed("POST", "/quiet", { body = "shh" })
    assert.equal(418, res.status)
    assert.is_nil(said.body)
  end)

  it("leaves out a body that is too large and says so", function()
    local said = echoed("POST", "/small", { body = "12345" })
    assert.is_nil(said.body)
    assert.equal("too large", said.body_left_out)
  end)
end)
