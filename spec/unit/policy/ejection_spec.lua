local c = require("support.c")
local ffi = require("ffi")

local STEPS = tonumber(os.getenv("GW_MODEL_STEPS")) or 20000
local SECOND = 1000000
local GOOD, BAD, GATEWAY = c.GW_EJECTION_GOOD, c.GW_EJECTION_FAILURE, c.GW_EJECTION_GATEWAY_FAILURE

-- Targets with the way that upstream/ uses them: a note that asks for it ejects.
local function new(count, change)
  local self = {
    now = 1000 * SECOND,
    count = count,
    items = ffi.new("struct gw_ejection[?]", count),
    all = ffi.new("struct gw_ejection *[?]", count),
    rules = ffi.new("struct gw_ejection_rules", c.gw_ejection_defaults),
    verdicts = ffi.new("enum gw_ejection_why[?]", count),
  }
  for i = 0, count - 1 do
    self.all[i] = self.items + i
  end
  for key, value in pairs(change or {}) do
    self.rules[key] = value
  end
  function self.note(i, report, times)
    local lasted
    for _ = 1, times or 1 do
      local why = c.gw_ejection_note(self.all[i], self.rules, report)
      if why ~= c.GW_EJECTION_NONE then
        lasted = tonumber(c.gw_ejection_eject(self.all, count, i, self.rules, why, self.now))
      end
    end
    return lasted
  end
  function self.out(i) return c.gw_ejection_is(self.all[i], self.now) end
  function self.ejected()
    local list = {}
    for i = 0, count - 1 do
      if self.out(i) then list[#list + 1] = i end
    end
    return list
  end
  function self.sweep()
    c.gw_ejection_returns(self.all, count, self.now, self.verdicts)
    return c.gw_ejection_sweep(self.all, count, self.rules, self.now, self.verdicts)
  end
  return self
end

describe("gw_ejection (2.14)", function()
  it("ejects at the fifth failure in a row, for 30 s", function()
    local some = new(10)
    some.note(3, BAD, 4)
    some.note(3, GOOD)
    some.note(3, BAD, 4)
    assert.same({}, some.ejected())
    assert.equal(30 * SECOND, some.note(3, GATEWAY))
    assert.same({ 3 }, some.ejected())
    assert.equal("consecutive_failures", ffi.string(c.gw_ejection_why_text(some.all[3].why)))
    some.now = some.now + 30 * SECOND
    assert.same({}, some.ejected())
  end)

  it("counts gateway failures by themselves, where that is wanted", function()
    local some = new(10, { consecutive_gateway_failures = 3, consecutive_failures = 0 })
    some.note(0, GATEWAY, 2)
    some.note(0, BAD)
    some.note(0, GATEWAY, 2)
    assert.same({}, some.ejected())
    assert.equal(30 * SECOND, some.note(0, GATEWAY))
    assert.equal(c.GW_EJECTION_GATEWAY_FAILURES, tonumber(some.all[0].why))
  end)

  it("ejects longer each time in a row, at most so long, and forgets with each good interval", function()
    local some, lasted = new(10), {}
    for i = 1, 12 do
      lasted[i] = some.note(0, BAD, 5) / SECOND
      some.now = some.now + lasted[i] * SECOND
      c.gw_ejection_returns(some.all, 10, some.now, some.verdicts)
      assert.equal(c.GW_EJECTION_RETURN, tonumber(some.verdicts[0]))
    end
    assert.same({ 30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300 }, lasted)
    for _ = 1, 11 do -- the first only ends the interval of the return
      some.sweep()
    end
    assert.equal(2, some.all[0].times)
    assert.equal(90 * SECOND, some.note(0, BAD, 5))
  end)

  it("never ejects more than allowed, but one, and never the only one", function()
    local few, many, only = new(3), new(30), new(1)
    for i = 0, 29 do
      many.note(i, BAD, 50)
      if i < 3 then few.note(i, BAD, 50) end
    end
    only.note(0, BAD, 50)
    assert.same({ { 0 }, { 0, 1, 2 }, {} }, { few.ejected(), many.ejected(), only.ejected() })
    local all = new(4, { max_ejected = 100 })
    for i = 0, 3 do
      all.note(i, BAD, 5)
    end
    assert.equal(3, #all.ejected())
  end)

  local function traffic(some, i, requests, failures)
    some.rules.consecutive_failures = 0
    some.note(i, GOOD, requests - failures)
    some.note(i, BAD, failures)
  end

  it("ejects what lies 1.9 deviations below the mean of five with 100 requests", function()
    local some = new(10)
    for i = 0, 8 do
      traffic(some, i, 100, 1)
    end
    traffic(some, 9, 100, 30)
    assert.equal(1, some.sweep())
    assert.same({ 9 }, some.ejected())
    assert.equal(c.GW_EJECTION_SUCCESS_RATE, tonumber(some.all[9].why))
  end)

  it("does not judge rates of few targets, of little traffic, or of the interval before", function()
    local few, little, later = new(4), new(10), new(10)
    for i = 0, 9 do
      if i < 4 then traffic(few, i, 100, i == 3 and 90 or 0) end
      traffic(little, i, i == 9 and 99 or 100, i == 9 and 90 or 0)
      traffic(later, i, 60, i == 9 and 50 or 0)
    end
    later.sweep()
    for i = 0, 9 do
      traffic(later, i, 60, i == 9 and 50 or 0)
    end
    assert.equal(0, few.sweep() + little.sweep() + later.sweep())
  end)

  it("ejects at a percentage of failures, where that is wanted", function()
    local some = new(10, { success_rate_deviations = 0, failure_percentage = 85 })
    for i = 0, 9 do
      traffic(some, i, 100, i == 4 and 85 or 84)
    end
    some.sweep()
    assert.same({ 4 }, some.ejected())
    assert.equal(c.GW_EJECTION_FAILURE_PERCENTAGE, tonumber(some.all[4].why))
  end)

  it("ends early where a check or the operator says so", function()
    local some = new(2)
    some.note(0, BAD, 5)
    assert.is_true(c.gw_ejection_end(some.all[0], some.now))
    assert.is_false(c.gw_ejection_end(some.all[0], some.now))
    assert.same({}, some.ejected())
  end)
end)

describe("gw_ejection and its model", function()
  local function mean_and_deviation(rates)
    local mean, squares = 0, 0
    for _, rate in ipairs(rates) do
      mean = mean + rate / #rates
    end
    for _, rate in ipairs(rates) do
      squares = squares + (rate - mean) ^ 2
    end
    return mean, math.sqrt(squares / #rates)
  end

  local function model(some)
    local self, r = { t = {} }, some.rules
    for i = 0, some.count - 1 do
      self.t[i] = { until_us = 0, row = 0, total = 0, failed = 0, times = 0 }
    end
    function self.eject(i)
      local target, out = self.t[i], 0
      for k = 0, some.count - 1 do
        out = out + (self.t[k].until_us > some.now and 1 or 0)
      end
      if target.until_us > some.now then return end
      if out > 0 and (out + 1) * 100 > some.count * r.max_ejected then return end
      target.times = target.times + 1
      target.until_us = some.now + math.min(30 * target.times, 300) * SECOND
    end
    function self.note(i, report)
      local target = self.t[i]
      target.total, target.failed = target.total + 1, target.failed + (report == GOOD and 0 or 1)
      target.row = report == GOOD and 0 or target.row + 1
      if target.row == 5 then
        target.row = 0
        self.eject(i)
      end
    end
    function self.sweep()
      local rates = {}
      for i = 0, some.count - 1 do
        local target = self.t[i]
        local over = target.until_us ~= 0 and target.until_us <= some.now
        if over then
          target.until_us, target.row = 0, 0
        end
        if target.until_us == 0 and not over then target.times = math.max(target.times - 1, 0) end
        target.rate = target.total >= 100 and 100 * (target.total - target.failed) / target.total
        target.total, target.failed = 0, 0
        if target.rate then rates[#rates + 1] = target.rate end
      end
      if #rates < 5 then return end
      local mean, deviation = mean_and_deviation(rates)
      for i = 0, some.count - 1 do
        if self.t[i].rate and self.t[i].rate < mean - 1.9 * deviation - 1e-9 then self.eject(i) end
      end
    end
    return self
  end

  it("agree over random steps", function()
    local random = ffi.new("struct gw_random")
    c.gw_random_seed(random, 8)
    local function below(n) return tonumber(c.gw_random_below(random, n)) end
    local some = new(20, { max_ejected = 20 })
    local other = model(some)
    for step = 1, STEPS do
      local i = below(20)
      local bad = below(100) < (i < 3 and 35 or 2)
      other.note(i, bad and BAD or GOOD)
      some.note(i, bad and BAD or GOOD)
      some.now = some.now + below(5000)
      if step % 4000 == 0 then
        some.now = some.now + below(20) * SECOND
        other.sweep()
        some.sweep()
      end
      if other.t[i].until_us > some.now ~= some.out(i) then error("they differ at " .. step) end
    end
    for i = 0, 19 do
      assert.equal(other.t[i].times, some.all[i].times)
    end
  end)
end)
