-- What the models (limit_models_spec.lua) do not see: terms that make no rule, calendars, clocks that lag, sizes.
local c = require("support.c")
local ffi = require("ffi")

local ALGORITHMS = { token = 0, leaky = 1, fixed = 2, sliding = 3, approximate = 4 }
local ALIGNS = { clock = 0, first = 1, day = 2, week = 3, month = 4, year = 5 }
local NOON = 1767268800 -- 2026-01-01T12:00:00Z, a Thursday

describe("a limit", function()
  local limits, now

  before_each(function()
    limits = c.gw_limit_table_new(1024 * 1024)
    now = NOON * 1e6
  end)

  after_each(function() c.gw_limit_table_free(limits) end)

  local function terms_of(algorithm, numbers)
    local terms = ffi.new("struct gw_limit_terms", {
      algorithm = ALGORITHMS[algorithm] or 99,
      align = numbers.align and (ALIGNS[numbers.align] or 99) or 0,
      limit = numbers.limit or 0,
      rate = numbers.rate or 0,
      window = numbers.window or 0,
    })
    return terms
  end

  local function rule_of(algorithm, numbers)
    local rule = ffi.new("struct gw_limit_rule")
    local why = c.gw_limit_rule_init(rule, terms_of(algorithm, numbers))
    assert(why == nil, why ~= nil and ffi.string(why))
    return rule
  end

  local function ask(rule, key, cost)
    return ffi.new("struct gw_limit_ask", { key = c.slice(key), rule = rule, cost = cost or 1 })
  end

  local function take(rule, key, cost)
    local answer = ffi.new("struct gw_limit_answer")
    return c.gw_limit_take(limits, ask(rule, key, cost), 1, now, answer), answer
  end

  it("is made of numbers that mean something, and of no others", function()
    for _, row in ipairs {
      { "none", { limit = 1 }, "unknown algorithm" },
      { "token", { limit = 0, rate = 1 }, "the limit must be above 0" },
      { "token", { limit = -1, rate = 1 }, "the limit must be above 0" },
      { "token", { limit = 0 / 0, rate = 1 }, "the limit must be above 0" },
      { "token", { limit = 2e12, rate = 1 }, "at most a million millions" },
      { "token", { limit = 1, rate = 0 }, "the rate must be above 0" },
      { "leaky", { limit = 1, rate = 1 / 0 }, "the rate must be above 0" },
      { "fixed", { limit = 1, window = 0 }, "the window must be from a millisecond" },
      { "fixed", { limit = 1, window = 4e8 }, "the window must be from a millisecond" },
      { "fixed", { limit = 1, window = 1, align = "none" }, "unknown alignment" },
      { "sliding", { limit = 5001, window = 1 }, "set approximate: true" },
    } do
      local why = c.gw_limit_rule_init(ffi.new("struct gw_limit_rule"), terms_of(row[1], row[2]))
      assert.matches(row[3], why ~= nil and ffi.string(why) or "fine", 1, true)
    end
    rule_of("leaky", { limit = 0, rate = 1 })
    rule_of("fixed", { limit = 1, align = "month" })
  end)

  it("ends its windows with the day, the week from Monday on, the month and the year", function()
    for _, row in ipairs { -- seconds since 1970, alignment, when it ends
      { NOON, "day", 1767312000 }, -- 2026-01-02
      { NOON, "week", 1767571200 }, -- Monday, 2026-01-05
      { 1767571199, "week", 1767571200 },
      { 1767571200, "week", 1768176000 },
      { NOON, "month", 1769904000 }, -- 2026-02-01
      { 1709164800, "month", 1709251200 }, -- 2024-02-29 to 2024-03-01
      { 1709251200, "month", 1711929600 },
      { NOON, "year", 1798761600 }, -- 2027-01-01
      { 1704067200, "year", 1735689600 }, -- 2024 has a day more
      { 951782400, "month", 951868800 }, -- 2000-02-29
      { 4107456000, "month", 4107542400 }, -- 2100-02-28 is the last one
      { 1798761599, "year", 1798761600 },
    } do
      local ends = c.gw_limit_window_end(rule_of("fixed", { limit = 1, align = row[2] }), row[1] * 1e6)
      assert.equal(row[3], tonumber(ends) / 1e6, ("%d by %s"):format(row[1], row[2]))
    end
  end)

  it("knows a rule again in another process, and whatever its limit", function()
    local first = rule_of("fixed", { limit = 1, window = 60 })
    assert.equal(first.id, rule_of("fixed", { limit = 9, window = 60 }).id)
    assert.not_equal(first.id, rule_of("fixed", { limit = 1, window = 61 }).id)
    assert.not_equal(first.id, rule_of("fixed", { limit = 1, window = 60, align = "first" }).id)
  end)

  it("lets nothing more pass for a caller whose clock lags", function()
    for _, row in ipairs {
      { "token", { limit = 2, rate = 1 } },
      { "leaky", { limit = 1, rate = 1 } },
      { "fixed", { limit = 2, window = 60 } },
      { "fixed", { limit = 2, window = 60, align = "first" } },
      { "sliding", { limit = 2, window = 60 } },
      { "approximate", { limit = 2, window = 60 } },
    } do
      local rule, key = rule_of(row[1], row[2]), row[1] .. tostring(row[2].align)
      now = NOON * 1e6
      take(rule, key, 2)
      for _, behind in ipairs { 1, 5000, 61e6 } do
        now = NOON * 1e6 - behind
        assert.is_false((take(rule, key)), ("%s, %d µs behind"):format(key, behind))
      end
    end
  end)

  it("never passes a cost that is more than there can ever be", function()
    for _, cost in ipairs { 3, 1e300, 1 / 0 } do
      local allowed, answer = take(rule_of("token", { limit = 2, rate = 1 }), "k", cost)
      assert.is_false(allowed)
      assert.is_true(answer.retry_us == 0xffffffffffffffffULL)
      assert.equal(2, answer.remaining)
    end
  end)

  it("is owed what turned out to cost more, and gets back what cost less", function()
    local rule, answer = rule_of("token", { limit = 10, rate = 1 }), ffi.new("struct gw_limit_answer")
    take(rule, "k", 5)
    c.gw_limit_adjust(limits, ask(rule, "k", 8), now, answer)
    assert.equal(0, answer.remaining)
    local allowed, refused = take(rule, "k")
    assert.is_false(allowed)
    assert.equal(4e6, tonumber(refused.retry_us)) -- three that are owed, and the one
    c.gw_limit_adjust(limits, ask(rule, "k", -100), now, answer)
    assert.equal(10, answer.remaining)
  end)

  it("forgets what it is told to", function()
    local rule = rule_of("sliding", { limit = 20, window = 60 })
    for _ = 1, 20 do
      take(rule, "k")
      now = now + 1
    end
    assert.is_false((take(rule, "k")))
    c.gw_limit_forget(limits, c.slice("k"), rule)
    assert.is_true((take(rule, "k")))
    local stats = ffi.new("struct gw_zone_stats")
    c.gw_limit_table_stats(limits, stats)
    assert.equal(1, tonumber(stats.entries))
  end)

  it("keeps to its limit where entries of a log have to become one", function()
    c.gw_limit_table_free(limits)
    limits = c.gw_limit_table_new(65536)
    local rule, most = rule_of("sliding", { limit = 1000, window = 60 }), tonumber(c.gw_limit_log_max(limits))
    assert.is_true(most < 1000)
    local passed = 0
    for _ = 1, 3000 do
      if take(rule, "k") then passed = passed + 1 end
      now = now + 1
    end
    assert.equal(1000, passed)
    now = now + 60e6
    assert.is_true((take(rule, "k", 1000)))
  end)
end)
