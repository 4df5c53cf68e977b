--- How often something may happen: rules (token bucket, leaky bucket, fixed and sliding windows) that are applied to
--- keys in a counter, exactly, for all workers together and over reloads. A plugin declares its counters in `init` and
--- makes its rules there, too. A counter has a bounded size: when it is full, the key that was not used for the longest
--- time is forgotten. (The plugin `rate-limiting` does this for requests without any code.)
---
---     local logins, rule
---
---     function M.init()
---       logins = limit.counter("logins", { size = "8m" })
---       rule = limit.rule { algorithm = "token-bucket", capacity = 5, refill_rate = 0.1 }
---     end
---
---     function M.access(conf, ctx)
---       local allowed, answer = logins:take(ctx.client:get_ip(), rule)
---       if not allowed then
---         ctx.response:set_header("retry-after", math.ceil(answer.retry_after))
---         return ctx.response:error(429, "too many logins from your address")
---       end
---     end
---
--- Time is that of a clock which only moves forward; calendar windows begin where UTC says, as it was when the process
--- started and as that clock went since. So setting the system's clock changes nothing.
local ffi = require("ffi")
local core = require("moongate.core")
local declaring = require("moongate.declaring")
local gates = require("moongate.limit.gates")
local rules = require("moongate.limit.rule")

local C = require("moongate.cdef")
local script, is_rule = core.script, rules.is_rule

local SIZE_DEFAULT = "32m"
local MOST = tonumber(C.GW_LIMIT_ASKS_MAX)

local M = {}

---@class moongate.limit.Rule
---@field algorithm string
---@field limit number  capacity, places in the queue, or how much a window
---@field rate? number  a second
---@field window? number|string  seconds, or "day", "week", "month", "year"
---@field align? string
---@field approximate? boolean
---@field name? string

-- For the length of one call, but for the answers: they stand until the next one.
local asks_of_c = ffi.new("struct gw_pdk_limit_ask[?]", MOST)
local answers_of_c = ffi.new("struct gw_pdk_limit_answer[?]", MOST)
local one = ffi.new("struct gw_pdk_limit_answer")
local stats = ffi.new("struct gw_zone_stats")
local answers = {} -- by how many there are
for count = 1, MOST do
  answers[count] = {}
  for i = 1, count do
    answers[count][i] = answers_of_c[i - 1]
  end
end

---@class moongate.limit.Answer
---@field limit number  what may pass at once
---@field remaining number  what of it is left
---@field reset number  seconds until all of it is there again; of a fixed window: until it ends
---@field retry_after number  seconds until the cost may pass; 0 when it may, math.huge: never

---@class moongate.limit.Counter
local Counter = {}
Counter.__index = Counter

-- Misuse is that of who called the method.
local function check(key, rule, cost, what)
  if type(key) ~= "string" then error(("counter:%s: the key must be a string"):format(what), 4) end
  if not is_rule(rule) then error(("counter:%s: the rule must be what limit.rule made"):format(what), 4) end
  if type(cost) ~= "number" or cost ~= cost then
    error(("counter:%s: the cost must be a number"):format(what), 4)
  end
end

local function enter(self, key, rule, cost, what)
  local limits = type(self) == "table" and self[1]
  if not limits then error(("counter:%s is a method: call it with a colon"):format(what), 3) end
  check(key, rule, cost, what)
  return limits
end

local function decide(self, take, key, rule, cost, what)
  if cost == nil then cost = 1 end
  local limits = enter(self, key, rule, cost, what)
  if cost < 0 then error(("counter:%s: the cost must be 0 or more"):format(what), 2) end
  return C.gw_pdk_limit_decide_one(script, limits, take, key, #key, rule[1], cost, one) == 1, one
end

local function fill(at, ask, what)
  if type(ask) ~= "table" then error(("counter:%s: each ask is { key, rule, cost }"):format(what), 3) end
  local key, rule, cost = ask[1], ask[2], ask[3]
  if cost == nil then cost = 1 end
  check(key, rule, cost, what)
  if cost < 0 then error(("counter:%s: the cost must be 0 or more"):format(what), 3) end
  local own = asks_of_c[at]
  own.key, own.len, own.rule, own.cost = key, #key, rule[1], cost
end

local function decide_all(self, take, asks, count, what)
  local limits = type(self) == "table" and self[1]
  if not limits then error(("counter:%s is a method: call it with a colon"):format(what), 2) end
  if type(asks) ~= "table" then error(("counter:%s: asks must be a list"):format(what), 2) end
  count = count or #asks
  if not (count >= 1 and count <= MOST) then
    error(("counter:%s: 1 to %d asks can be decided at once"):format(what, MOST), 2)
  end
  for i = 1, count do
    fill(i - 1, asks[i], what)
  end
  return C.gw_pdk_limit_decide(script, limits, take, asks_of_c, count, answers_of_c) == 1, answers[count]
end

--- Takes the cost where there is room for all of it, else nothing. The answer is used again: read it before the next
--- call.
---@phase any
---@param key string  who is counted
---@param rule moongate.limit.Rule
---@param cost? number  1 where nothing is said; may have fractions, down to a millionth
---@return boolean allowed
---@return moongate.limit.Answer answer
function Counter:take(key, rule, cost) return decide(self, 1, key, rule, cost, "take") end

--- Whether the cost could be taken now; takes nothing.
---@phase any
---@param key string
---@param rule moongate.limit.Rule
---@param cost? number
---@return boolean allowed
---@return moongate.limit.Answer answer
function Counter:look(key, rule, cost) return decide(self, 0, key, rule, cost, "look") end

--- Takes all of several costs or, when one of them finds no room, none. Lists and answers are used again: read them
--- before the next call.
---@phase any
---@param asks table[]  each { key, rule, cost }; at most 8
---@param count? integer  how many of the list; all where nothing is said
---@return boolean allowed
---@return moongate.limit.Answer[] answers  each with `allowed`: 1 when there is room under that rule, else 0
function Counter:take_all(asks, count) return decide_all(self, 1, asks, count, "take_all") end

--- Whether all of several costs could be taken now; takes nothing.
---@phase any
---@param asks table[]
---@param count? integer
---@return boolean allowed
---@return moongate.limit.Answer[] answers
function Counter:look_all(asks, count) return decide_all(self, 0, asks, count, "look_all") end

--- Takes more, whether there is room or not, or gives back what is below 0: for what turned out to cost more or less
--- than was taken. What is owed must come back before anything passes.
---@phase any
---@param key string
---@param rule moongate.limit.Rule
---@param delta number
---@return moongate.limit.Answer answer
function Counter:adjust(key, rule, delta)
  local limits = enter(self, key, rule, delta, "adjust")
  C.gw_pdk_limit_adjust(script, limits, key, #key, rule[1], delta, one)
  return one
end

--- Forgets what was counted of a key under a rule.
---@phase any
---@param key string
---@param rule moongate.limit.Rule
function Counter:forget(key, rule)
  local limits = enter(self, key, rule, 0, "forget")
  C.gw_pdk_limit_forget(limits, key, #key, rule[1])
end

--- Whether a rule can be exact in a counter of this size: the log of a sliding window takes room.
---@phase any
---@param rule moongate.limit.Rule
---@return boolean? fits
---@return string? reason
function Counter:fits(rule)
  local limits = enter(self, "", rule, 0, "fits")
  local most = C.gw_pdk_limit_log_max(limits)
  if rule[1].log_max <= most then return true end
  local reason = "a sliding window of %g has no room in this counter (at most %g): give it a larger size, or set"
  return nil, reason:format(rule.limit, most) .. " approximate: true"
end

--- Waits until it is this one's turn: of a key the requests of all workers leave one after the other, as the
--- `drain_rate` of a leaky bucket says (times their cost), and so many wait as its `queue_size` says. Who leaves early
--- lets the later ones move up. Whatever the counter's store, it is this process that waits.
---@phase rewrite, access, response
---@param key string
---@param rule moongate.limit.Rule  a leaky bucket
---@param cost? number  1 where nothing is said
---@return boolean passed  false: nobody else may wait
---@return moongate.limit.Answer answer  of the queue: its places and those that are left; `waited` has seconds
---@return string? reason  "full", or "crowded" when there are too many keys
function Counter:queue(key, rule, cost)
  if cost == nil then cost = 1 end
  enter(self, key, rule, cost, "queue")
  if rule.algorithm ~= "leaky-bucket" then error("counter:queue: the rule must be a leaky bucket", 2) end
  return gates.queue(self[2], key, rule, cost)
end

--- Takes one of `limit` places that a key has, over all workers, until this request ends, however it does. Where there
--- is none, and may be some wait, it waits for one, first come first served.
---@phase rewrite, access, response
---@param key string
---@param limit integer
---@param queue_size? integer    how many may wait; 0 where nothing is said
---@param queue_timeout? number  seconds; as long as the request may take, where nothing is said
---@return boolean held
---@return moongate.limit.Answer answer  of the places
---@return string? reason  "full", "timeout", or "crowded" when there are too many keys
function Counter:hold(key, limit, queue_size, queue_timeout)
  local own = type(self) == "table" and self[2]
  if not own then error("counter:hold is a method: call it with a colon", 2) end
  return gates.hold(own, key, limit, queue_size or 0, queue_timeout or 0)
end

--- How many wait and hold something, of all keys.
---@phase any
---@return { waiting: integer, active: integer, keys: integer, passed: integer, refused: integer, left: integer }
function Counter:crowd()
  local own = type(self) == "table" and self[2]
  if not own then error("counter:crowd is a method: call it with a colon", 2) end
  return gates.stats(own)
end

--- How full it is.
---@phase any
---@return { bytes: integer, size: integer, entries: integer, evicted: integer }  evicted: left before their time
function Counter:stats()
  local limits = type(self) == "table" and self[1] or error("counter:stats is a method: call it with a colon", 2)
  C.gw_pdk_limit_stats(limits, stats)
  return {
    bytes = tonumber(stats.bytes),
    size = tonumber(stats.max_bytes),
    entries = tonumber(stats.entries),
    evicted = tonumber(stats.evicted),
  }
end

--- A rule, to apply to any number of keys in any counter. It is checked here: make it in `init`, not for each request.
--- `token-bucket` has `capacity` and `refill_rate` (a second); `leaky-bucket` has `queue_size` and `drain_rate` (a
--- second) and lets one more pass than the queue has places; the windows have `limit` and `window` (seconds, or
--- "second", "minute", "hour"; a fixed window also "day", "week" (from Monday on), "month", "year"). A fixed window
--- begins at multiples of its length (`align = "clock"`) or with what passes first (`"first"`). A sliding window
--- remembers everything that passed, up to a limit of 5000; `approximate = true` estimates it from two counters
--- instead. Rules with the same algorithm and window count a key together, whatever their limit, unless `name` tells
--- them apart.
---@phase any
---@param options table
---@return moongate.limit.Rule
function M.rule(options) return rules.make(options, "limit.rule") end

-- A counter in the memory of the process: a zone of cells.
local function open(zone, options, what)
  local bytes = declaring.size(options.size or SIZE_DEFAULT, what, 4)
  local other_kind = ffi.new("const char *[1]")
  local configured = core.zones[zone]
  core.declared_zones[zone] = true
  local limits = C.gw_pdk_limit_table(script, zone, #zone, configured and configured.size or bytes, other_kind)
  if limits == nil then error(("%s: %q: %s"):format(what, zone, declaring.no_zone(other_kind)), 3) end
  return setmetatable({ limits, gates.open(zone, what) }, Counter)
end

--- For other stores: a counter in memory, and whether something is a rule.
M.open, M.is_rule = open, is_rule

-- Where counters can be. Each but the first is a module lua/moongate/limit/STORE.lua: OPTIONS, the set of options that
-- its counters know, and open(zone, options, what), which returns a table with the methods of a counter.
local STORES = { ["local"] = true, redis = true, file = true }
local LOCAL = { OPTIONS = { store = true, size = true, shared = true }, open = open }

-- Of this worker, by the zone's name: { counter, options }.
local declared = {}

local function same(a, b)
  for key, value in pairs(a) do
    if b[key] ~= nil and b[key] ~= value then return false end
  end
  return true
end

local function store_of(name, what)
  if not STORES[name] then error(("%s: there is no store %q"):format(what, tostring(name)), 3) end
  return name == "local" and LOCAL or require("moongate.limit." .. name)
end

--- Declares a counter of this plugin. In `init` only. `size` is what it may have (32m where nothing is said; the
--- configuration may give it another one under `zones`). With `shared = true` the name belongs to everybody: whoever
--- declares it so counts in the same one, and in `zones` it is `limit/NAME`. `store` says where it is kept.
---@phase init
---@param name string  letters, digits and _
---@param options? table  `size`, `shared`, `store`, and what the store knows
---@return moongate.limit.Counter
function M.counter(name, options)
  local what = "limit.counter"
  local plugin = declaring.plugin(what)
  declaring.name(name, what, "^[%w_]+$", 64)
  local store = store_of(type(options) == "table" and options.store or "local", what)
  options = declaring.options(options, store.OPTIONS, what)
  if options.shared and not core.declaring_trusted then
    error(("%s: %q: a plugin that is not trusted has counters of its own alone"):format(what, name), 2)
  end
  local zone = ("%s/%s"):format(options.shared and "limit" or plugin, name)
  local known = declared[zone]
  if known and not (same(options, known.options) and same(known.options, options)) then
    error(("%s: %q is declared with other options already"):format(what, name), 2)
  elseif known then
    return known.counter
  end
  declared[zone] = { counter = declaring.keep(store.open(zone, options, what)), options = options }
  return declared[zone].counter
end

return M
