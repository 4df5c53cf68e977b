--- Leased limits: a worker takes a slice of what a key has left in Redis, which is charged there at once, and decides
--- by itself until it is used up. So the slices together are never more than the limit; what is not used is given back.
---
---   * The first request of a key takes what it costs. A slice that is used up within HURRY seconds makes the next one
---     twice as large, up to a twentieth of the limit, and Redis gives at most an eighth of what is left: near its end
---     a budget is decided request by request, as in strict.
---   * A slice is good for LIFE seconds, and of a fixed window until it ends: there nothing passes beyond the limit.
---     Of buckets and sliding windows it may be used that much later than it was counted, so within any window (or
---     beside a full bucket) at most the slices that are out may pass on top: a twentieth of the limit a worker.
---   * Somebody may be refused while others hold slices that they will not use: for LIFE seconds at most.
---   * A refusal is remembered for as long as Redis says, at most REFUSAL seconds, so that a flood costs Redis nothing.
local core = require("moongate.core")

local C = require("moongate.cdef")
local script = core.script
local monotonic = C.gw_pdk_monotonic
local floor, max, min = math.floor, math.max, math.min

local LIFE, HURRY, REFUSAL = 1, 0.2, 0.1 -- seconds
local PART = 0.05 -- of the limit, the largest slice
local MARGIN = 0.05 -- seconds before the end of a window nothing is given back any more: it may come too late
local MOST = 20000 -- slices of a counter in a worker

local M = {}

---@class moongate.limit.Leases
local Leases = {}
Leases.__index = Leases

--- A worker's leases of a counter.
---@param give_back fun(key: string, rule: table, amount: number)
function M.new(give_back) return setmetatable({ rules = {}, count = 0, give_back = give_back }, Leases) end

local function life_of(terms)
  if terms.is_sliding then return min(LIFE, terms.window / 1e7) end
  return LIFE
end

--- The lease of a key, whatever is left of it; nil: there are too many.
function Leases:find(key, rule, terms)
  local of_rule = self.rules[rule]
  if not of_rule then
    of_rule = {}
    self.rules[rule] = of_rule
  end
  local lease = of_rule[key]
  if lease or self.count >= MOST then return lease end
  lease = {
    left = 0,
    expires = 0,
    resets = 0,
    room = 0,
    refused = 0,
    refused_cost = 0,
    want = 0,
    taken = 0,
    life = life_of(terms),
  }
  of_rule[key] = lease
  self.count = self.count + 1
  return lease
end

--- Seconds of the clock that leases go by.
function M.now() return monotonic(script) end

--- How much to ask for, at least the cost.
function M.want(lease, cost, most, now)
  if now - lease.taken < HURRY and lease.want > 0 then
    lease.want = lease.want * 2
  else
    lease.want = cost
  end
  lease.want = min(lease.want, max(cost, floor(most * PART / cost) * cost))
  return max(lease.want, cost)
end

--- What Redis gave: `asked` is when it was asked, so that a window never ends later here than there.
function M.put(lease, rule, amount, room, reset, asked)
  lease.left = lease.left + amount
  lease.room, lease.taken, lease.refused = room, asked, 0
  lease.resets = asked + reset
  lease.expires = asked + lease.life
  if rule.algorithm == "fixed-window" then lease.expires = min(lease.expires, lease.resets) end
end

--- Redis refused a cost; less than that may find room yet.
function M.refuse(lease, cost, room, reset, retry, asked)
  lease.room, lease.resets, lease.refused_cost = room, asked + reset, cost
  lease.refused, lease.retry = asked + min(retry, REFUSAL), asked + retry
end

--- Gives back what is left of a lease, where that still means the same window.
function Leases:give_rest(key, rule, lease, now)
  local left = lease.left
  lease.left = 0
  if left > 0 and (rule.algorithm ~= "fixed-window" or now < lease.resets - MARGIN) then
    self.give_back(key, rule, left)
  end
end

--- Gives back what is over; `all`: everything.
function Leases:sweep(all)
  local now = M.now()
  for rule, of_rule in pairs(self.rules) do
    for key, lease in pairs(of_rule) do
      if all or now >= lease.expires and not lease.asks then
        self:give_rest(key, rule, lease, now)
        if all or now >= lease.refused then
          of_rule[key] = nil
          self.count = self.count - 1
        end
      end
    end
    if next(of_rule) == nil then self.rules[rule] = nil end
  end
end

return M
