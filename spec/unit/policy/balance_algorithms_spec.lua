local balances = require("support.balance")
local c = require("support.c")
local ffi = require("ffi")

local new, same, random_of = balances.new, balances.same, balances.random_of

local function counts(balance, times, now_us)
  local list = {}
  for i = 0, balance.count - 1 do
    list[i] = 0
  end
  for _ = 1, times do
    local index = balance.pick(now_us)
    list[index] = list[index] + 1
  end
  return list
end

-- Sends `total` requests to targets that take took[i] ms, `at_once` of them on their way; returns how many each got.
local function serve(balance, took, at_once, total)
  local flying, got, now = {}, {}, 1000000
  for i = 0, balance.count - 1 do
    got[i] = 0
  end
  for _ = 1, total do
    if #flying == at_once then
      local first = 1
      for i, one in ipairs(flying) do
        if one.ends < flying[first].ends then first = i end
      end
      local done = table.remove(flying, first)
      now = math.max(now, done.ends)
      balance.vitals[done.index].active = balance.vitals[done.index].active - 1
      c.gw_vitals_observe(balance.vitals + done.index, done.ends - done.began, 10000000, now)
    end
    local index = balance.pick(now)
    got[index] = got[index] + 1
    balance.vitals[index].active = balance.vitals[index].active + 1
    flying[#flying + 1] = { index = index, began = now, ends = now + took[index + 1] * 1000 }
  end
  return got
end

describe("balancing, a target that takes ten times as long (2.2.2)", function()
  local took = { 100, 10, 10, 10 }
  local fair = 4000 / 4

  it("latency gives it less than a fifth of its share at any load", function()
    for _, at_once in ipairs { 1, 4, 16, 64 } do
      local got = serve(new("latency", same(4, 1)), took, at_once, 4000)
      assert.is_true(got[0] < fair / 5, ("%d at once: %d"):format(at_once, got[0]))
    end
  end)

  it("least-connections gives it less than half, with four on their way for each", function()
    for _, at_once in ipairs { 16, 64 } do
      local got = serve(new("least-connections", same(4, 1)), took, at_once, 4000)
      assert.is_true(got[0] < fair / 2, ("%d at once: %d"):format(at_once, got[0]))
    end
  end)

  it(
    "round-robin gives it all of it",
    function() assert.equal(fair, serve(new("round-robin", same(4, 1)), took, 16, 4000)[0]) end
  )
end)

describe("gw_balance_least_connections", function()
  it("follows the weights while nothing is on its way", function()
    local got = counts(new("least-connections", { { 3 }, { 1 } }), 8000)
    assert.is_true(math.abs(got[0] - 6000) < 200, got[0])
  end)

  it("compares weight / (active + 1)^bias of two", function()
    local balance = new("least-connections", { { 4 }, { 1 } }, { bias = 2 })
    balance.vitals[0].active = 1 -- 4 / 2^2 against 1 / 1: the same; the first draw stands
    local got = counts(balance, 200)
    assert.is_true(got[0] > 0 and got[1] > 0)
    balance.vitals[0].active = 2
    assert.equal(200, counts(balance, 200)[1])
  end)
end)

describe("gw_balance_random", function()
  it("follows the weights", function()
    local got = counts(new("random", { { 1 }, { 0 }, { 3 } }), 8000)
    assert.equal(0, got[1])
    assert.is_true(math.abs(got[2] - 6000) < 200, got[2])
  end)
end)

describe("gw_balance_consistent_hashing (2.2.3)", function()
  local KEYS = 20000

  local function map(balance)
    local random, list = random_of(5), {}
    for i = 1, KEYS do
      list[i] = balance.pick(0, c.gw_random_next(random))
    end
    return list
  end

  it("moves at most 12 % of the keys when one of ten goes, and never between the others", function()
    local ten, nine, moved = same(10, 1), {}, 0
    for i = 1, 9 do
      nine[i] = ten[i]
    end
    local before, after = map(new("consistent-hashing", ten)), map(new("consistent-hashing", nine))
    for i = 1, KEYS do
      if before[i] ~= after[i] then moved = moved + 1 end
    end
    assert.is_true(moved / KEYS <= 0.12, moved / KEYS)
  end)

  it("moves only the keys of a target that is down", function()
    local balance = new("consistent-hashing", same(10, 1))
    local before = map(balance)
    balance.slots[3].down = true
    c.gw_balance_changed(balance.balance)
    for i, index in ipairs(map(balance)) do
      assert.is_true(index ~= 3 and (index == before[i] or before[i] == 3))
    end
  end)

  it("honours weights, and the order in which targets come does not matter", function()
    local list = map(new("consistent-hashing", { { 1, 0, 11 }, { 3, 0, 12 } }))
    local other = map(new("consistent-hashing", { { 3, 0, 12 }, { 1, 0, 11 } }))
    local got = 0
    for i, index in ipairs(list) do
      got = got + index
      assert.equal(index, 1 - other[i])
    end
    assert.is_true(math.abs(got / KEYS - 0.75) < 0.02, got / KEYS)
  end)

  it("never lets a target exceed the factor times the mean", function()
    local balance, random = new("consistent-hashing", same(5, 1), { hash_factor = 125 }), random_of(3)
    for total = 1, 2000 do
      local key = total % 2 == 0 and 42ULL or c.gw_random_next(random) -- half of them want one target
      local index = balance.pick(0, key)
      balance.vitals[index].active = balance.vitals[index].active + 1
      assert.is_true(balance.vitals[index].active <= math.ceil(1.25 * total / 5))
    end
  end)

  it("says when a key is not with its own target", function()
    local balance = new("consistent-hashing", same(3, 1))
    local own = balance.pick(0, 9ULL)
    assert.equal(c.GW_BALANCE_CHOSEN, tonumber(balance.why[0]))
    balance.vitals[own].ejection.until_us = 100
    c.gw_balance_changed(balance.balance)
    assert.is_true(balance.pick(1, 9ULL) ~= own)
    assert.equal(c.GW_BALANCE_MOVED, tonumber(balance.why[0]))
    assert.equal(own, balance.pick(100, 9ULL)) -- by time alone
  end)
end)

describe("balancing in slow start (2.2.4)", function()
  for _, algorithm in ipairs { "round-robin", "least-connections", "latency", "random" } do
    it(algorithm .. " never gives more than the share of the moment", function()
      local balance = new(algorithm, same(4, 1), { slow_start_us = 10000000 })
      balance.vitals[0].ramp_from_us = 1000000
      for _, at in ipairs { { 0, 0.1 }, { 0.5, 0.5 }, { 0.9, 0.9 } } do
        local share = at[2] / (3 + at[2])
        local got = counts(balance, 4000, 1000000 + at[1] * 10000000)[0] / 4000
        assert.is_true(got < share + 0.025, ("at %s: %s"):format(at[1], got))
      end
    end)
  end

  it("follows t^(1/aggression), from the least share on", function()
    local vitals = ffi.new("struct gw_vitals")
    vitals.ramp_from_us = 1000
    assert.equal(102, c.gw_vitals_share(vitals, 1000, 1, 102, 1000))
    assert.equal(512, c.gw_vitals_share(vitals, 1000, 1, 102, 1500))
    assert.equal(512, c.gw_vitals_share(vitals, 1000, 2, 102, 1250))
    assert.equal(1024, c.gw_vitals_share(vitals, 1000, 1, 102, 2000))
  end)
end)

describe("a target's vitals", function()
  it("let threads that race never beyond the cap, and all of them out again", function()
    ffi.cdef("unsigned gw_spec_vitals_race(struct gw_vitals *, unsigned, unsigned);")
    local vitals = ffi.new("struct gw_vitals")
    for cap = 1, 4 do
      local most = ffi.C.gw_spec_vitals_race(vitals, cap, 20000)
      assert.is_true(most <= cap, most .. " of " .. cap)
      assert.equal(0, vitals.active)
    end
  end)
end)

describe("balancing when targets fail (2.2.5)", function()
  local function of_five(change)
    local balance = new("round-robin", same(5, 1), change)
    for i = 0, 2 do
      balance.vitals[i].health.word = 1
    end
    return balance
  end

  it("spreads over all at 40 % healthy, and says so", function()
    local balance = of_five { panic_threshold = 50 }
    assert.same({ [0] = 20, 20, 20, 20, 20 }, counts(balance, 100))
    assert.equal(c.GW_BALANCE_PANIC, tonumber(balance.why[0]))
  end)

  it("fails at once where that is wanted", function()
    local balance = of_five { panic_threshold = 50, fail_on_panic = true }
    assert.equal(-1, balance.pick())
    assert.equal(c.GW_BALANCE_NONE, tonumber(balance.why[0]))
  end)

  it(
    "keeps to the healthy ones without a threshold",
    function() assert.same({ [0] = 0, 0, 0, 50, 50 }, counts(of_five(), 100)) end
  )

  it("goes to backups, also for a further try", function()
    local balance = new("round-robin", { { 1, 0 }, { 1, 0 }, { 5, 7 } })
    assert.same({ [0] = 50, 50, 0 }, counts(balance, 100))
    local tried = ffi.new("bool[3]", { true, true, false })
    balance.ask.tried = tried
    assert.equal(2, balance.pick())
    tried[2] = true
    assert.is_true(balance.pick() < 2)
    assert.equal(c.GW_BALANCE_AGAIN, tonumber(balance.why[0]))
    balance.ask.tried = nil
    balance.vitals[0].health.word, balance.vitals[1].health.word = 1, 1
    c.gw_balance_changed(balance.balance)
    assert.equal(2, balance.pick())
    assert.equal(c.GW_BALANCE_BACKUP, tonumber(balance.why[0]))
  end)
end)
