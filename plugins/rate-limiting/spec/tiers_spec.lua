--- Other numbers for groups of consumers, and counters that uses share.
local gateway = require("moongate.spec")

local PEOPLE = [[
default_access: allow
consumer_groups: [{ name: gold }, { name: staff }, { name: free }]
consumers:
  - { username: ann, groups: [gold], keyauth_credentials: [{ key: k-ann }] }
  - { username: bob, groups: [{ name: staff }], keyauth_credentials: [{ key: k-bob }] }
  - { username: cy, groups: [free, gold], keyauth_credentials: [{ key: k-cy }] }
  - { username: dan, groups: [staff, gold], keyauth_credentials: [{ key: k-dan }] }
services:
  - { name: s, url: "http://127.0.0.1:1001", routes: [{ name: one, paths: [/one] }, { name: two, paths: [/two] }] }
]]

local function open(plugins)
  local gw =
    gateway.new { auto_advance = false, config = PEOPLE .. "plugins:\n  - { name: key-auth }\n" .. plugins }
  -- How many of so many requests pass.
  return function(key, count, path)
    local passed = 0
    for _ = 1, count do
      local res = gw:get(path or "/one", { headers = { apikey = key } })
      if res.status == 200 then passed = passed + 1 end
    end
    return passed
  end,
    gw
end

describe("tiers", function()
  it("are the numbers of the first group that has any", function()
    local send = open [[
  - name: rate-limiting
    config: { limit: 2, window: 60, tiers: { gold: { limit: 5 }, staff: { unlimited: true } } }
]]
    assert.equal(5, send("k-ann", 9))
    assert.equal(9, send("k-bob", 9))
    assert.equal(5, send("k-cy", 9)) -- free has no numbers of its own, gold has
    assert.equal(9, send("k-dan", 9))
  end)

  it("may have another window, or other numbers of a bucket", function()
    local send, gw = open [[
  - name: rate-limiting
    config:
      algorithm: token-bucket
      capacity: 2
      refill_rate: 1
      tiers: { gold: { refill_rate: 4 } }
]]
    assert.equal(2, send("k-ann", 9))
    assert.equal(2, send("k-bob", 9))
    gw.clock:advance(0.5)
    assert.equal(2, send("k-ann", 9))
    assert.equal(0, send("k-bob", 9))
  end)

  it("stand at each of several limits, and beside Kong's windows", function()
    local send = open [[
  - name: rate-limiting
    config:
      limits:
        - { limit: 3, window: second, tiers: { gold: { unlimited: true } } }
        - { limit: 4, window: minute, tiers: { gold: { limit: 7 } } }
]]
    assert.equal(7, send("k-ann", 9))
    assert.equal(3, send("k-bob", 9))
    local kong, gw = open [[
  - { name: rate-limiting, config: { second: 3, minute: 5, tiers: { gold: { minute: 4 } } } }
]]
    assert.equal(3, kong("k-ann", 9))
    gw.clock:advance(1)
    assert.equal(1, kong("k-ann", 9))
    assert.equal(3, kong("k-bob", 9))
    gw.clock:advance(1)
    assert.equal(2, kong("k-bob", 9))
  end)

  it("know groups that a plugin put the client into", function()
    local gw = gateway.new {
      auto_advance = false,
      plugins = {
        {
          name = "token",
          priority = 2000,
          access = function(_, ctx)
            local plan = ctx.request:get_header("x-plan")
            if plan then ctx.client:set_authenticated_consumer_groups { { name = plan } } end
          end,
        },
        { name = "rate-limiting", config = { limit = 1, window = 60, tiers = { gold = { limit = 3 } } } },
      },
    }
    local function send(plan, from)
      local passed = 0
      for _ = 1, 5 do
        if gw:get("/", { headers = { ["X-Plan"] = plan }, from = from }).status == 200 then passed = passed + 1 end
      end
      return passed
    end
    assert.equal(3, send("gold", "192.0.2.1"))
    assert.equal(1, send("none", "192.0.2.2"))
  end)

  it("keep what was counted when somebody changes the plan", function()
    local text = [[
  - { name: rate-limiting, config: { limit: 2, window: 60, tiers: { gold: { limit: 5 } } } }
]]
    local send, gw = open(text)
    assert.equal(2, send("k-bob", 9))
    assert(gw:reload {
      config = PEOPLE:gsub("bob, groups: %[{ name: staff }%]", "bob, groups: [gold]")
        .. "plugins:\n  - { name: key-auth }\n"
        .. text,
    })
    assert.equal(3, send("k-bob", 9))
  end)
end)

describe("a tier that is no group", function()
  it("is refused where groups are declared, with what was meant", function()
    local ok, reason =
      pcall(open, "  - { name: rate-limiting, config: { limit: 2, window: 60, tiers: { glod: { limit: 5 } } } }\n")
    assert.is_false(ok)
    assert.matches(
      'plugins%[1%]: tiers: no consumer group named "glod" %(did you mean "gold"%?%)',
      tostring(reason)
    )
  end)
end)

describe("the use for a group", function()
  it("is one more way to have tiers, with counters of its own", function()
    local send = open [[
  - { name: rate-limiting, config: { limit: 2, window: 60 } }
  - { name: rate-limiting, consumer_group: gold, config: { limit: 5, window: 60 } }
]]
    assert.equal(5, send("k-ann", 9))
    assert.equal(2, send("k-bob", 9))
  end)
end)

describe("the counter of a use", function()
  it("is its own: over all routes for a global use, and apart for each other use", function()
    local send = open [[
  - { name: rate-limiting, config: { limit: 3, window: 60 } }
]]
    assert.equal(2, send("k-ann", 2, "/one"))
    assert.equal(1, send("k-ann", 2, "/two"))
    send = open [[
  - { name: rate-limiting, route: one, config: { limit: 3, window: 60 } }
  - { name: rate-limiting, route: two, config: { limit: 3, window: 60 } }
]]
    assert.equal(3, send("k-ann", 9, "/one"))
    assert.equal(3, send("k-ann", 9, "/two"))
  end)

  it("is shared by uses that name the same", function()
    local send = open [[
  - { name: rate-limiting, route: one, config: { limit: 3, window: 60, counter: plan } }
  - { name: rate-limiting, route: two, config: { limit: 5, window: 60, counter: plan } }
]]
    assert.equal(3, send("k-ann", 9, "/one"))
    assert.equal(2, send("k-ann", 9, "/two")) -- the same count, judged by another number
    assert.equal(0, send("k-ann", 1, "/one"))
  end)

  local function refused(one, two)
    local ok, reason = pcall(
      open,
      ([[
  - { name: rate-limiting, route: one, config: { counter: plan, %s } }
  - { name: rate-limiting, route: two, config: { counter: plan, %s } }
]]):format(one, two)
    )
    assert.is_false(ok)
    return tostring(reason)
  end

  it("is refused where two uses do not mean the same by one name", function()
    assert.matches(
      'plugins%[2%]: "x" of the counter "plan" is fixed%-window by consumer, window 30.*plugins%[1%].*window 60.*'
        .. "give one of them another name",
      refused("name: x, limit: 3, window: 60", "name: x, limit: 3, window: 30")
    )
    assert.matches("by ip", refused("limit: 3, window: 60", "limit: 3, window: 60, limit_by: ip"))
    assert.matches(
      "capacity 4",
      refused(
        "algorithm: token-bucket, capacity: 3, refill_rate: 1",
        "algorithm: token-bucket, capacity: 4, refill_rate: 1"
      )
    )
    assert.matches(
      'the counter "plan" has another size',
      refused("limit: 3, window: 60", "limit: 3, window: 60, size: 1m")
    )
  end)

  it("is there for plugins, too, by its name and the limit's", function()
    local left_of, rule_of
    local gw = gateway.new {
      auto_advance = false,
      plugins = {
        { name = "rate-limiting", config = { limit = 5, window = 60, counter = "plan", limit_by = "ip" } },
        {
          name = "left",
          priority = 800,
          init = function()
            local moongate_limit = require("moongate.limit")
            left_of = moongate_limit.counter("plan", { shared = true })
            rule_of = moongate_limit.rule { limit = 5, window = 60, name = "plan/minute" }
          end,
          access = function(_, ctx)
            local _, answer = left_of:look(ctx.client:get_ip(), rule_of)
            return ctx.response:exit(200, tostring(answer.remaining))
          end,
        },
      },
    }
    assert.equal("4", gw:get("/").body)
    assert.equal("3", gw:get("/").body)
  end)
end)
