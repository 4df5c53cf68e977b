local gateway = require("moongate.spec")

local KEY = "k-alice"

describe("key-auth", function()
  local gw = gateway.new {
    config = [[
default_access: deny
consumers:
  - { username: alice, custom_id: a-1, keyauth_credentials: [{ key: k-alice }] }
  - { username: guest }
routes:
  - { name: plain, paths: [/plain], plugins: [{ name: key-auth }, { name: echo }] }
  - name: everywhere
    paths: [/everywhere]
    plugins: [{ name: key-auth, config: { key_in_query: true, key_in_body: true, key_names: [x-key, apikey] } }, { name: echo }]
  - { name: shown, paths: [/shown], plugins: [{ name: key-auth, config: { hide_credentials: false } }, { name: echo }] }
  - { name: realm, paths: [/realm], plugins: [{ name: key-auth, config: { realm: moon } }, { name: echo }] }
  - name: anonymous
    paths: [/anonymous]
    public: true
    plugins: [{ name: key-auth, config: { anonymous: guest } }, { name: echo }]
  - { name: preflight, paths: [/preflight], plugins: [{ name: key-auth, config: { run_on_preflight: false } }, { name: echo }] }
]],
  }

  local function said(res) return res:json() end

  it("lets a known key pass and tells the service who it is", function()
    local res = gw:get("/plain", { headers = { apikey = KEY } })
    assert.equal(200, res.status)
    local headers = said(res).headers
    assert.equal("alice", headers["x-consumer-username"])
    assert.equal("a-1", headers["x-consumer-custom-id"])
    assert.matches("^%x+%-", headers["x-consumer-id"])
    assert.equal("alice", said(res).consumer)
  end)

  it("hides the key from the service", function()
    assert.is_nil(said(gw:get("/plain", { headers = { apikey = KEY } })).headers.apikey)
    assert.is_not_nil(said(gw:get("/shown", { headers = { apikey = KEY } })).headers.apikey)
  end)

  it("refuses a request without a key, as a problem", function()
    local res = gw:get("/plain")
    assert.equal(401, res.status)
    assert.equal("Key", res.headers["www-authenticate"])
    assert.equal("application/problem+json", res.headers["content-type"])
    local problem = said(res)
    assert.equal(401, problem.status)
    assert.equal("no API key", problem.detail)
    assert.is_string(problem.correlationId)
    assert.equal('Key realm="moon"', gw:get("/realm").headers["www-authenticate"])
  end)

  it("refuses an unknown key, also a prefix or another case of a known one", function()
    for _, key in ipairs { "nobody", "k-alic", "K-ALICE", "k-alice " .. "x", "k-alice\t" .. "x" } do
      assert.equal(401, gw:get("/plain", { headers = { apikey = key } }).status)
    end
  end)

  it("does not look into the query unless told to", function()
    assert.equal(401, gw:get("/plain?apikey=" .. KEY).status)
    assert.equal(200, gw:get("/everywhere?apikey=" .. KEY).status)
  end)

  it(
    "takes the key out of the query, and only that",
    function() assert.same({ a = "1" }, said(gw:get("/everywhere?a=1&apikey=" .. KEY)).query) end
  )

  it("finds the key in a form and in JSON", function()
    local form = gw:request(
      "POST",
      "/everywhere",
      { headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }, body = "a=1&x-key=" .. KEY }
    )
    assert.equal(200, form.status)
    local json = gw:request(
      "POST",
      "/everywhere",
      { headers = { ["Content-Type"] = "application/json" }, body = '{"apikey":"' .. KEY .. '"}' }
    )
    assert.equal(200, json.status)
  end)

  it("refuses a key that stands there twice", function()
    assert.equal(401, gw:get("/everywhere?apikey=" .. KEY .. "&apikey=other").status)
    local res = gw:request("GET", "/plain", { headers = { { "apikey", KEY }, { "apikey", "other" } } })
    assert.equal(401, res.status)
    res = gw:request("GET", "/everywhere", { headers = { { "X-Key", KEY }, { "X_Key", "other" } } })
    assert.equal(401, res.status)
  end)

  it("lets nobody forge who they are, in any spelling", function()
    local res = gw:request("GET", "/plain", {
      headers = {
        { "apikey", KEY },
        { "X-Consumer-Username", "root" },
        { "X_Consumer_Username", "root" },
        { "x-consumer-custom-id", "0" },
        { "X-Anonymous-Consumer", "true" },
        { "X-Consumer-Groups", "admin" },
      },
    })
    for name, value in pairs(said(res).headers) do
      assert.is_false(value == "root" or value == "0" or value == "admin", name)
    end
    assert.is_nil(said(res).headers["x-anonymous-consumer"])
  end)

  it("counts a request without a key as the anonymous consumer", function()
    local headers = said(gw:get("/anonymous")).headers
    assert.equal("guest", headers["x-consumer-username"])
    assert.equal("true", headers["x-anonymous-consumer"])
    assert.equal(
      "alice",
      said(gw:get("/anonymous", { headers = { apikey = KEY } })).headers["x-consumer-username"]
    )
  end)

  it("lets preflights pass where it is told to", function()
    assert.equal(200, gw:request("OPTIONS", "/preflight").status)
    assert.equal(401, gw:request("OPTIONS", "/plain").status)
    assert.equal(401, gw:get("/preflight").status)
  end)

  it("does not load without a place for the key", function()
    local ok, reason =
      pcall(gateway.new, { plugins = { { name = "key-auth", config = { key_in_header = false } } } })
    assert.is_false(ok)
    assert.matches("no place is left where a key could stand", reason)
  end)
end)
