local gateway = require("moongate.spec")
local split = dofile((debug.getinfo(1, "S").source:match("^@(.*)spec/[^/]*$") or "") .. "split.lua")

local function yaml(config)
  return ([[
default_access: allow
upstreams:
  - { name: stable, targets: [{ target: "127.0.0.1:1001" }] }
  - { name: fresh, targets: [{ target: "127.0.0.1:1002" }] }
consumers:
  - { username: ann, groups: [testers], keyauth_credentials: [{ key: k-ann }] }
  - { username: bob, keyauth_credentials: [{ key: k-bob }] }
  - { username: guest }
services:
  - name: shop
    host: stable
    path: /base
    routes: [{ name: shop, paths: [/shop] }]
    plugins:
      - { name: key-auth, config: { anonymous: guest } }
      - { name: canary, config: { %s } }
]]):format(config)
end

local function open(config, clock)
  local gw = gateway.new {
    config = yaml(config),
    upstreams = { stable = { body = "stable" }, fresh = { body = "fresh" } },
    auto_advance = clock and false or nil,
  }
  local function side(opts)
    local res = gw:get("/shop/x", opts)
    assert.equal(200, res.status)
    return res.body, res
  end
  return side, gw
end

-- How many of so many clients get the canary.
local function count(side, clients)
  local fresh = 0
  for i = 1, clients do
    if side { from = ("10.%d.%d.%d"):format(i / 65536, i / 256 % 256, i % 256) } == "fresh" then
      fresh = fresh + 1
    end
  end
  return fresh
end

describe("a split", function()
  it("puts 5 % of 100,000 keys within 5 % ± 0.3, whatever keys look like", function()
    for _, form in ipairs { "%d", "user-%d@example.com", "10.0.%d", "%08x-4000-8000", "%d000000" } do
      local salt, below = split.salt("shop-v2 " .. form), 0
      for i = 1, 100000 do
        if split.place(salt, form:format(i)) < 0.05 then below = below + 1 end
      end
      assert.is_true(math.abs(below / 1000 - 5) < 0.3, form .. ": " .. below)
    end
  end)

  it("fills the whole range, and never reaches 1", function()
    local salt, least, most = split.salt(""), 1, 0
    for i = 1, 100000 do
      local place = split.place(salt, tostring(i))
      least, most = math.min(least, place), math.max(most, place)
    end
    assert.is_true(least >= 0 and least < 0.001 and most > 0.999 and most < 1)
  end)

  it("puts the same keys elsewhere with another salt", function()
    local one, other, both = split.salt("a"), split.salt("b"), 0
    for i = 1, 10000 do
      local key = tostring(i)
      if split.place(one, key) < 0.1 and split.place(other, key) < 0.1 then both = both + 1 end
    end
    assert.is_true(both > 50 and both < 150, both)
  end)

  it(
    "is the same in every version: these places are written down",
    function()
      assert.same({ 0.9457, 0.6307, 0.6689 }, {
        math.floor(split.place(split.salt("shop-v2  "), "ann") * 1e4 + 0.5) / 1e4,
        math.floor(split.place(split.salt("shop-v2  "), "bob") * 1e4 + 0.5) / 1e4,
        math.floor(split.place(split.salt(""), "") * 1e4 + 0.5) / 1e4,
      })
    end
  )
end)

describe("canary", function()
  it("takes its share of clients, and each client stays", function()
    local side = open("upstream_host: fresh, percentage: 20, hash: ip")
    assert.is_true(math.abs(count(side, 1000) - 200) < 60)
    for i = 1, 20 do
      local from = "10.9.9." .. i
      assert.equal((side { from = from }), (side { from = from }))
    end
  end)

  it("keeps whom it has over a reload and when its share grows", function()
    local small, large = open("upstream_host: fresh, percentage: 10"), open("upstream_host: fresh, percentage: 30")
    local kept, more = 0, 0
    for i = 1, 300 do
      local from = "10.1.1." .. i % 256
      local before, after = small { from = from }, large { from = from }
      if before == "fresh" then
        assert.equal("fresh", after)
        kept = kept + 1
      elseif after == "fresh" then
        more = more + 1
      end
    end
    assert.is_true(kept > 5 and more > 10, kept .. " " .. more)
  end)

  it("takes nobody at 0 and everybody at 100", function()
    assert.equal(0, count(open("upstream_host: fresh, percentage: 0"), 200))
    assert.equal(200, count(open("upstream_host: fresh, percentage: 100"), 200))
    assert.equal(0, count(open("upstream_host: fresh"), 50))
  end)

  it("goes by chance where nobody is to stay", function()
    local side = open("upstream_host: fresh, percentage: 50, hash: none")
    local fresh = 0
    for _ = 1, 400 do
      if side() == "fresh" then fresh = fresh + 1 end
    end
    assert.is_true(fresh > 120 and fresh < 280, fresh)
  end)

  it("goes by consumer, wherever the consumer is", function()
    local side = open("upstream_host: fresh, percentage: 50, hash: consumer")
    for _, key in ipairs { "k-ann", "k-bob" } do
      local first = side { headers = { apikey = key }, from = "10.0.0.1" }
      for i = 2, 20 do
        assert.equal(first, (side { headers = { apikey = key }, from = "10.0.0." .. i }))
      end
    end
  end)

  it("goes by a header, and by the address where there is none", function()
    local side = open("upstream_host: fresh, percentage: 50, hash: header, hash_header: X-Tenant")
    local seen = {}
    for i = 1, 40 do
      local tenant = { ["X-Tenant"] = "t" .. i }
      local first = side { headers = tenant, from = "10.0.0.1" }
      assert.equal(first, (side { headers = tenant, from = "10.0.0.2" }))
      seen[first] = true
    end
    assert.is_true(seen.fresh and seen.stable)
    assert.equal((side { from = "10.0.0.1" }), (side { from = "10.0.0.1" }))
  end)

  it("gives a client without the cookie one, and then leaves it alone", function()
    local side = open("upstream_host: fresh, percentage: 50, hash: cookie, hash_cookie: lot")
    for _ = 1, 20 do
      local first, res = side()
      local lot = assert(
        res.headers["set-cookie"]:match("^(lot=[%x-]+); Path=/; Max%-Age=31536000; HttpOnly; SameSite=Lax$")
      )
      local again, later = side { headers = { Cookie = "a=b; " .. lot .. "; c=d" }, from = "10.3.3.3" }
      assert.equal(first, again)
      assert.is_nil(later.headers["set-cookie"])
    end
  end)

  it("does what a header or a cookie says before all else", function()
    local side =
      open("upstream_host: fresh, percentage: 0, canary_by_header_name: X-Canary, canary_by_cookie_name: beta")
    assert.equal("fresh", (side { headers = { ["X-Canary"] = "always" } }))
    assert.equal("stable", (side { headers = { ["X-Canary"] = "perhaps" } }))
    assert.equal("fresh", (side { headers = { Cookie = "x=y; beta=always" } }))
    assert.equal("stable", (side { headers = { ["X-Canary"] = "never", Cookie = "beta=always" } }))
    local all = open("upstream_host: fresh, percentage: 100, canary_by_header_name: X-Canary")
    assert.equal("stable", (all { headers = { ["X-Canary"] = "never" } }))
  end)

  it("goes by groups of consumers", function()
    local allow = open("upstream_host: fresh, hash: allow, groups: [testers]")
    assert.equal("fresh", (allow { headers = { apikey = "k-ann" } }))
    assert.equal("stable", (allow { headers = { apikey = "k-bob" } }))
    assert.equal("stable", (allow()))
    local deny = open("upstream_host: fresh, hash: deny, groups: [testers]")
    assert.equal("stable", (deny { headers = { apikey = "k-ann" } }))
    assert.equal("fresh", (deny { headers = { apikey = "k-bob" } }))
  end)

  it("stays with the service's own while the canary's targets are all out, where that is wanted", function()
    local watched = "%1, healthchecks: { passive: { unhealthy: { http_failures: 2 } } }"
    for _, fallback in ipairs { true, false } do
      local config = yaml("upstream_host: fresh, percentage: 100, upstream_fallback: " .. tostring(fallback))
      local gw = gateway.new {
        config = config:gsub("(name: fresh, targets: %b[])", watched),
        upstreams = { stable = { body = "stable" }, fresh = { status = 500, body = "broken" } },
      }
      local function ask() return gw:get("/shop/x").body end
      assert.same({ "broken", "broken" }, { ask(), ask() })
      assert.equal(fallback and "stable" or "broken", ask())
    end
  end)

  it("grows by itself from its start on", function()
    local probe = gateway.new { plugins = {} }
    local now = math.floor(probe.clock:now())
    local config = ("upstream_host: fresh, start: %d, duration: 1000, steps: 10, hash: ip"):format(now + 100)
    local side, gw = open(config, true)
    assert.equal(0, count(side, 100))
    gw.clock:advance(100 + 550)
    local half = count(side, 400)
    assert.is_true(half > 140 and half < 260, half)
    gw.clock:advance(1000)
    assert.equal(100, count(side, 100))
  end)

  it("asks a host, under another path, and counts both sides", function()
    local side, gw = open("upstream_host: canary.test, upstream_port: 81, upstream_uri: /v2, percentage: 100")
    gw.upstreams["canary.test:81"]:reply { body = "host" }
    assert.equal("host", (side()))
    assert.equal("/v2", gw.upstreams["canary.test:81"].last_request.path)
  end)

  it("does not load with what cannot be", function()
    for _, case in ipairs {
      { { percentage = 5 }, "at least one of.-upstream_host" },
      { { upstream_host = "a", percentage = 101 }, "percentage" },
      { { upstream_host = "a", percentage = -1 }, "percentage" },
      { { upstream_host = "a", percentage = 5, start = 1 }, "only one of" },
      { { upstream_host = "a", hash = "header" }, "hash_header" },
      { { upstream_host = "a", hash = "allow" }, "groups" },
      { { upstream_host = "a", hash = "cookie", hash_cookie = "a b" }, "hash_cookie" },
      { { upstream_uri = "/a", upstream_fallback = true }, "upstream_host" },
      {
        { upstream_host = "a.test", upstream_fallback = true },
        'upstream_fallback: upstream_host must name .-"a.test"',
      },
      { { upstream_host = "fresch" }, 'no upstream named "fresch" .-; a host of one word needs upstream_port' },
      { { upstream_host = "a", upstream_uri = "x" }, "upstream_uri" },
    } do
      assert.error_matches(
        function() gateway.new { plugins = { { name = "canary", config = case[1] } } } end,
        case[2]
      )
    end
  end)
end)
