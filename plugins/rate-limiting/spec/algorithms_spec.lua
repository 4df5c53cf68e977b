--- The numbers of the acceptance's 2.6, to the last request.
local gateway = require("moongate.spec")

local function open(config)
  return gateway.new { auto_advance = false, plugins = { { name = "rate-limiting", config = config } } }
end

-- How many of `count` requests in a row pass; the last answer comes second.
local function send(gw, count, opts)
  local passed, last = 0, nil
  for _ = 1, count do
    last = gw:get("/", opts)
    if last.status == 200 then passed = passed + 1 end
  end
  return passed, last
end

-- To a moment of the clock that divides by `seconds`, plus `more`.
local function go_to(gw, seconds, more)
  local now = gw.clock:now()
  gw.clock:advance(math.ceil(now / seconds) * seconds - now + more)
end

describe("2.6 (2) a token bucket of 100 with 10 a second", function()
  local gw

  before_each(function() gw = open { algorithm = "token-bucket", capacity = 100, refill_rate = 10 } end)

  it("lets 100 pass at once, refuses the 101st with Retry-After: 1, and lets 10 pass after a second", function()
    assert.equal(100, (send(gw, 100)))
    local passed, last = send(gw, 1)
    assert.equal(0, passed)
    assert.is_problem(last, 429)
    assert.has_header(last, "retry-after", "1")
    assert.has_header(last, "ratelimit-policy", '"bucket";q=100;w=10')
    assert.has_header(last, "ratelimit", '"bucket";r=0;t=10')
    gw.clock:advance(1)
    assert.equal(10, (send(gw, 11)))
  end)

  it("gives back fractions: one after 0.1 s, none after 0.099 s", function()
    send(gw, 100)
    gw.clock:advance(0.099)
    assert.equal(0, (send(gw, 1)))
    gw.clock:advance(0.001)
    assert.equal(1, (send(gw, 2)))
  end)

  it("never holds more than its capacity", function()
    gw.clock:advance(3600)
    assert.equal(100, (send(gw, 101)))
  end)
end)

describe("2.6 (2) fixed windows of 100 a minute", function()
  it("begin by the clock: 100 at :59 and 100 at :00 pass, as the README says", function()
    local gw = open { limit = 100, window = 60 }
    go_to(gw, 60, 59)
    local passed, last = send(gw, 101)
    assert.equal(100, passed)
    assert.has_header(last, "retry-after", "1")
    gw.clock:advance(1)
    passed, last = send(gw, 101)
    assert.equal(100, passed)
    assert.has_header(last, "retry-after", "60")
    assert.has_header(last, "ratelimit-policy", '"minute";q=100;w=60')
  end)

  it("begin with the first request where they are told to", function()
    local gw = open { limit = 100, window = 60, align = "first" }
    go_to(gw, 60, 59)
    assert.equal(100, (send(gw, 101)))
    gw.clock:advance(1)
    local passed, last = send(gw, 1)
    assert.equal(0, passed)
    assert.has_header(last, "retry-after", "59")
    gw.clock:advance(59)
    assert.equal(100, (send(gw, 101)))
  end)

  it("may be a day, a week, a month or a year of the calendar", function()
    -- The clock begins on Thursday, 2026-01-01.
    for window, days in pairs { day = 1, week = 4, month = 31, year = 365 } do
      local gw = open { limit = 1, window = window }
      assert.equal(1, (send(gw, 2)))
      gw.clock:advance(days * 86400 - 1)
      local passed, last = send(gw, 1)
      assert.equal(0, passed, window)
      assert.has_header(last, "retry-after", "1")
      gw.clock:advance(1)
      assert.equal(1, (send(gw, 2)), window)
    end
  end)
end)

describe("2.6 (2) a sliding window of 100 a minute", function()
  it("never has more than 100 in any 60 s", function()
    local gw = open { algorithm = "sliding-window", limit = 100, window = "60s" }
    local passed, random = {}, 12345
    while gw.clock:elapsed() < 300 do
      random = (random * 1103515245 + 12345) % 2 ^ 31
      gw.clock:advance(random % 700 / 1000)
      for _ = 1, random % 5 do
        if gw:get("/").status == 200 then passed[#passed + 1] = gw.clock:elapsed() end
      end
    end
    assert.is_true(#passed > 400)
    for i = 101, #passed do
      assert.is_true(passed[i] - passed[i - 100] >= 60 - 1e-6, i)
    end
  end)

  it("says when the oldest leaves", function()
    local gw = open { algorithm = "sliding-window", limit = 2, window = 60 }
    send(gw, 1)
    gw.clock:advance(20)
    send(gw, 1)
    local _, last = send(gw, 1)
    assert.is_problem(last, 429)
    assert.has_header(last, "retry-after", "40")
    gw.clock:advance(40)
    assert.equal(1, (send(gw, 2)))
  end)

  it("is about that where it is approximate", function()
    local gw = open { algorithm = "sliding-window", limit = 100, window = 60, approximate = true }
    go_to(gw, 60, 0)
    assert.equal(100, (send(gw, 101)))
    gw.clock:advance(90) -- half of the window before counts
    assert.is_true(math.abs(send(gw, 100) - 50) <= 1)
  end)
end)

describe("2.6 (2) a leaky bucket of 50 with 5 a second", function()
  it("holds 50 beside the one in service and lets 5 a second leave, where it does not wait", function()
    local gw = open { algorithm = "leaky-bucket", queue_size = 50, drain_rate = 5, nodelay = true }
    local passed, last = send(gw, 53)
    assert.equal(51, passed)
    assert.is_problem(last, 429)
    assert.has_header(last, "retry-after", "1")
    gw.clock:advance(1)
    assert.equal(5, (send(gw, 6)))
  end)
end)

describe("2.6 (2) a leaky bucket of 50 with 5 a second that requests wait in", function()
  local function queue(config)
    config.algorithm, config.queue_size, config.drain_rate = "leaky-bucket", 50, 5
    return open(config)
  end

  -- So many at once; when each was served, in seconds from now on, and the answers of the refused.
  local function rush(gw, count)
    local began, handles, served, refused = gw.clock:elapsed(), {}, {}, {}
    gw.upstream:reply(function()
      served[#served + 1] = gw.clock:elapsed() - began
      return { status = 200 }
    end)
    for i = 1, count do
      handles[i] = gw:start("GET", "/")
    end
    for _, handle in ipairs(handles) do
      if handle.done and handle.response.status == 429 then refused[#refused + 1] = handle.response end
    end
    return served, refused, handles
  end

  it("serves one at once and 50 after it 200 ms apart; the 52nd is refused", function()
    local gw = queue {}
    local served, refused = rush(gw, 52)
    assert.equal(1, #refused)
    assert.is_problem(refused[1], 429)
    assert.is_truthy(tonumber(refused[1].headers["retry-after"]) >= 1)
    gw.clock:advance(10)
    assert.equal(51, #served)
    for i = 2, 51 do
      assert.is_true(math.abs(served[i] - served[i - 1] - 0.2) <= 0.005, ("%d: %.4f"):format(i, served[i]))
    end
  end)

  it("moves everybody forward when a client goes away", function()
    local gw = queue {}
    local served, _, handles = rush(gw, 11)
    for i = 2, 6 do
      handles[i]:cancel()
    end
    gw.clock:advance(1.0)
    assert.equal(6, #served)
  end)

  it(
    "is the last of several limits: what those refuse does not wait, and what it refuses takes nothing of theirs",
    function()
      local gw = open {
        limits = {
          { algorithm = "leaky-bucket", queue_size = 1, drain_rate = 1 },
          { limit = 4, window = "year" },
        },
      }
      local served, refused = rush(gw, 10)
      assert.equal(8, #refused)
      assert.same({ "queue" }, refused[1]:json()["violated-policies"])
      gw.clock:advance(3)
      assert.equal(2, #served)
      assert.equal(2, (send(gw, 1)) + (gw.clock:advance(2) or 0) + (send(gw, 1)))
      local passed, last = send(gw, 1)
      assert.equal(0, passed)
      assert.same({ "year" }, last:json()["violated-policies"])
    end
  )

  it("waits for nobody in a dry run", function()
    local gw = queue { dry_run = true }
    local served = rush(gw, 60)
    assert.equal(60, #served)
  end)
end)

describe("2.6 (5) a limit", function()
  it("does not care for the clock of the wall but at the start", function()
    local gw = open { limit = 1, window = 60, align = "first" }
    assert.equal(1, (send(gw, 2)))
    gw.clock:advance(59.9)
    assert.equal(0, (send(gw, 1)))
    gw.clock:advance(0.1)
    assert.equal(1, (send(gw, 1)))
  end)
end)

describe("2.6 (3) a reload", function()
  local function uses(config) return { plugins = { { name = "rate-limiting", config = config } } } end

  it("keeps what was counted", function()
    local gw = open { limit = 10, window = "1h" }
    assert.equal(6, (send(gw, 6)))
    assert(gw:reload(uses { limit = 10, window = "1h" }))
    assert.equal(4, (send(gw, 10)))
  end)

  it("keeps it when the plan is another: more or less than before may be left", function()
    local gw = open { limit = 10, window = "1h" }
    assert.equal(6, (send(gw, 6)))
    assert(gw:reload(uses { limit = 8, window = "1h" }))
    assert.equal(2, (send(gw, 10)))
    assert(gw:reload(uses { limit = 12, window = "1h" }))
    assert.equal(4, (send(gw, 10)))
    assert(gw:reload(uses { limit = 5, window = "1h" }))
    assert.equal(0, (send(gw, 1)))
  end)

  it("begins anew when something else is counted", function()
    local gw = open { limit = 2, window = "1h" }
    assert.equal(2, (send(gw, 3)))
    assert(gw:reload(uses { limit = 2, window = "2h" }))
    assert.equal(2, (send(gw, 3)))
  end)
end)

describe("2.6 (6) dry_run", function()
  it("counts as it would, tells metrics and the log, and lets everybody pass", function()
    local gw = gateway.new {
      auto_advance = false,
      log_level = "info",
      plugins = {
        { name = "rate-limiting", instance_name = "soft", config = { limit = 2, window = 60, dry_run = true } },
      },
    }
    local passed, last = send(gw, 5)
    assert.equal(5, passed)
    assert.is_nil(last.headers.ratelimit)
    assert.is_nil(last.headers["retry-after"])
    assert.equal(2, gw:metrics()['moongate_ratelimit_requests_total{use="soft",result="allowed"}'])
    assert.equal(3, gw:metrics()['moongate_ratelimit_requests_total{use="soft",result="dry_run"}'])
    assert.equal(3, gw:metrics()['moongate_ratelimit_exceeded_total{use="soft",limit="minute"}'])
    assert.is_truthy(gw.log:find("would be refused: soft"))
    gw.clock:advance(60)
    send(gw, 2)
    assert.equal(4, gw:metrics()['moongate_ratelimit_requests_total{use="soft",result="allowed"}'])
  end)
end)

describe("the metrics of a use", function()
  it("have its name, or say where it stands", function()
    local gw = gateway.new {
      auto_advance = false,
      config = [[
default_access: allow
consumer_groups: [{ name: gold }]
consumers: [{ username: ann }]
services:
  - { name: shop, url: "http://127.0.0.1:1001", routes: [{ name: r, paths: [/] }] }
plugins:
  - { name: rate-limiting, config: { limit: 5, window: 1 } }
  - { name: rate-limiting, route: r, service: shop, config: { limit: 5, window: 1 } }
  - { name: rate-limiting, consumer: ann, config: { limit: 5, window: 1 } }
  - { name: rate-limiting, consumer_group: gold, config: { limit: 5, window: 1 } }
  - { name: rate-limiting, route: r, instance_name: mine, config: { limit: 5, window: 1 } }
]],
    }
    local metrics = gw:metrics()
    for _, use in ipairs { "everywhere", "route r, service shop", "consumer ann", "group gold", "mine" } do
      assert.equal(0, metrics[('moongate_ratelimit_requests_total{use="%s",result="refused"}'):format(use)], use)
    end
    gw:get("/")
    assert.equal(
      1,
      gw:metrics()['moongate_ratelimit_requests_total{use="route r, service shop",result="allowed"}']
    )
  end)
end)
