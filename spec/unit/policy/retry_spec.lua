local c = require("support.c")
local ffi = require("ffi")

local SECOND = 1000000

local function rules(change)
  local made = ffi.new("struct gw_retry_rules", c.gw_retry_defaults)
  for key, value in pairs(change or {}) do
    made[key] = value
  end
  return made
end

local function new(change)
  local self = { now = 1000 * SECOND, budget = ffi.new("struct gw_retry_budget"), rules = rules(change) }
  function self.requests(count)
    for _ = 1, count do
      c.gw_retry_budget_note(self.budget, self.now)
    end
  end
  function self.take(count)
    local taken = 0
    for _ = 1, count do
      if c.gw_retry_budget_take(self.budget, self.rules, self.now) then taken = taken + 1 end
    end
    return taken
  end
  function self.look()
    local look = c.gw_retry_budget_look(self.budget, self.now)
    return { tonumber(look.requests), tonumber(look.retries), tonumber(look.refused) }
  end
  return self
end

describe("gw_retry_backoff_us", function()
  it("doubles what it may be, up to the maximum, and uses all of it", function()
    local random, given = ffi.new("struct gw_random"), rules { backoff_base_us = 1000, backoff_max_us = 5000 }
    c.gw_random_seed(random, 3)
    for nth, bound in ipairs { 1000, 2000, 4000, 5000, 5000 } do
      local least, most = math.huge, 0
      for _ = 1, 3000 do
        local wait = tonumber(c.gw_retry_backoff_us(given, nth, random))
        least, most = math.min(least, wait), math.max(most, wait)
      end
      assert.is_true(least < bound * 0.02, nth .. ": at least " .. least)
      assert.is_true(most <= bound and most > bound * 0.98, nth .. ": at most " .. most)
    end
  end)

  it("is nothing without a base, and bounded at any number of tries", function()
    local random = ffi.new("struct gw_random")
    c.gw_random_seed(random, 3)
    assert.equal(0, tonumber(c.gw_retry_backoff_us(rules { backoff_base_us = 0 }, 9, random)))
    assert.is_true(tonumber(c.gw_retry_backoff_us(rules(), 4294967295, random)) <= 250000)
  end)
end)

describe("gw_retry_budget", function()
  it("has room for three where there were no requests to speak of", function()
    local one = new()
    one.requests(1)
    assert.equal(3, one.take(10))
    assert.same({ 1, 3, 7 }, one.look())
  end)

  it("has room for a fifth of the requests, and no more (3.4.28)", function()
    local one = new()
    one.requests(1000)
    assert.equal(200, one.take(1000))
  end)

  it("lets a service that always fails be asked 1.2 times for each request, however they come", function()
    for _, gap in ipairs { 0, 100, 20000, 150000 } do
      local one, requests, retries = new(), 0, 0
      for _ = 1, 2000 do
        one.now = one.now + gap
        one.requests(1)
        requests, retries = requests + 1, retries + one.take(5)
      end
      assert.is_true(
        retries <= 0.2 * requests + 3,
        ("%d retries of %d, a request every %d us"):format(retries, requests, gap)
      )
      assert.is_true(retries >= 0.19 * requests)
    end
  end)

  it("forgets after ten seconds", function()
    local one = new { budget_min = 0 }
    one.requests(10)
    assert.equal(2, one.take(5))
    one.now = one.now + 9 * SECOND
    assert.same({ 10, 2, 3 }, one.look())
    assert.equal(0, one.take(1))
    one.now = one.now + SECOND
    assert.same({ 0, 0, 4 }, one.look())
    assert.equal(0, one.take(1))
    one.requests(5)
    assert.equal(1, one.take(5))
  end)

  it("does not forget for a worker whose clock is behind", function()
    local one = new()
    one.requests(50)
    one.now = one.now - 2 * SECOND
    one.requests(50)
    one.now = one.now + 2 * SECOND
    assert.equal(20, one.take(100))
  end)

  it("may be none at all", function()
    local one = new { budget_min = 0, budget_ratio = 0 }
    one.requests(100)
    assert.equal(0, one.take(5))
  end)

  it("gives threads that race no more than there is", function()
    ffi.cdef([[unsigned gw_spec_retry_race(struct gw_retry_budget *, const struct gw_retry_rules *, unsigned,
      uint64_t);]])
    for _ = 1, 20 do
      local one = new()
      one.requests(1000)
      local taken = ffi.C.gw_spec_retry_race(one.budget, one.rules, 200, one.now)
      assert.is_true(taken <= 200 and taken > 150, taken .. " of 200")
      assert.equal(taken, one.look()[2])
    end
  end)
end)
