local gateway = require("moongate.spec")

local function open(config, more)
  return gateway.new {
    auto_advance = false,
    plugins = { { name = "concurrency-limiting", config = config }, more },
  }
end

-- An upstream that answers when the spec says so.
local function slow(gw) gw.upstream:reply { body = "late", delay = 50 } end

-- Who has a place, and who waits, of all keys.
local function crowd(gw)
  local gates, active, waiting = gw:module("moongate.limit.gates"), 0, 0
  for _, one in pairs(gates.opened) do
    local stats = gates.stats(one)
    active, waiting = active + stats.active, waiting + stats.waiting
  end
  return ("%d active, %d waiting"):format(active, waiting)
end

local function counted(gw, result)
  local sum = 0
  for name, value in pairs(gw:metrics()) do
    if
      name:find("moongate_plugin_concurrency_limiting_requests_total", 1, true) and name:find(result, 1, true)
    then
      sum = sum + value
    end
  end
  return sum
end

describe("concurrency-limiting", function()
  it("lets so many in at once and refuses the next, before its body is read", function()
    local gw = open { limit = 2 }
    slow(gw)
    local first, second = gw:start("GET", "/"), gw:start("GET", "/")
    local res = gw:post("/", { headers = { ["content-length"] = "1000000", expect = "100-continue" } })
    assert.is_problem(res, 429)
    assert.has_header(res, "retry-after", "1")
    assert.equal("too many requests at once", res:json().detail)
    assert.equal(0, #res.interim)
    assert.equal("2 active, 0 waiting", crowd(gw))
    gw.clock:advance(50)
    assert.equal(200, first:wait().status)
    assert.equal(200, second:wait().status)
    assert.equal("0 active, 0 waiting", crowd(gw))
    assert.equal(1, counted(gw, "refused"))
  end)

  it("lets a few wait, in the order they came, and refuses who waited for too long", function()
    local gw = open { limit = 1, queue_size = 2, queue_timeout = "75s" }
    slow(gw)
    local first, second, third = gw:start("GET", "/1"), gw:start("GET", "/2"), gw:start("GET", "/3")
    assert.equal(429, gw:get("/4").status)
    assert.equal("1 active, 2 waiting", crowd(gw))
    gw.clock:advance(50)
    assert.equal(200, first:wait().status)
    assert.is_true(second.response == nil and third.response == nil)
    gw.clock:advance(25)
    assert.equal(429, third:wait().status)
    gw.clock:advance(25)
    assert.equal(200, second:wait().status)
    assert.equal("0 active, 0 waiting", crowd(gw))
    assert.same({ 1, 1, 1, 1 }, {
      counted(gw, "waited"),
      counted(gw, "timeout"),
      counted(gw, "refused"),
      counted(gw, "allowed"),
    })
  end)

  it("gives places back however a request ends", function()
    local gw = open(
      { limit = 1 },
      { name = "request-termination", config = { status_code = 403, trigger = "stop" } }
    )
    assert.equal(403, gw:get("/?stop").status) -- refused by a later plugin
    assert.equal("0 active, 0 waiting", crowd(gw))
    slow(gw)
    local gone = gw:start("GET", "/")
    assert.equal(429, gw:get("/").status)
    gone:cancel()
    gw:settle()
    assert.equal("0 active, 0 waiting", crowd(gw))
    gw.upstream:reply(function(_, up) up:close() end)
    assert.equal(502, gw:get("/").status)
    gw.upstream:reply(function(_, up)
      up:send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
      up:close()
    end)
    assert.is_true(gw:get("/").cut)
    gw:settle()
    assert.equal("0 active, 0 waiting", crowd(gw))
  end)

  it("forgets who left while they waited", function()
    local gw = open { limit = 1, queue_size = 1, queue_timeout = "1h" }
    slow(gw)
    local first, second = gw:start("GET", "/"), gw:start("GET", "/")
    second:cancel()
    gw:settle()
    assert.equal("1 active, 0 waiting", crowd(gw))
    local third = gw:start("GET", "/")
    gw.clock:advance(50)
    first:wait()
    gw.clock:advance(50)
    assert.equal(200, third:wait().status)
  end)

  it("counts on through a reload, which changes the limit for the next", function()
    local function config(limit)
      return {
        config = ([[
default_access: allow
services:
  - name: s
    url: http://up.test
    routes:
      - name: r
        paths: [/]
        plugins: [{ name: concurrency-limiting, instance_name: c, config: { limit: %d, counter: c } }]
]]):format(limit),
      }
    end
    local made = config(2)
    made.auto_advance = false
    local gw = gateway.new(made)
    slow(gw)
    local first, second = gw:start("GET", "/"), gw:start("GET", "/")
    gw:reload(config(3))
    assert.equal("2 active, 0 waiting", crowd(gw))
    local third = gw:start("GET", "/")
    assert.equal(429, gw:get("/").status)
    gw:reload(config(1))
    assert.equal(429, gw:get("/").status)
    gw.clock:advance(50)
    for _, one in ipairs { first, second, third } do
      assert.equal(200, one:wait().status)
    end
    assert.equal("0 active, 0 waiting", crowd(gw))
  end)

  it("counts by key; who has none falls back, or is refused", function()
    local gw = open { limit = 1, limit_by = { "ip", { header = "X-Team" } } }
    slow(gw)
    local function start(team, from) return gw:start("GET", "/", { headers = { ["x-team"] = team }, from = from }) end
    start("a", "192.0.2.1")
    start("b", "192.0.2.1")
    start("a", "192.0.2.2")
    assert.equal("3 active, 0 waiting", crowd(gw))
    assert.equal(429, start("a", "192.0.2.1"):wait().status)
    local res = gw:get("/")
    assert.is_problem(res, 403)
    assert.equal("the request has nothing to be counted by: ip + header X-Team", res:json().detail)
    gw.clock:advance(50)
  end)

  it("counts without refusing in a dry run", function()
    local gw = open { limit = 1, dry_run = true }
    slow(gw)
    local first, second = gw:start("GET", "/"), gw:start("GET", "/")
    gw.clock:advance(50)
    assert.equal(200, first:wait().status)
    assert.equal(200, second:wait().status)
    assert.same({ 1, 1 }, { counted(gw, "allowed"), counted(gw, "dry_run") })
  end)

  it("has other numbers for groups, each of which counts for itself", function()
    local gw = gateway.new {
      auto_advance = false,
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
  - name: concurrency-limiting
    config: { limit: 1, limit_by: route, tiers: { gold: { limit: 2 }, staff: { unlimited: true } } }
]],
    }
    slow(gw)
    local function start(key)
      local one = gw:start("GET", "/", { headers = { apikey = key } })
      gw:settle()
      return one.response and one.response.status or "in"
    end
    assert.same({ "in", "in", 429 }, { start("k-ann"), start("k-ann"), start("k-ann") })
    assert.same({ "in", 429 }, { start("k-cy"), start("k-cy") })
    for _ = 1, 5 do
      assert.equal("in", start("k-bob"))
    end
    gw.clock:advance(50)
  end)

  it("answers as it is told to", function()
    local gw = open { limit = 1, error_code = 503, error_message = "come back", retry_after = 7 }
    slow(gw)
    gw:start("GET", "/")
    local res = gw:get("/")
    assert.is_problem(res, 503)
    assert.equal("come back", res:json().detail)
    assert.has_header(res, "retry-after", "7")
    gw.clock:advance(50)
  end)

  describe("does not load with", function()
    for text, message in pairs {
      ["{}"] = "limit: is required",
      ["{ limit: 0 }"] = "limit",
      ["{ limit: 1, limit_by: moon }"] = "limit_by: must be one of",
      ["{ limit: 1, limit_by: header }"] = "needs header_name",
      ["{ limit: 1, queue_size: -1 }"] = "queue_size",
      ["{ limit: 1, queue_timeout: 0s }"] = "queue_timeout",
      ["{ limit: 1, error_code: 200 }"] = "error_code",
      ["{ limit: 1, tiers: { gold: {} } }"] = "tiers.gold.limit: is required",
      ["{ limit: 1, tiers: { gold: { limit: 1, unlimited: true } } }"] = "has no limit where it is unlimited",
    } do
      it(text, function()
        local ok, why = pcall(gateway.new, {
          config = "default_access: allow\nroutes: [{ name: r, paths: [/] }]\nplugins:\n"
            .. "  - name: concurrency-limiting\n    config: "
            .. text
            .. "\n",
        })
        assert.is_false(ok)
        assert.truthy(tostring(why):find(message, 1, true), tostring(why))
      end)
    end
  end)
end)
