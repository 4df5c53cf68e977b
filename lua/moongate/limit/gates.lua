--- What waits under a key: queues that let one through after the other, and holds. They are apart from what a counter
--- counts, in a table of their own (core/policy/gates.h), and of this process alone, wherever the counter is kept.
local ffi = require("ffi")
local check = require("moongate.pdk.check")
local core = require("moongate.core")
local declaring = require("moongate.declaring")

local C = require("moongate.cdef")
local script, gate_wait = core.script, core.gate_wait
local max = math.max

local PASSED, WAITS = tonumber(C.GW_PDK_GATE_PASSED), tonumber(C.GW_PDK_GATE_WAITS)
local NOT_HERE = tonumber(C.GW_PDK_GATE_NOT_HERE)
local REASONS = {
  [tonumber(C.GW_PDK_GATE_FULL)] = "full",
  [tonumber(C.GW_PDK_GATE_CROWDED)] = "crowded",
  [tonumber(C.GW_PDK_GATE_LATE)] = "timeout",
}

local SIZE_DEFAULT = 16 * 1024 * 1024
local MOST = 1e6 -- places, and how many may wait
local COST_MOST = 1e9

local M = {
  opened = {}, -- by zone, for specs
}

local asked = ffi.new("struct gw_pdk_gate_answer") -- for the length of one call
local stats = ffi.new("struct gw_pdk_gates_stats")

-- What callers get; it is used again.
local answer = { limit = 0, remaining = 0, reset = 0, retry_after = 0, waited = 0 }

local function tell(limit, remaining, reset, retry_after, waited)
  answer.limit, answer.remaining, answer.reset = limit, remaining, reset
  answer.retry_after, answer.waited = retry_after, waited
end

local function check_key(key, what)
  if type(key) ~= "string" then error(("counter:%s: the key must be a string"):format(what), 4) end
end

local function number(value, least, what, name)
  if type(value) ~= "number" or not (value >= least and value <= MOST) then
    error(("counter:%s: %s must be a number from %d to %d"):format(what, name, least, MOST), 4)
  end
  return value
end

local function refuse_here(what)
  error(("counter:%s: nothing can wait here, or nobody would give it back"):format(what), 4)
end

--- Waits in the queue of a key.
---@param gates table   what M.open gave
---@param key string
---@param rule table  of moongate.limit: a leaky bucket
---@param cost number
---@return boolean passed
---@return table answer
---@return string? reason
function M.queue(gates, key, rule, cost)
  check_key(key, "queue")
  if not (cost >= 0 and cost <= COST_MOST) then
    error(("counter:queue: the cost must be a number from 0 to %d"):format(COST_MOST), 3)
  end
  local rate, size = rule.rate, rule.limit
  if size > MOST then size = MOST end
  local code = C.gw_pdk_gate_queue(script, gates, rule[1], key, #key, rate, size, cost, asked)
  local wait, waiting = asked.wait, asked.waiting
  if code == PASSED then
    tell(size, size, cost / rate, 0, 0)
    return true, answer
  elseif code == WAITS then
    gate_wait(0)
    tell(size, max(size - waiting, 0), wait, 0, wait)
    return true, answer
  elseif code == NOT_HERE then
    refuse_here("queue")
  end
  tell(size, 0, wait + waiting / rate, wait, 0)
  return false, answer, REASONS[code]
end

--- Takes one of so many places of a key until the request ends.
---@param gates table
---@param key string
---@param limit number
---@param size number     how many may wait for one
---@param timeout number  seconds; 0: as long as the request may take
---@return boolean passed
---@return table answer
---@return string? reason
function M.hold(gates, key, limit, size, timeout)
  check_key(key, "hold")
  number(limit, 1, "hold", "the limit")
  number(size, 0, "hold", "queue_size")
  number(timeout, 0, "hold", "queue_timeout")
  local code = C.gw_pdk_gate_hold(script, gates, key, #key, limit, size, asked)
  local active, waited = asked.active, 0
  if code == WAITS then
    local start = C.gw_pdk_monotonic(script)
    code = gate_wait(timeout)
    active, waited = limit, max(C.gw_pdk_monotonic(script) - start, 1e-6)
  end
  if code == PASSED then
    tell(limit, max(limit - active, 0), 0, 0, waited)
    return true, answer
  elseif code == NOT_HERE then
    refuse_here("hold")
  end
  tell(limit, 0, 0, 1, waited)
  return false, answer, REASONS[code]
end

--- A pace that all requests of a key share: of a request's body (ctx.request, 0) or a response's (ctx.response, 1).
---@param part table
---@param direction integer
---@param rate number   bytes a second
---@param burst number  bytes
---@param gates table
---@param key string
---@return boolean  false: there are too many keys
function M.pace(part, direction, rate, burst, gates, key)
  local h = check.enter(part, "limit_rate", check.BEFORE)
  return C.gw_pdk_pace(h, direction, rate, burst, gates, key, #key) == 1
end

--- How many wait and are held, of all keys.
---@param gates table
---@return table
function M.stats(gates)
  C.gw_pdk_gates_stats(gates, stats)
  return {
    waiting = tonumber(stats.waiting),
    active = tonumber(stats.active),
    keys = tonumber(stats.keys),
    passed = tonumber(stats.passed),
    refused = tonumber(stats.refused),
    left = tonumber(stats.left),
  }
end

--- The gates of a counter, in `init`.
---@param zone string  the counter's
---@param what string  for messages
---@return table
function M.open(zone, what)
  local name = zone .. ":gates"
  local other_kind = ffi.new("const char *[1]")
  local gates = C.gw_pdk_gates(script, name, #name, SIZE_DEFAULT, other_kind)
  if gates == nil then error(("%s: %q: %s"):format(what, name, declaring.no_zone(other_kind)), 3) end
  M.opened[zone] = gates
  return gates
end

return M
