local gateway = require("moongate.spec")

local function open(config, more)
  local made = { plugins = { { name = "bandwidth-limiting", config = config } } }
  for key, value in pairs(more or {}) do
    made[key] = value
  end
  return gateway.new(made)
end

-- How long something took, to a fifth of a second.
local function near(expected, took) assert.is_true(math.abs(took - expected) <= 0.2, tostring(took)) end

describe("bandwidth-limiting", function()
  it("paces responses, after the burst, and leaves them whole", function()
    local gw = open { down = "1000b", burst = "2000b" }
    gw.upstream:reply { body = ("x"):rep(12000) }
    local res = gw:get("/")
    assert.equal(("x"):rep(12000), res.body)
    near(10, res.took)
    local sum = 0
    for _, piece in ipairs(res.pieces) do
      sum = sum + #piece.text
      assert.is_true(sum <= 2000 + 1000 * piece.at + 1)
    end
  end)

  it("paces requests, and not what it does not name", function()
    local gw = open { up = "2000b", burst = "1b" }
    gw.upstream:reply { body = ("x"):rep(100000) }
    local res = gw:post("/", { body = ("y"):rep(10000) })
    assert.equal(("y"):rep(10000), gw.upstream.last_request.body)
    near(5, res.took)
  end)

  it("gives each stream the rate for itself where nothing is shared", function()
    local gw = open { down = "1000b", burst = "1b" }
    gw.upstream:reply { body = ("x"):rep(5000) }
    local first, second = gw:start("GET", "/"), gw:start("GET", "/")
    near(5, first:wait().took)
    near(5, second:wait().took)
  end)

  it("lets all of a key share one, and others not wait for them", function()
    local gw = open { down = "1000b", burst = "1b", limit_by = "ip" }
    gw.upstream:reply { body = ("x"):rep(5000) }
    local first = gw:start("GET", "/", { from = "192.0.2.1" })
    local second = gw:start("GET", "/", { from = "192.0.2.1" })
    local other = gw:start("GET", "/", { from = "192.0.2.2" })
    near(5, other:wait().took)
    assert.is_true(first:wait().took > 9 and second:wait().took > 9)
    near(10, math.max(first:wait().took, second:wait().took))
  end)

  it("does not let a large one starve a small one", function()
    local gw = open { down = "10000b", burst = "1b", limit_by = "ip" }
    gw.upstream:reply(function(request) return ("x"):rep(request.path == "/large" and 1000000 or 5000) end)
    local large = gw:start("GET", "/large")
    near(1, gw:get("/small").took)
    large:cancel()
    gw:settle()
  end)

  it("paces an answer that is made here, but no body that a plugin has read", function()
    local gw = gateway.new {
      config = [[
default_access: allow
plugins: [{ name: bandwidth-limiting, config: { down: 1000b, up: 1000b, burst: 1b } }]
services:
  - name: s
    url: http://up.test
    routes:
      - name: read
        paths: [/read]
        plugins: [{ name: pre-function, config: { access: ["local ctx = ... ctx.request:get_raw_body()"] } }]
      - name: made
        paths: [/made]
        plugins: [{ name: request-termination, config: { status_code: 200, body: "]]
        .. ("m"):rep(3000)
        .. [[" } }]
]],
    }
    local res = gw:get("/made")
    assert.equal(3000, #res.body)
    near(3, res.took)
    near(0, gw:post("/read", { body = ("y"):rep(2000) }).took)
  end)

  it("is other for groups", function()
    local gw = gateway.new {
      config = [[
default_access: allow
consumer_groups: [{ name: gold }, { name: staff }]
consumers:
  - { username: ann, groups: [gold], keyauth_credentials: [{ key: k-ann }] }
  - { username: bob, groups: [staff], keyauth_credentials: [{ key: k-bob }] }
  - { username: cy, keyauth_credentials: [{ key: k-cy }] }
services: [{ name: s, url: "http://up.test", routes: [{ name: r, paths: [/] }] }]
plugins:
  - name: key-auth
  - name: bandwidth-limiting
    config: { down: 1000b, burst: 1b, tiers: { gold: { down: 4000b }, staff: { unlimited: true } } }
]],
    }
    gw.upstream:reply { body = ("x"):rep(8000) }
    local function took(key) return gw:get("/", { headers = { apikey = key } }).took end
    near(2, took("k-ann"))
    near(0, took("k-bob"))
    near(8, took("k-cy"))
  end)

  it("refuses who has no key where there is no other", function()
    local gw = open { down = "1000b", limit_by = { header = "X-Team" } }
    assert.is_problem(gw:get("/"), 403)
    assert.equal(200, gw:get("/", { headers = { ["x-team"] = "a" } }).status)
  end)

  it("gives the buckets back when clients go away in the middle", function()
    local gw = open { down = "1000b", up = "1000b", burst = "1b", limit_by = "ip" }
    gw.upstream:reply { body = ("x"):rep(50000) }
    for _ = 1, 3 do
      local one = gw:start("GET", "/")
      gw.clock:advance(1)
      one:cancel()
      gw:settle()
    end
    local gates = gw:module("moongate.limit.gates")
    for zone, one in pairs(gates.opened) do
      assert.equal(0, gates.stats(one).active, zone)
    end
  end)

  describe("does not load with", function()
    for text, message in pairs {
      ["{}"] = "says how fast neither `down` nor `up`",
      ["{ burst: 1m }"] = "says how fast neither",
      ["{ down: 10b }"] = "down",
      ["{ up: fast }"] = "up",
      ["{ down: 1m, burst: -1 }"] = "burst",
      ["{ down: 1m, missing_key: deny }"] = "says nothing without limit_by",
      ["{ down: 1m, limit_by: moon }"] = "limit_by: must be one of",
      ["{ down: 1m, tiers: { gold: {} } }"] = "says how fast neither",
    } do
      it(text, function()
        local ok, why = pcall(gateway.new, {
          config = "default_access: allow\nroutes: [{ name: r, paths: [/] }]\nplugins:\n"
            .. "  - name: bandwidth-limiting\n    config: "
            .. text
            .. "\n",
        })
        assert.is_false(ok)
        assert.truthy(tostring(why):find(message, 1, true), tostring(why))
      end)
    end
  end)
end)
