--- Counters that outlive the process (`store = "file"`): fixed windows, decided in memory for all workers together and
--- written to the file that `quotas.file` names, every `quotas.flush_interval`. A key that is in the file alone is
--- read first, and the request waits for it. When that does not work, `on_failure` says what happens: "open" lets the
--- request pass, "closed" refuses it.
local ffi = require("ffi")
local core = require("moongate.core")
local rules = require("moongate.limit.rule")

local C = require("moongate.cdef")
local script, is_rule = core.script, rules.is_rule

local MOST = tonumber(C.GW_LIMIT_ASKS_MAX)
local PASS, UNKNOWN = tonumber(C.GW_QUOTAS_PASS), tonumber(C.GW_QUOTAS_UNKNOWN)
local TRIES = 5 -- what was loaded may have had to leave again

local M = {}

M.OPTIONS = { store = true, size = true, shared = true, on_failure = true }

---@class moongate.limit.file.Counter
local Counter = {}
Counter.__index = Counter

-- For the length of one call, but for the answers: they stand until the next one that does not wait.
local asks_of_c = ffi.new("struct gw_pdk_limit_ask[?]", MOST)
local answers_of_c = ffi.new("struct gw_pdk_limit_answer[?]", MOST)
local stats = ffi.new("struct gw_zone_stats")
local answers = {} -- by how many there are
for count = 1, MOST do
  answers[count] = {}
  for i = 1, count do
    answers[count][i] = answers_of_c[i - 1]
  end
end

local function check(key, rule, cost, what, least)
  if type(key) ~= "string" then error(("counter:%s: the key must be a string"):format(what), 4) end
  if not is_rule(rule) then error(("counter:%s: the rule must be what limit.rule made"):format(what), 4) end
  if rule.algorithm ~= "fixed-window" then
    error(("counter:%s: a file counts fixed windows alone, not a %s"):format(what, rule.algorithm), 4)
  end
  if type(cost) ~= "number" or cost ~= cost or cost < least then
    error(("counter:%s: the cost must be a number, 0 or more"):format(what), 4)
  end
end

local function put(at, key, rule, cost)
  local own = asks_of_c[at]
  own.key, own.len, own.rule, own.cost = key, #key, rule[1], cost
end

local function fill(asks, count, what)
  for i = 1, count do
    local ask = asks[i]
    if type(ask) ~= "table" then error(("counter:%s: each ask is { key, rule, cost }"):format(what), 3) end
    local cost = ask[3] == nil and 1 or ask[3]
    check(ask[1], ask[2], cost, what, 0)
    put(i - 1, ask[1], ask[2], cost)
  end
end

-- Nobody knows what was used.
local function without(self, copies, count)
  local passes = self.on_failure == "open"
  for i = 1, count do
    local answer, limit = answers_of_c[i - 1], copies[i][2].limit
    answer.limit, answer.remaining, answer.reset = limit, passes and limit or 0, 0
    answer.retry_after, answer.allowed = passes and 0 or 1, passes and 1 or 0
  end
  return passes, answers[count], not passes and "unavailable" or nil
end

-- The caller's list may serve another request while this one waits.
local function copy_of(asks, count)
  local copies, loads = {}, {}
  for i = 1, count do
    copies[i] = { asks[i][1], asks[i][2], asks[i][3] }
    loads[2 * i - 1], loads[2 * i] = asks[i][1], asks[i][2][1]
  end
  return copies, loads
end

local function load_and_decide(self, mode, asks, count, what)
  local copies, loads = copy_of(asks, count)
  for _ = 1, TRIES do
    if not core.quota_load(self.id, unpack(loads, 1, 2 * count)) then break end
    fill(copies, count, what)
    local outcome = C.gw_pdk_quota_decide(script, self.id, mode, asks_of_c, count, answers_of_c)
    if outcome ~= UNKNOWN then return outcome == PASS, answers[count] end
  end
  return without(self, copies, count)
end

local function decide_all(self, mode, asks, count, what)
  if type(self) ~= "table" or not self.id then
    error(("counter:%s is a method: call it with a colon"):format(what), 2)
  end
  if type(asks) ~= "table" then error(("counter:%s: asks must be a list"):format(what), 2) end
  count = count or #asks
  if not (count >= 1 and count <= MOST) then
    error(("counter:%s: 1 to %d asks can be decided at once"):format(what, MOST), 2)
  end
  fill(asks, count, what)
  local outcome = C.gw_pdk_quota_decide(script, self.id, mode, asks_of_c, count, answers_of_c)
  if outcome ~= UNKNOWN then return outcome == PASS, answers[count] end
  return load_and_decide(self, mode, asks, count, what)
end

local function decide(self, mode, key, rule, cost, what)
  if type(self) ~= "table" or not self.id then
    error(("counter:%s is a method: call it with a colon"):format(what), 2)
  end
  if cost == nil then cost = 1 end
  check(key, rule, cost, what, 0)
  put(0, key, rule, cost)
  local outcome = C.gw_pdk_quota_decide(script, self.id, mode, asks_of_c, 1, answers_of_c)
  if outcome ~= UNKNOWN then return outcome == PASS, answers_of_c[0] end
  local allowed, list, reason = load_and_decide(self, mode, { { key, rule, cost } }, 1, what)
  return allowed, list[1], reason
end

function Counter:take(key, rule, cost) return decide(self, 1, key, rule, cost, "take") end

function Counter:look(key, rule, cost) return decide(self, 0, key, rule, cost, "look") end

function Counter:take_all(asks, count) return decide_all(self, 1, asks, count, "take_all") end

function Counter:look_all(asks, count) return decide_all(self, 0, asks, count, "look_all") end

--- Never waits: what the file says of the key is added when the change is written.
function Counter:adjust(key, rule, delta)
  check(key, rule, delta, "adjust", -math.huge)
  put(0, key, rule, delta)
  C.gw_pdk_quota_adjust(script, self.id, asks_of_c, answers_of_c)
  return answers_of_c[0]
end

--- Whether a rule can be exact here: every fixed window is.
function Counter:fits(rule)
  if rule.algorithm == "fixed-window" then return true end
  return nil, "a file counts fixed windows alone"
end

--- How full the memory of all quotas is.
function Counter:stats() -- luacheck: ignore 212
  C.gw_pdk_quota_stats(script, stats)
  return {
    bytes = tonumber(stats.bytes),
    size = tonumber(stats.max_bytes),
    entries = tonumber(stats.entries),
    evicted = tonumber(stats.evicted),
  }
end

--- For lua/moongate/limit.lua.
function M.open(zone, options, what)
  if not core.quotas and not core.harness then
    error(('%s: %q: a counter with store = "file" needs quotas.file in the configuration'):format(what, zone), 3)
  end
  local on_failure = options.on_failure or "closed"
  if on_failure ~= "open" and on_failure ~= "closed" then
    error(("%s: %q: on_failure of a file is open or closed"):format(what, zone), 3)
  end
  return setmetatable({ id = C.gw_pdk_quota_counter(zone, #zone), on_failure = on_failure }, Counter)
end

return M
