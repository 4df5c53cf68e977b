--- A balance for specs, over targets that only have numbers.
local c = require("support.c")
local ffi = require("ffi")

local M = {}

--- Chance that is the same at every run.
function M.random_of(seed)
  local random = ffi.new("struct gw_random")
  c.gw_random_seed(random, seed)
  return random
end

--- A balance over targets { weight, priority, id }, with the vitals of each.
function M.new(algorithm, targets, change)
  local self =
    { count = #targets, ask = ffi.new("struct gw_balance_ask"), why = ffi.new("enum gw_balance_why[1]") }
  self.slots = ffi.new("struct gw_balance_slot[?]", #targets)
  self.vitals = ffi.new("struct gw_vitals[?]", #targets)
  for i, target in ipairs(targets) do
    local slot = self.slots[i - 1]
    slot.weight, slot.priority, slot.id = target[1] or 1, target[2] or 0, target[3] or i
    slot.vitals = self.vitals + (i - 1)
  end
  local rules = ffi.new("struct gw_balance_rules", c.gw_balance_defaults)
  for key, value in pairs(change or {}) do
    rules[key] = value
  end
  self.balance = ffi.new("struct gw_balance")
  c.gw_balance_init(
    self.balance,
    c.gw_balance_find(c.slice(algorithm)),
    rules,
    self.slots,
    #targets,
    M.random_of(7)
  )
  ffi.gc(self.balance, c.gw_balance_deinit)
  function self.pick(now_us, hash)
    self.ask.now_us, self.ask.hashed, self.ask.hash = now_us or 0, hash ~= nil, hash or 0
    return c.gw_balance_pick(self.balance, self.ask, self.why)
  end
  return self
end

--- So many targets that differ in nothing but their id.
function M.same(count, ...)
  local list = {}
  for i = 1, count do
    list[i] = { ... }
    list[i][3] = i
  end
  return list
end

return M
