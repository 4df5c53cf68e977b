--- The algorithms of the limits beside models of a few lines, over random arrivals: what passes, what is left, when all of it is
--- back, and that `retry` is the first microsecond at which the same cost would pass.
local c = require("support.c")
local ffi = require("ffi")

ffi.cdef([[
struct gw_spec_limit_sums { double window, sliding, bucket, both; uint64_t end_us; };
void gw_spec_limit_race(unsigned times, const struct gw_limit_rule *window, const struct gw_limit_rule *sliding,
                        const struct gw_limit_rule *bucket, struct gw_spec_limit_sums *sums);
]])

local STEPS = tonumber(os.getenv("GW_MODEL_STEPS")) or 20000
local MICRO, SECOND = 1000000, 1000000
local START = 1700000000 * SECOND
local floor, ceil, max, min = math.floor, math.ceil, math.max, math.min

-- Each model: room(now) is what may pass, reset(now) when all of it is there again, charge(now, micro) takes or gives back. Amounts
-- are millionths, times microseconds: whole numbers, and small enough for a double to hold them.

local function token_bucket(limit, rate)
  local most, level, at = limit * MICRO * MICRO, limit * MICRO * MICRO, 0
  local function at_time(now) return min(most, level + (now - at) * rate * MICRO) end
  return {
    room = function(now) return floor(at_time(now) / MICRO) end,
    reset = function(now) return ceil((most - at_time(now)) / (rate * MICRO)) end,
    charge = function(now, micro)
      level, at = min(most, at_time(now) - micro * MICRO), now
    end,
  }
end

local function leaky_bucket(limit, rate) return token_bucket(limit + 1, rate) end

local function fixed_window(limit, _, window, by_first)
  local ends, count = 0, 0
  local function next_end(now) return by_first and 0 or now - now % window + window end
  local function left(now) return now < ends and count or 0 end
  return {
    room = function(now) return limit * MICRO - left(now) end,
    reset = function(now) return max(0, (now < ends and ends or next_end(now)) - now) end,
    charge = function(now, micro)
      if now >= ends then
        ends, count = next_end(now), 0
      end
      if ends == 0 and micro > 0 then ends = now + window end
      count = max(0, count + micro)
    end,
  }
end

local function sliding_window(limit, _, window)
  local log = {}
  return {
    room = function(now)
      local sum = 0
      for _, one in ipairs(log) do
        if one[1] + window > now then sum = sum + one[2] end
      end
      return limit * MICRO - sum
    end,
    reset = function(now) return #log == 0 and 0 or max(0, log[#log][1] + window - now) end,
    charge = function(now, micro)
      while log[1] and log[1][1] + window <= now do
        table.remove(log, 1)
      end
      if micro > 0 then -- beyond the limit (owed) the last two become one, as of the later
        local last = #log >= limit and table.remove(log) or { now, 0 }
        log[#log + 1] = { now, last[2] + micro }
        return
      end
      while log[1] and micro < 0 do -- what is given back leaves from the beginning
        local part = min(log[1][2], -micro)
        log[1][2], micro = log[1][2] - part, micro + part
        if log[1][2] == 0 then table.remove(log, 1) end
      end
    end,
  }
end

local function approximate(limit, _, window)
  local number, count, before = 0, 0, 0 -- of the window by the clock
  local function look(now)
    local passed = floor(now / window) - number
    if passed == 0 then return count, before end
    return 0, passed == 1 and count or 0
  end
  return {
    room = function(now)
      local here, last = look(now)
      return limit * MICRO - here - ceil(last * (window - now % window) / window)
    end,
    reset = function(now)
      local here, last = look(now)
      return here > 0 and 2 * window - now % window or last > 0 and window - now % window or 0
    end,
    charge = function(now, micro)
      count, before = look(now)
      number, count = floor(now / window), max(0, count + micro)
    end,
  }
end

local RULES = {
  { token_bucket, "GW_LIMIT_TOKEN_BUCKET", limit = 100, rate = 10 },
  { token_bucket, "GW_LIMIT_TOKEN_BUCKET", limit = 3, rate = 250 },
  { leaky_bucket, "GW_LIMIT_LEAKY_BUCKET", limit = 50, rate = 5 },
  { leaky_bucket, "GW_LIMIT_LEAKY_BUCKET", limit = 0, rate = 2 },
  { fixed_window, "GW_LIMIT_FIXED_WINDOW", limit = 100, window = 60 },
  { fixed_window, "GW_LIMIT_FIXED_WINDOW", limit = 7, window = 1, by_first = true },
  { sliding_window, "GW_LIMIT_SLIDING_WINDOW", limit = 100, window = 60 },
  { sliding_window, "GW_LIMIT_SLIDING_WINDOW", limit = 1, window = 0.25 },
  { approximate, "GW_LIMIT_SLIDING_APPROXIMATE", limit = 100, window = 60 },
  { approximate, "GW_LIMIT_SLIDING_APPROXIMATE", limit = 5, window = 2 },
}

local function rule_of(row, name)
  local rule, terms = ffi.new("struct gw_limit_rule"), ffi.new("struct gw_limit_terms")
  terms.algorithm, terms.limit, terms.rate, terms.window = c[row[2]], row.limit, row.rate or 0, row.window or 0
  terms.name = name
  terms.align = row.by_first and c.GW_LIMIT_BY_FIRST_USE or c.GW_LIMIT_BY_CLOCK
  assert(c.gw_limit_rule_init(rule, terms) == nil)
  return rule
end

local function model_of(row) return row[1](row.limit, row.rate, (row.window or 0) * SECOND, row.by_first) end

local function random_of(seed)
  local random = ffi.new("struct gw_random")
  c.gw_random_seed(random, seed)
  return function(below) return tonumber(c.gw_random_below(random, below)) end
end

local asks, answers = ffi.new("struct gw_limit_ask[8]"), ffi.new("struct gw_limit_answer[8]")

local function ask(at, key, rule, cost)
  asks[at].key.ptr, asks[at].key.len, asks[at].rule, asks[at].cost = key, #key, rule, cost
end

-- Long pauses, bursts, and steps that end where windows do.
local function pause(roll, now)
  local kind = roll(100)
  if kind < 40 then return 0 end
  if kind < 70 then return roll(20000) end
  if kind < 95 then return roll(1500000) end
  if kind < 98 then return SECOND - now % SECOND end
  return roll(200) * SECOND
end

-- What an answer must say of a model after the decision.
local function check(answer, model, now, wanted, allowed, most, about)
  local function differ(what, got, expected)
    error(("%s at %d: %s is %s, the model says %s"):format(about, now, what, tostring(got), tostring(expected)), 0)
  end
  local room = max(0, model.room(now)) / MICRO
  if answer.allowed ~= allowed then differ("allowed", answer.allowed, allowed) end
  if answer.remaining ~= room then differ("remaining", answer.remaining, room) end
  local reset, retry = tonumber(answer.reset_us), tonumber(answer.retry_us)
  if reset ~= model.reset(now) then differ("reset", reset, model.reset(now)) end
  if allowed then
    if retry ~= 0 then differ("retry", retry, 0) end
  elseif wanted > most then
    if retry < 2 ^ 63 then differ("retry", retry, "never") end
  else
    if model.room(now + retry) < wanted then differ("retry", retry, "later") end
    if model.room(now + retry - 1) >= wanted then differ("retry", retry, "sooner") end
  end
end

describe("limits and their models (2.6.1)", function()
  for i, row in ipairs(RULES) do
    local about = ("%s of %g"):format(row[2]:sub(10):lower():gsub("_", " "), row.limit)

    it(("agree over random arrivals: %s"):format(about), function()
      local limits, rule, model, roll = c.gw_limit_table_new(1048576), rule_of(row), model_of(row), random_of(i)
      local most, now, passed = model.room(START), START, 0
      for _ = 1, STEPS do
        now = now + pause(roll, now)
        local kind, cost = roll(100), roll(20) == 0 and roll(row.limit * 2 + 2) or roll(3)
        ask(0, "key", rule, cost)
        if kind < 3 then -- what it cost turned out to be another
          local delta = roll(7) - 3
          asks[0].cost = delta
          c.gw_limit_adjust(limits, asks[0], now, answers[0])
          model.charge(now, delta * MICRO)
          if answers[0].remaining ~= max(0, model.room(now)) / MICRO then
            error(about .. ": adjusted to another room", 0)
          end
        else
          local fits = model.room(now) >= cost * MICRO
          local take = kind < 90
          local decide = take and c.gw_limit_take or c.gw_limit_look
          if decide(limits, asks, 1, now, answers) ~= fits then
            error(("%s: another decision at %d"):format(about, now), 0)
          end
          if take and fits then
            model.charge(now, cost * MICRO)
            passed = passed + 1
          end
          check(answers[0], model, now, cost * MICRO, fits, most, about)
        end
      end
      c.gw_limit_table_free(limits)
      assert.is_true(passed > STEPS / 50)
    end)
  end

  it("agree where several limits are asked at once, which all pass or take nothing", function()
    local limits, rules, models, roll = c.gw_limit_table_new(1048576), {}, {}, random_of(99)
    local now, passed, refused = START, 0, 0
    for i, row in ipairs(RULES) do -- the name tells two buckets of a key apart
      rules[i], models[i] = rule_of(row, "rule " .. i), model_of(row)
    end
    for _ = 1, STEPS do
      now = now + floor(pause(roll, now) / 4)
      local count, chosen, wanted = 1 + roll(5), {}, {}
      local fit = true
      for i = 1, count do
        local which, cost = 1 + roll(#RULES), roll(3)
        chosen[i] = which
        wanted[which] = (wanted[which] or 0) + cost * MICRO
        ask(i - 1, "key", rules[which], cost)
      end
      for which, micro in pairs(wanted) do
        if models[which].room(now) < micro then fit = false end
      end
      if c.gw_limit_take(limits, asks, count, now, answers) ~= fit then error("another decision", 0) end
      if fit then
        passed = passed + 1
        for which, micro in pairs(wanted) do
          models[which].charge(now, micro)
        end
      else
        refused = refused + 1
      end
      for i = 1, count do
        local room = max(0, models[chosen[i]].room(now)) / MICRO
        if answers[i - 1].remaining ~= room then error(RULES[chosen[i]][2] .. ": another room", 0) end
      end
    end
    c.gw_limit_table_free(limits)
    assert.is_true(passed > STEPS / 50 and refused > STEPS / 50)
  end)
end)

describe("a table of limits (2.6.4)", function()
  local KEYS = STEPS * 10
  local stats = ffi.new("struct gw_zone_stats")

  it("stays within its memory over many keys, keeps hot ones, and never evicts many at once", function()
    local limits = c.gw_limit_table_new(262144)
    local rule = rule_of { nil, "GW_LIMIT_FIXED_WINDOW", limit = 1000000, window = 86400, by_first = true }
    local log = rule_of { nil, "GW_LIMIT_SLIDING_WINDOW", limit = 40, window = 3600 }
    local now, hot = START, 0
    local function entries()
      c.gw_limit_table_stats(limits, stats)
      return tonumber(stats.entries)
    end
    local before, worst = 0, 0
    for i = 1, KEYS do
      now = now + 1
      ask(0, "key" .. i, i % 3 == 0 and log or rule, 1)
      assert(c.gw_limit_take(limits, asks, 1, now, answers))
      local after = entries()
      worst = max(worst, before + 1 - after)
      before = after
      if stats.bytes > stats.max_bytes then error("more memory than it may have", 0) end
      if i % 200 == 0 then
        ask(0, "hot", rule, 1)
        ask(1, "busy", log, 1)
        c.gw_limit_take(limits, asks, 2, now, answers)
        hot = hot + (answers[0].allowed and answers[1].allowed and 1 or 0)
        before = entries()
      end
    end
    ask(0, "hot", rule, 0)
    c.gw_limit_look(limits, asks, 1, now, answers)
    local counted = 1000000 - answers[0].remaining
    c.gw_limit_table_free(limits)
    assert.equal(40, hot) -- as many as the log of "busy" lets pass
    assert.equal(hot, counted)
    assert.is_true(worst <= 8)
    assert.is_true(tonumber(stats.evicted) > KEYS / 2)
  end)
end)

describe("limits of several threads (2.6.3)", function()
  it("let exactly as much pass as one thread would get, while the table changes its size", function()
    local times, sums = 5000, ffi.new("struct gw_spec_limit_sums")
    local window = rule_of { nil, "GW_LIMIT_FIXED_WINDOW", limit = 1500, window = 86400, by_first = true }
    local sliding = rule_of { nil, "GW_LIMIT_SLIDING_WINDOW", limit = 1000, window = 3600 }
    local bucket = rule_of { nil, "GW_LIMIT_TOKEN_BUCKET", limit = 500, rate = 20000 }
    ffi.C.gw_spec_limit_race(times, window, sliding, bucket, sums)
    assert.equal(1500, sums.window + sums.both)
    assert.equal(1000, sums.sliding + sums.both)
    -- Each thread's clock lags by a few steps at most, so that the last tokens may still have been to come.
    local all = 500 + (tonumber(sums.end_us) - 1e9) * 20000 / SECOND
    assert.is_true(sums.bucket <= all and sums.bucket > all - 5, ("%d of %d"):format(sums.bucket, all))
  end)
end)
