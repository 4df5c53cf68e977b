--- Whom a use counts: every kind of key, what happens without one, and what hostile clients try.
local gateway = require("moongate.spec")

local CONSUMERS = [[
consumers:
  - { username: ann, keyauth_credentials: [{ key: k-ann }, { key: k-ann-2 }] }
  - { username: bob, keyauth_credentials: [{ key: k-bob }] }
  - { username: guest }
]]

local function yaml(config, more)
  return ([[
default_access: allow
trusted_proxies: [10.0.0.0/8]
%s
services:
  - name: a
    url: http://127.0.0.1:1001
    routes: [{ name: a1, paths: [/a1] }, { name: a2, paths: [/a2], strip_path: false }]
  - name: b
    url: http://127.0.0.1:1002
    routes: [{ name: b1, paths: [/] }]
routes: [{ name: alone, paths: [/alone], plugins: [{ name: request-termination, config: { status_code: 200 } }] }]
plugins:
  - { name: rate-limiting, config: { limit: 2, window: 60, %s } }
%s
]]):format(CONSUMERS, config, more or "")
end

local KEY_AUTH = "  - { name: key-auth, config: { anonymous: guest } }\n"

local function open(config, more)
  local gw = gateway.new { auto_advance = false, config = yaml(config, more) }
  -- The status, in the short.
  return function(path, opts) return gw:get(path or "/", opts).status end, gw
end

local function header(name, value) return { headers = { [name] = value } } end

-- Two pass and the third does not.
local function is_one(ask, path, opts)
  assert.equal(200, ask(path, opts))
  assert.equal(200, ask(path, opts))
  assert.equal(429, ask(path, opts))
end

describe("limit_by", function()
  it("consumer counts consumers, whatever their credential and address", function()
    local ask = open("limit_by: consumer", KEY_AUTH)
    assert.equal(200, ask("/", header("apikey", "k-ann")))
    assert.equal(200, ask("/", { from = "192.0.2.9", headers = { apikey = "k-ann-2" } }))
    assert.equal(429, ask("/", header("apikey", "k-ann")))
    assert.equal(200, ask("/", header("apikey", "k-bob")))
  end)

  it(
    "is consumer where nothing is said, and the address for those who are nobody, also where anonymous is",
    function()
      local ask = open("headers: draft", KEY_AUTH)
      is_one(ask, "/", { from = "192.0.2.9" })
      is_one(ask, "/", { from = "192.0.2.10" })
      assert.equal(200, ask("/", { from = "192.0.2.10", headers = { apikey = "k-ann" } }))
      is_one((open("headers: draft")))
    end
  )

  it("consumer takes a credential that belongs to no consumer for one", function()
    local gw = gateway.new {
      auto_advance = false,
      plugins = {
        {
          name = "who",
          priority = 2000,
          access = function(_, ctx)
            ctx.client:authenticate(nil, { id = ctx.request:get_header("x-id"), kind = "token" })
          end,
        },
        { name = "rate-limiting", config = { limit = 2, window = 60 } },
      },
    }
    local function ask(_, opts) return gw:get("/", opts).status end
    is_one(ask, "/", header("x-id", "one"))
    is_one(ask, "/", header("x-id", "two"))
    is_one(ask, "/", { headers = {}, from = "192.0.2.77" }) -- a credential without an id: by address
  end)

  it("credential counts each credential", function()
    local ask = open("limit_by: credential", KEY_AUTH)
    is_one(ask, "/", header("apikey", "k-ann"))
    is_one(ask, "/", header("apikey", "k-ann-2"))
    is_one(ask, "/", { from = "192.0.2.10" })
  end)

  it("ip counts addresses, of IPv6 the network of 64 bits", function()
    local ask = open("limit_by: ip")
    is_one(ask, "/", { from = "192.0.2.9" })
    is_one(ask, "/", { from = "192.0.2.10" })
    assert.equal(200, ask("/", { from = "2001:db8:0:1::1" }))
    assert.equal(200, ask("/", { from = "2001:db8:0:1:ffff::2" }))
    assert.equal(429, ask("/", { from = "2001:db8:0:1:1234:5678:9abc:def0" }))
    is_one(ask, "/", { from = "2001:db8:0:2::1" })
  end)

  it("ip takes as much of an IPv6 address as ipv6_prefix says", function()
    local ask = open("limit_by: ip, ipv6_prefix: 48")
    assert.equal(200, ask("/", { from = "2001:db8:0:1::1" }))
    assert.equal(200, ask("/", { from = "2001:db8:0:2::1" }))
    assert.equal(429, ask("/", { from = "2001:db8:0:3::1" }))
    is_one(ask, "/", { from = "2001:db8:1::1" })
  end)

  it("ip believes X-Forwarded-For of trusted proxies only", function()
    local ask = open("limit_by: ip")
    for i = 1, 2 do
      assert.equal(200, ask("/", { from = "192.0.2.9", headers = { ["X-Forwarded-For"] = "203.0.113." .. i } }))
    end
    assert.equal(429, ask("/", { from = "192.0.2.9", headers = { ["X-Forwarded-For"] = "203.0.113.3" } }))
    assert.equal(200, ask("/", { from = "192.0.2.10", headers = { ["X-Forwarded-For"] = "192.0.2.9" } }))
    local function behind(client) return { from = "10.0.0.1", headers = { ["X-Forwarded-For"] = client } } end
    is_one(ask, "/", behind "203.0.113.7")
    is_one(ask, "/", behind "203.0.113.8")
    -- What stands to the left of the first address that is no proxy of ours is the client's own word.
    assert.equal(429, ask("/", behind "1.2.3.4, 203.0.113.8"))
  end)

  it("header counts its values, and is case-sensitive in them alone", function()
    local ask = open("limit_by: header, header_name: X-Tenant")
    is_one(ask, "/", header("x-TENANT", "blue"))
    is_one(ask, "/", header("X-Tenant", "Blue"))
  end)

  it("path counts each path, the same however it is written, and case-sensitive", function()
    local ask = open("limit_by: path")
    assert.equal(200, ask("/x/login"))
    assert.equal(200, ask("/x/%6c%6Fgin"))
    assert.equal(429, ask("/x/./y/../login?again=1"))
    is_one(ask, "/x/Login")
  end)

  it("path with a path counts that one, and addresses elsewhere", function()
    local ask = open("limit_by: path, path: /x/login")
    assert.equal(200, ask("/x/login", { from = "192.0.2.9" }))
    assert.equal(200, ask("/x/login", { from = "192.0.2.10" }))
    assert.equal(429, ask("/x/login", { from = "192.0.2.11" }))
    assert.equal(200, ask("/x/other", { from = "192.0.2.11" }))
  end)

  it("route and service count theirs", function()
    local ask = open("limit_by: route")
    is_one(ask, "/a1")
    is_one(ask, "/a2")
    ask = open("limit_by: service")
    assert.equal(200, ask("/a1"))
    assert.equal(200, ask("/a2"))
    assert.equal(429, ask("/a1"))
    is_one(ask, "/b")
    is_one(ask, "/alone", { from = "192.0.2.50" }) -- no service: by address
  end)

  it("claim counts what a token says", function()
    local gw = gateway.new {
      auto_advance = false,
      plugins = {
        {
          name = "who",
          priority = 2000,
          access = function(_, ctx)
            local org = ctx.request:get_header("x-org")
            ctx.client:authenticate(nil, { id = "t", claims = { org = org, n = 7, list = {} } })
          end,
        },
        { name = "rate-limiting", config = { limit = 2, window = 60, limit_by = { claim = "org" } } },
      },
    }
    local function ask(_, opts) return gw:get("/", opts).status end
    is_one(ask, "/", header("x-org", "one"))
    is_one(ask, "/", header("x-org", "two"))
    assert.equal(403, ask("/", {}))
  end)

  it("expression counts whatever it says", function()
    local ask = open("limit_by: { expression: 'request.query.region' }")
    is_one(ask, "/?region=eu")
    is_one(ask, "/?region=us")
    is_one(ask, "/?region=%00")
    is_one(ask, "/?region=%00%00")
    assert.equal(403, ask("/"))
    assert.equal(403, ask("/?region="))
  end)

  it("is an error of the plugin where the expression fails", function()
    local ask, gw = open("limit_by: { expression: 'request.query.none .. 1' }")
    assert.equal(500, ask("/"))
    assert.is_truthy(gw.log:find("attempt to concatenate"))
  end)

  it("may be a combination, in which no two are one", function()
    local ask = open("limit_by: [{ header: X-A }, { header: X-B }, ip]")
    is_one(ask, "/", { headers = { ["X-A"] = "1", ["X-B"] = "23" } })
    is_one(ask, "/", { headers = { ["X-A"] = "12", ["X-B"] = "3" } })
    is_one(ask, "/", { headers = { ["X-A"] = "1:2", ["X-B"] = "3" } })
    is_one(ask, "/", { headers = { ["X-A"] = "1", ["X-B"] = "23" }, from = "192.0.2.9" })
    assert.equal(403, ask("/", header("X-A", "1")))
  end)
end)

describe("a request without a key", function()
  it("is refused where only the client can give one, and says so", function()
    local _, gw = open("limit_by: header, header_name: X-Tenant")
    local res = gw:get("/")
    assert.is_problem(res, 403)
    assert.equal("the request has nothing to be counted by: header X-Tenant", res:json().detail)
    assert.is_nil(res.headers.ratelimit)
    for value, what in pairs { [""] = "empty" } do
      assert.equal(403, gw:get("/", header("X-Tenant", value)).status, what)
    end
  end)

  it("is one with the key twice: which of both would the service read?", function()
    local ask = open("limit_by: header, header_name: X-Tenant")
    assert.equal(403, ask("/", { headers = { { "X-Tenant", "a" }, { "x-tenant", "b" } } }))
    is_one(ask, "/", header("X-Tenant", "a"))
  end)

  it("falls back to its address where it is told to", function()
    local ask = open("limit_by: header, header_name: X-Tenant, missing_key: ip")
    is_one(ask, "/", { from = "192.0.2.9" })
    is_one(ask, "/", { from = "192.0.2.10" })
    is_one(ask, "/", { from = "192.0.2.10", headers = { ["X-Tenant"] = "192.0.2.10" } }) -- not that of the fallback
  end)

  it("shares a bucket with the others where that has a name", function()
    local ask = open("limit_by: header, header_name: X-Tenant, missing_key: nobody")
    assert.equal(200, ask("/", { from = "192.0.2.9" }))
    assert.equal(200, ask("/", { from = "192.0.2.10" }))
    assert.equal(429, ask("/", { from = "192.0.2.11" }))
    is_one(ask, "/", header("X-Tenant", "nobody"))
  end)

  it("may be refused where it would fall back", function()
    local ask = open("limit_by: consumer, missing_key: deny", KEY_AUTH)
    assert.equal(403, ask("/"))
    assert.equal(200, ask("/", header("apikey", "k-ann")))
  end)

  it("passes in a dry run, and is counted", function()
    local ask, gw = open("limit_by: header, header_name: X-Tenant, dry_run: true", "")
    assert.equal(200, ask("/"))
    local found
    for name, value in pairs(gw:metrics()) do
      if name:find("^moongate_ratelimit_requests_total.*no_key") then found = value end
    end
    assert.equal(1, found)
  end)
end)

describe("hostile keys", function()
  it("may be long: each is counted for itself", function()
    local ask = open("limit_by: header, header_name: X-Tenant")
    local long = ("x"):rep(8000)
    is_one(ask, "/", header("X-Tenant", long))
    is_one(ask, "/", header("X-Tenant", long .. "y"))
    is_one(ask, "/", header("X-Tenant", "y" .. long))
  end)

  it("do not push each other over when there are thousands", function()
    local ask = open("limit_by: header, header_name: X-Tenant")
    is_one(ask, "/", header("X-Tenant", "honest"))
    for i = 1, 3000 do
      assert.equal(200, ask("/", header("X-Tenant", "k" .. i)))
    end
    assert.equal(429, ask("/", header("X-Tenant", "honest")))
  end)
end)
