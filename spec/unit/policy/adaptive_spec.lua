local balances = require("support.balance")
local c = require("support.c")
local ffi = require("ffi")

local STEPS = tonumber(os.getenv("GW_MODEL_STEPS")) or 20000
local MS, SECOND = 1000, 1000000

local function new(change)
  local rules = ffi.new("struct gw_adaptive_rules", 3, 1000, 20, 1.25, 100 * MS, 60 * SECOND)
  for key, value in pairs(change or {}) do
    rules[key] = value
  end
  local adaptive = ffi.new("struct gw_adaptive")
  c.gw_adaptive_init(adaptive)
  local self = { rules = rules, now = SECOND }
  function self.note(took, in_flight) c.gw_adaptive_note(adaptive, rules, took, self.now, in_flight) end
  function self.limit() return tonumber(c.gw_adaptive_limit(adaptive, rules)) end
  function self.look() return c.gw_adaptive_look(adaptive) end
  return self
end

-- An upstream that works at `at_once` requests at a time, each `took` long; the others wait there. `clients` ask again
-- as soon as they have their answer, as far as the limit lets them. Runs for so many seconds; gives the limits on the way
-- and how many answers came.
local function simulation(one)
  local self = { took = 10 * MS, at_once = 20, clients = 100, flying = {}, queue = {}, busy = 0 }
  local function work()
    while self.busy < self.at_once and #self.queue > 0 do
      local request = table.remove(self.queue, 1)
      self.busy = self.busy + 1
      request.ends = one.now + self.took
      self.flying[#self.flying + 1] = request
    end
  end
  local function fill()
    while self.busy + #self.queue < math.min(self.clients, one.limit()) do
      self.queue[#self.queue + 1] = { began = one.now }
      work()
    end
  end
  function self.run(seconds)
    local till, answers, limits, longest = one.now + seconds * SECOND, 0, {}, 0
    fill()
    while one.now < till do
      local first = 1
      for i, request in ipairs(self.flying) do
        if request.ends < self.flying[first].ends then first = i end
      end
      local request = table.remove(self.flying, first)
      one.now = math.max(one.now, request.ends)
      one.note(one.now - request.began, self.busy + #self.queue)
      longest = math.max(longest, one.now - request.began)
      self.busy, answers = self.busy - 1, answers + 1
      limits[#limits + 1] = one.limit()
      work()
      fill()
    end
    table.sort(limits)
    return limits[math.ceil(#limits / 2)], answers / seconds, longest
  end
  return self
end

describe("gw_adaptive", function()
  it("begins at the initial limit, and stays there without answers", function()
    local one = new()
    assert.equal(20, one.limit())
    one.note(MS, 20)
    one.now = one.now + 10 * SECOND
    assert.equal(20, one.limit())
  end)

  it("grows by its root while answers are as fast as at rest", function()
    local one = new()
    local limits = {}
    for i = 1, 4 do
      for _ = 1, 10 do
        one.note(10 * MS, one.limit())
      end
      one.now = one.now + 100 * MS
      one.note(10 * MS, one.limit())
      limits[i] = one.limit()
    end
    assert.same({ 24, 29, 34, 40 }, limits)
  end)

  it("learns nothing of a limit that is not used by half", function()
    local one = new()
    for _ = 1, 1000 do
      one.now = one.now + 10 * MS
      one.note(10 * MS, 5)
    end
    assert.equal(20, one.limit())
  end)

  it("is never below the least, nor above the most, also when those change", function()
    local one = new { most = 40 }
    for i = 1, 5000 do
      one.now = one.now + 10 * MS
      one.note(i < 1000 and 10 * MS or 10 * SECOND, one.limit())
      if i == 999 then assert.equal(40, one.limit()) end
    end
    assert.is_true(one.limit() <= 9, one.limit())
    one.rules.least = 15
    assert.equal(15, one.limit())
    one.rules.least, one.rules.most = 1, 2
    assert.equal(2, one.limit())
  end)

  it("finds what the upstream bears, falls when its answers take twice as long, and recovers", function()
    local one = new()
    local up = simulation(one)
    local settled, rate = up.run(20)
    assert.is_true(settled >= 20 and settled <= 50, "settled at " .. settled)
    assert.is_true(rate > 1900, rate .. " answers a second of 2000")
    up.took, up.at_once = 20 * MS, 10 -- a quarter of what it could do
    local fallen = up.run(10)
    assert.is_true(fallen < settled / 2, ("%d, and then %d"):format(settled, fallen))
    up.run(60) -- the next probe learns that this is how it is now
    local _, slow_rate = up.run(5)
    assert.is_true(slow_rate > 450, slow_rate .. " answers a second of 500")
    up.took, up.at_once = 10 * MS, 20
    local back, back_rate = up.run(20)
    assert.is_true(back > settled * 0.85, ("%d, and then %d"):format(settled, back))
    assert.is_true(back_rate > 1900, back_rate .. " answers a second of 2000")
  end)

  it("keeps requests from waiting long, where without it all of them would", function()
    local up = simulation(new())
    up.clients = 400
    up.run(10)
    local _, _, longest = up.run(10)
    assert.is_true(longest < 40 * MS, longest / MS .. " ms, of 200 without a limit")
  end)

  it("does not let its baseline creep up while it is always used up, and finds one that has changed", function()
    local one = new { probe_every_us = 5 * SECOND }
    local up = simulation(one)
    up.run(120) -- some twenty probes
    local baseline = one.look().baseline_us
    assert.is_true(baseline >= 9 * MS and baseline <= 11 * MS, baseline / MS .. " ms of 10")
    up.took, up.clients = 30 * MS, 15 -- slower by itself: nobody waits there
    up.run(12)
    baseline = one.look().baseline_us
    assert.is_true(baseline >= 27 * MS and baseline <= 33 * MS, baseline / MS .. " ms of 30")
  end)

  it("is a quarter while it probes, does not count what began before, and gives up where nothing comes", function()
    local one = new { probe_every_us = 2 * SECOND }
    local seconds = 0
    while not one.look().probes do
      one.now, seconds = one.now + 10 * MS, seconds + 0.01
      one.note(10 * MS, 9)
    end
    assert.is_true(seconds <= 2.2)
    assert.equal(5, one.limit())
    local baseline = one.look().baseline_us
    one.now = one.now + 200 * MS
    for _ = 1, 50 do
      one.note(SECOND, 10)
    end
    assert.is_true(one.look().probes)
    one.now = one.now + 6 * SECOND
    one.note(50 * MS, 1)
    assert.same({ false, baseline }, { one.look().probes, one.look().baseline_us })
    assert.equal(20, one.limit())
  end)
end)

describe("gw_adaptive and its model", function()
  -- What is left of a time: five bits, of which the rest is in the middle.
  local function rough(took)
    if took < 16 then return took end
    local step = 2 ^ (math.floor(math.log(took) / math.log(2) + 1e-12) - 4)
    return math.floor(took / step) * step + step / 2
  end

  local function model_new(rules)
    local m = { times = {}, ends = 0, from = 0, peak = 0, exact = 0, base = 0, probe_at = 0, probe_ends = 0 }
    local function planned(now) return now + rules.probe - now % (math.floor(rules.probe / 8) + 1) end
    local function window(now)
      m.ends = now + rules.interval
      if #m.times < 10 and not (m.probing and now >= m.probe_ends) then return end
      local few, peak = #m.times < 10, m.peak
      table.sort(m.times)
      local median = math.max(m.times[math.ceil(#m.times / 2)] or 0, 1)
      m.times, m.peak = {}, 0
      if m.exact == 0 then m.exact = rules.initial end
      if m.probing then
        m.probing, m.from, m.base, m.probe_at = false, 0, few and m.base or median, planned(now)
        return
      end
      if m.base == 0 then m.probe_at = planned(now) end
      if m.base == 0 or median < m.base then m.base = median end
      if peak * 2 >= m.exact then
        local factor = math.max(math.min(m.base * rules.tolerance / median, 1), 0.5)
        m.exact = math.min(math.max(m.exact * factor + math.sqrt(m.exact), rules.least), rules.most)
      end
      if now >= m.probe_at then
        m.probing, m.from, m.probe_ends = true, now, now + 50 * rules.interval
      end
    end
    function m.note(took, now, in_flight)
      if now - took < m.from then return end
      m.peak, m.times[#m.times + 1] = math.max(m.peak, in_flight), rough(took)
      if now >= m.ends then window(now) end
    end
    function m.limit()
      local limit = math.floor(m.exact)
      if m.probing then limit = math.floor(limit / 4) end
      return math.min(math.max(limit == 0 and rules.initial or limit, rules.least), rules.most)
    end
    return m
  end

  it("agree over random steps of answers, fast and slow, few and many", function()
    local one = new { least = 2, most = 200, probe_every_us = 3 * SECOND }
    local model = model_new {
      least = 2,
      most = 200,
      initial = 20,
      tolerance = 1.25,
      interval = 100 * MS,
      probe = 3 * SECOND,
    }
    local random, probes, lowest, highest = balances.random_of(17), 0, 200, 0
    local function below(n) return tonumber(c.gw_random_below(random, n)) end
    local scale, pace = 10 * MS, 2 * MS
    for step = 1, STEPS do
      if step % 500 == 0 then
        scale, pace = 2 ^ below(18) + 20, 2 ^ below(17)
      end
      one.now = one.now + below(pace) + 1
      local took, limit = scale + below(scale), one.limit()
      local in_flight = below(3) == 0 and below(limit + 1) or limit
      if took > one.now then took = one.now end
      model.note(took, one.now, in_flight)
      one.note(took, in_flight)
      if model.limit() ~= one.limit() then
        error(("step %d: %d, not %d"):format(step, one.limit(), model.limit()))
      end
      if one.look().probes then probes = probes + 1 end
      lowest, highest = math.min(lowest, one.limit()), math.max(highest, one.limit())
    end
    assert.is_true(probes > 10 and lowest < 10 and highest > 50, ("%d %d %d"):format(probes, lowest, highest))
  end)
end)
