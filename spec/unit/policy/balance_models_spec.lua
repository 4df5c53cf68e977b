--- The balancing algorithms beside models of a few lines, over random steps.
local balances = require("support.balance")
local c = require("support.c")
local ffi = require("ffi")

local STEPS = tonumber(os.getenv("GW_MODEL_STEPS")) or 20000

local new, same, random_of = balances.new, balances.same, balances.random_of

describe("gw_balance_round_robin and its model", function()
  -- Smooth weighted round robin over the targets that are up.
  local function model_pick(model)
    local best, sum
    sum = 0
    for i, target in ipairs(model) do
      if target.up then
        target.credit = target.credit + target.weight
        sum = sum + target.weight
        if not best or target.credit > model[best].credit then best = i end
      end
    end
    if best then model[best].credit = model[best].credit - sum end
    return best and best - 1 or -1
  end

  it("agree over random steps of picks, falls and returns", function()
    local model, targets = {}, {}
    for i = 1, 6 do
      targets[i] = { (i * 7) % 5 + 1 }
      model[i] = { weight = targets[i][1], up = true, credit = 0 }
    end
    local balance = new("round-robin", targets)
    balance.balance.random_start = false
    local random = random_of(11)
    for _ = 1, STEPS do
      local roll = tonumber(c.gw_random_below(random, 50))
      if roll < 6 then
        local target = model[roll + 1]
        target.up = not target.up
        balance.slots[roll].down = not target.up
        c.gw_balance_changed(balance.balance)
        for _, one in ipairs(model) do
          one.credit = 0
        end
      end
      if model_pick(model) ~= balance.pick() then error("they differ") end
    end
  end)
end)

describe("gw_balance_least_connections and its model", function()
  it("agree over random steps of requests that begin and end, falls and returns", function()
    local targets = { { 3 }, { 2 } }
    local balance, random = new("least-connections", targets), random_of(23)
    local up, active, decided = { true, true }, { 0, 0 }, 0
    -- Which one, or nil where chance decides.
    local function model_pick()
      if not (up[1] and up[2]) then return up[1] and 1 or up[2] and 2 or 0 end
      if active[1] + active[2] == 0 then return nil end
      local first, second = 3 / (active[1] + 1), 2 / (active[2] + 1)
      return first ~= second and (first > second and 1 or 2) or nil
    end
    for _ = 1, STEPS do
      local roll = tonumber(c.gw_random_below(random, 20))
      local one = roll % 2 + 1
      if roll < 2 then
        up[one] = not up[one]
        balance.slots[one - 1].down = not up[one]
        c.gw_balance_changed(balance.balance)
      elseif roll < 10 then
        active[one] = math.max(active[one] - 1, 0)
        balance.vitals[one - 1].active = active[one]
      else
        local wanted, got = model_pick(), balance.pick() + 1
        if wanted and wanted ~= got then
          error(("%d and %d on their way: %d, not %d"):format(active[1], active[2], got, wanted))
        end
        decided = decided + (wanted and 1 or 0)
        if got > 0 then
          active[got] = math.min(active[got] + 1, 9)
          balance.vitals[got - 1].active = active[got]
        end
      end
    end
    assert.is_true(decided > STEPS / 5)
  end)
end)

describe("gw_balance_consistent_hashing and its model", function()
  it("agree over random steps of keys, falls and returns", function()
    local count = 7
    local balance, random = new("consistent-hashing", same(count, 1, 0), { hash_slots = 700 }), random_of(29)
    local up, moved = {}, 0
    local size = tonumber(balance.balance.table_size)
    -- From the key's seat on, in steps of the key's, to the first that is up.
    local function model_pick(low, high)
      local seat, step = (high * 2 ^ 32 + low) % size, high % (size - 1) + 1
      for tries = 1, 4 * count + 16 do
        local index = balance.balance.table[seat]
        if up[index] then return index, tries end
        seat = (seat + step) % size
      end
    end
    for i = 0, count - 1 do
      up[i] = true
    end
    for _ = 1, STEPS do
      local roll = tonumber(c.gw_random_below(random, 40))
      if roll < count and not (roll == 0 and up[0]) then -- the first one never falls, so that there always is one
        up[roll] = not up[roll] or roll == 0
        balance.slots[roll].down = not up[roll]
        c.gw_balance_changed(balance.balance)
      end
      local low, high = tonumber(c.gw_random_below(random, 2 ^ 32)), tonumber(c.gw_random_below(random, 2 ^ 20))
      local wanted, tries = model_pick(low, high)
      local got = balance.pick(0, 2 ^ 32 * ffi.cast("uint64_t", high) + low)
      if wanted and wanted ~= got then error(("%d, not %d"):format(got, wanted)) end
      if wanted and tries > 1 then moved = moved + 1 end
    end
    assert.is_true(moved > STEPS / 10)
  end)
end)

-- Draws by weight among those that are up, with the same chance as the balance: one look from the front instead of a
-- search. After so many draws that nobody may take it is the next one that may, from anywhere on.
local function model_draw(model, may)
  local up, sum = {}, 0
  for _, one in ipairs(model) do
    if one.up then
      up[#up + 1], sum = one, sum + one.weight
    end
  end
  for _ = 1, 32 do
    local point, i = tonumber(c.gw_random_below(model.random, sum)), 1
    while point >= up[i].weight do
      point, i = point - up[i].weight, i + 1
    end
    if may(up[i]) then return up[i] end
  end
  local from = tonumber(c.gw_random_below(model.random, #up))
  for i = 0, #up - 1 do
    local one = up[(from + i) % #up + 1]
    if may(one) then return one end
  end
end

local function model_of(targets, fields)
  local model = { random = random_of(c.gw_random_next(random_of(7))) }
  for i, target in ipairs(targets) do
    model[i] = { index = i - 1, weight = target[1], up = true }
    for name, value in pairs(fields or {}) do
      model[i][name] = value
    end
  end
  return model
end

-- Somebody falls or comes back; the first one stays, so that there always is one.
local function flip(model, balance, i)
  model[i].up = not model[i].up
  balance.slots[i - 1].down = not model[i].up
  c.gw_balance_changed(balance.balance)
end

describe("gw_balance_random and its model", function()
  it("agree over random steps of picks, further tries, falls and returns", function()
    local targets = { { 5 }, { 1 }, { 300 }, { 2 }, { 65535 } }
    local balance, model, random = new("random", targets), model_of(targets), random_of(37)
    local tried, further = ffi.new("bool[5]"), 0
    for step = 1, STEPS do
      local roll = tonumber(c.gw_random_below(random, 60))
      if roll >= 2 and roll <= 5 then flip(model, balance, roll) end
      local left = 0
      for i, one in ipairs(model) do
        one.tried = roll > 30 and tonumber(c.gw_random_below(random, 2)) == 1
        tried[i - 1] = one.tried
        if one.up and not one.tried then left = left + 1 end
      end
      balance.ask.tried = roll > 30 and tried or nil
      local function may(one) return left == 0 or not one.tried end
      if left == 0 then model_draw(model, function(one) return not one.tried end) end -- in vain, then without
      local wanted, got = model_draw(model, may).index, balance.pick()
      if wanted ~= got then error(("step %d: %d, not %d"):format(step, got, wanted)) end
      if roll > 30 then further = further + 1 end
    end
    assert.is_true(further > STEPS / 3)
  end)
end)

describe("gw_balance_latency and its model", function()
  local DECAY_US = 2000000

  local function latency(one, now_ms) return one.average * math.exp(-1000 * (now_ms - one.at_ms) / DECAY_US) end

  local function cost(one, now_ms)
    if one.average == 0 then return one.active > 0 and 1e9 + one.active or 0 end
    return latency(one, now_ms) * (one.active + 1)
  end

  -- A peak counts at once, anything faster by what has faded of the average.
  local function observe(one, took_us, now_ms)
    local part = math.exp(-1000 * (now_ms - one.at_ms) / DECAY_US)
    local average = took_us
    if took_us < one.average then average = one.average * part + took_us * (1 - part) end
    one.average, one.at_ms = math.floor(average + 0.5), now_ms
  end

  it("agree over random steps of requests that begin and end, times that pass, falls and returns", function()
    local targets = { { 4 }, { 1 }, { 2 }, { 3 } }
    local balance = new("latency", targets, { decay_us = DECAY_US })
    local model, random = model_of(targets, { average = 0, at_ms = 0, active = 0 }), random_of(41)
    local now_ms, second = 1, 0
    for step = 1, STEPS do
      now_ms = now_ms + tonumber(c.gw_random_below(random, 40))
      local roll = tonumber(c.gw_random_below(random, 40))
      local i = roll % 4 + 1
      local one, vitals = model[i], balance.vitals + (i - 1)
      if roll < 4 then
        if i > 1 then flip(model, balance, i) end
      elseif roll < 20 then
        if one.active > 0 then
          local took_us = tonumber(c.gw_random_below(random, i == 2 and 500000 or 5000)) + 1
          one.active = one.active - 1
          vitals.active = one.active
          observe(one, took_us, now_ms)
          c.gw_vitals_observe(vitals, took_us, DECAY_US, now_ms * 1000)
        end
      else
        local first = model_draw(model, function() return true end)
        local other = model_draw(model, function(two) return two ~= first end)
        local wanted = other and cost(other, now_ms) < cost(first, now_ms) and other or first
        local got = balance.pick(now_ms * 1000)
        if wanted.index ~= got then error(("step %d: %d, not %d"):format(step, got, wanted.index)) end
        if wanted ~= first then second = second + 1 end
        wanted.active = wanted.active + 1
        balance.vitals[got].active = wanted.active
      end
    end
    assert.is_true(second > STEPS / 20)
  end)
end)
