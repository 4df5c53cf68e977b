--- Counters in Redis, which several gateways share (`store = "redis"`). With `sync = "strict"` every decision is one
--- script there, in its time: exact, for one round trip. With "leased" a gateway takes slices of the budget and decides
--- by itself (lua/moongate/limit/leases.lua). When Redis does not answer within `timeout`, `on_failure` says what
--- happens: "open" lets everybody pass, "closed" nobody, and with "local" this process counts alone until it is back.
local bit = require("bit")
local core = require("moongate.core")
local crypto = require("moongate.crypto")
local declaring = require("moongate.declaring")
local leases_module = require("moongate.limit.leases")
local metrics = require("moongate.metrics")
local redis = require("moongate.redis")
local rules = require("moongate.limit.rule")
local script_text = require("moongate.limit.redis_script")
local task = require("moongate.task")
local time = require("moongate.time")

local C = require("moongate.cdef")
local is_rule = rules.is_rule
local floor, huge, max = math.floor, math.huge, math.max
local want, put, refuse, clock = leases_module.want, leases_module.put, leases_module.refuse, leases_module.now

local MOST = tonumber(C.GW_LIMIT_ASKS_MAX)
local LEAKY, SLIDING = tonumber(C.GW_LIMIT_LEAKY_BUCKET), tonumber(C.GW_LIMIT_SLIDING_WINDOW)
local MICRO, AMOUNT_MAX = 1e6, 1e18
local TIMEOUT = 0.02
local SWEEP_EVERY = 0.5
local TELL_EVERY = 10 -- seconds between two lines of the log
local WARN = 3

local M = {}

M.OPTIONS = {
  store = true,
  size = true,
  shared = true,
  redis = true,
  sync = true,
  on_failure = true,
  timeout = true,
  prefix = true,
}

---@class moongate.limit.redis.Counter
local Counter = {}
Counter.__index = Counter

-- ── what a rule is in the script ─────────────────────────────────────────────

local known = setmetatable({}, { __mode = "k" }) -- by rule

local function terms_of(rule)
  local terms = known[rule]
  if terms then return terms end
  local own = rule[1]
  local most = tonumber(own.limit_micro)
  if own.algorithm == LEAKY then most = most + MICRO end
  terms = {
    id = bit.tohex(own.id, 16),
    algorithm = own.algorithm,
    align = own.align,
    most = most,
    rate = own.algorithm == SLIDING and tonumber(own.log_max) or tonumber(own.rate_micro),
    window = tonumber(own.window_us),
    is_sliding = rule.algorithm == "sliding-window",
  }
  known[rule] = terms
  return terms
end

-- Whoever reads the keys in Redis shall not find those of clients there.
local function place_of(self, key, terms)
  return ("%s:%s:%s"):format(self.prefix, terms.id, crypto.hex_encode(crypto.sha256(key):sub(1, 16)))
end

local function micro_of(cost)
  local micro = floor(cost * MICRO + 0.5)
  return micro < AMOUNT_MAX and micro or AMOUNT_MAX
end

local function check(key, rule, cost, what, least)
  if type(key) ~= "string" then error(("counter:%s: the key must be a string"):format(what), 4) end
  if not is_rule(rule) then error(("counter:%s: the rule must be what limit.rule made"):format(what), 4) end
  if type(cost) ~= "number" or cost ~= cost or cost < least then
    error(("counter:%s: the cost must be a number, 0 or more"):format(what), 4)
  end
end

-- KEYS and ARGV of a list of asks, after which nothing of the caller's is read any more.
local function compose(self, mode, asks, count, what)
  local keys, args = {}, { mode }
  for i = 1, count do
    local ask = asks[i]
    if type(ask) ~= "table" then error(("counter:%s: each ask is { key, rule, cost }"):format(what), 3) end
    local key, rule, cost = ask[1], ask[2], ask[3] == nil and 1 or ask[3]
    check(key, rule, cost, what, mode == "adjust" and -huge or 0)
    local terms, at = terms_of(rule), 2 + (i - 1) * 7
    keys[i] = place_of(self, key, terms)
    args[at], args[at + 1], args[at + 2] = terms.algorithm, terms.align, terms.most
    args[at + 3], args[at + 4], args[at + 5] = terms.rate, terms.window, micro_of(cost)
    args[at + 6] = 0
  end
  return keys, args
end

-- ── answers ──────────────────────────────────────────────────────────────────

-- They stand until the next call that does not wait, so whoever waited may read them.
local answers = {}
for count = 1, MOST do
  answers[count] = {}
  for i = 1, count do
    answers[count][i] = { limit = 0, remaining = 0, reset = 0, retry_after = 0, allowed = 0 }
  end
end

-- Who answers there need not be Redis.
local function is_reply(reply, count)
  if type(reply) ~= "table" then return false end
  for i = 1, 1 + 5 * count do
    if type(reply[i]) ~= "number" then return false end
  end
  return true
end

local function limit_of(rule) return terms_of(rule).most / MICRO end

local function take_answers(limits, reply)
  local count = #limits
  local list, all = answers[count], true
  for i = 1, count do
    local answer, at = list[i], 2 + (i - 1) * 5
    local room, retry = reply[at + 1], reply[at + 3]
    answer.allowed, answer.limit = reply[at], limits[i]
    answer.remaining = room > 0 and room / MICRO or 0
    answer.reset = reply[at + 2] / 1e6
    answer.retry_after = retry < 0 and huge or retry / 1e6
    all = all and reply[at] == 1
  end
  return all, list
end

-- ── without Redis ────────────────────────────────────────────────────────────

local function tell(self, reason)
  self.failures:add(1, reason)
  local now = time.monotonic()
  if self.told and now - self.told < TELL_EVERY then return end
  self.told = now
  local text = ("limits of %s are decided without Redis (on_failure: %s): %s"):format(
    self.zone,
    self.on_failure,
    reason
  )
  C.gw_pdk_log(core.script, nil, WARN, text, #text)
end

local function without(self, limits, copies, take)
  if self.on_failure == "local" then
    if take then return self.alone:take_all(copies) end
    return self.alone:look_all(copies)
  end
  local passes = self.on_failure == "open"
  local list = answers[#limits]
  for i = 1, #limits do
    local answer = list[i]
    answer.allowed, answer.limit = passes and 1 or 0, limits[i]
    answer.remaining = passes and limits[i] or 0
    answer.reset, answer.retry_after = passes and 0 or 1, passes and 0 or 1
  end
  return passes, list, not passes and "unavailable" or nil
end

local OURS = {}
for _, reason in ipairs(redis.REASONS) do
  OURS[reason] = true
end

-- What a server says is neither for a label nor for the log: it may repeat a password.
local function why(reason)
  if not reason then return "it answered with something else" end
  return OURS[reason] and reason or "it answered with an error"
end

local function decide(self, mode, asks, count, what)
  if type(self) ~= "table" or not self.redis then
    error(("counter:%s is a method: call it with a colon"):format(what), 3)
  end
  count = count or #asks
  if not (count >= 1 and count <= MOST) then
    error(("counter:%s: 1 to %d asks can be decided at once"):format(what, MOST), 3)
  end
  local keys, args = compose(self, mode, asks, count, what)
  local limits, copies = {}, self.alone and {}
  for i = 1, count do
    limits[i] = limit_of(asks[i][2])
    if copies then copies[i] = { asks[i][1], asks[i][2], asks[i][3] } end
  end
  local reply, reason = self.redis:run(self.script, keys, unpack(args))
  self.is_alone = not is_reply(reply, count)
  if self.is_alone then
    tell(self, why(reason))
    return without(self, limits, copies, mode == "take")
  end
  return take_answers(limits, reply)
end

-- ── the methods of a counter ─────────────────────────────────────────────────

function Counter:take(key, rule, cost)
  local all, list, reason = decide(self, "take", { { key, rule, cost } }, 1, "take")
  return all, list[1], reason
end

function Counter:look(key, rule, cost)
  local all, list, reason = decide(self, "look", { { key, rule, cost } }, 1, "look")
  return all, list[1], reason
end

function Counter:take_all(asks, count) return decide(self, "take", asks, count, "take_all") end

function Counter:look_all(asks, count) return decide(self, "look", asks, count, "look_all") end

local function adjust_there(self, key, rule, delta)
  local keys, args = compose(self, "adjust", { { key, rule, delta } }, 1, "adjust")
  self.redis:post("EVAL", self.script.text, 1, keys[1], unpack(args))
end

--- Is sent and not waited for: also where nothing may wait. There is no answer. It goes to where decisions are made at
--- the moment, which is where the last of them was charged.
function Counter:adjust(key, rule, delta)
  if not (self.alone and self.is_alone) then return adjust_there(self, key, rule, delta) end
  self.alone:adjust(key, rule, delta)
end

function Counter:forget(key, rule)
  check(key, rule, 0, "forget", 0)
  local place = place_of(self, key, terms_of(rule))
  self.redis:post("DEL", place, place .. ":log")
end

function Counter:fits(rule)
  if is_rule(rule) then return true end
  error("counter:fits: the rule must be what limit.rule made", 2)
end

-- What waits, waits in this process.
function Counter:queue(...) return self.near:queue(...) end
function Counter:hold(...) return self.near:hold(...) end
function Counter:crowd() return self.near:crowd() end

--- Of what this process keeps beside Redis.
function Counter:stats() return self.near:stats() end

-- ── leased ───────────────────────────────────────────────────────────────────

---@class moongate.limit.redis.Leased
local Leased = setmetatable({}, { __index = Counter })
Leased.__index = Leased

local function tell_lease(answer, lease, most, now, allowed)
  answer.allowed, answer.limit = allowed and 1 or 0, most
  answer.remaining = max(lease.room, 0) + lease.left
  answer.reset = max(lease.resets - now, 0)
  answer.retry_after = allowed and 0 or max(lease.retry - now, 0)
end

-- What the script is told of the asks whose leases have not enough.
local function compose_loan(self, asks, leases, count, now)
  local wanting, keys, args = {}, {}, { "lease" }
  for i = 1, count do
    local lease, cost = leases[i], asks[i][3]
    if now >= lease.expires or lease.left < cost then
      local own = #wanting + 1
      local terms, at = terms_of(asks[i][2]), 2 + (own - 1) * 7
      wanting[own] = i
      if now >= lease.expires then self.leases:give_rest(asks[i][1], asks[i][2], lease, now) end
      keys[own] = place_of(self, asks[i][1], terms)
      args[at], args[at + 1], args[at + 2] = terms.algorithm, terms.align, terms.most
      args[at + 3], args[at + 4], args[at + 5] = terms.rate, terms.window, micro_of(cost)
      args[at + 6] = micro_of(cost > 0 and want(lease, cost, terms.most / MICRO, now) or 0)
    end
  end
  return wanting, keys, args
end

local function take_loan(asks, leases, wanting, reply, now)
  local all = true
  for own = 1, #wanting do
    all = all and reply[2 + (own - 1) * 5] == 1
  end
  for own, i in ipairs(wanting) do
    local at, rule = 2 + (own - 1) * 5, asks[i][2]
    local room, reset, retry = reply[at + 1] / MICRO, reply[at + 2] / 1e6, reply[at + 3]
    if all then
      put(leases[i], rule, reply[at + 4] / MICRO, room, reset, now)
    elseif reply[at] == 0 then
      refuse(leases[i], asks[i][3], room, reset, retry < 0 and huge or retry / 1e6, now)
    end
  end
  return all
end

-- Takes slices where they are needed, all or none. nil and a reason: Redis did not say.
local function borrow(self, asks, leases, count, now)
  local wanting, keys, args = compose_loan(self, asks, leases, count, now)
  if #wanting == 0 then return true end
  for _, i in ipairs(wanting) do
    leases[i].asks = true
  end
  local reply, reason = self.redis:run(self.script, keys, unpack(args))
  for _, i in ipairs(wanting) do
    leases[i].asks = nil
  end
  self.is_alone = not is_reply(reply, #wanting)
  if self.is_alone then return nil, why(reason) end
  return take_loan(asks, leases, wanting, reply, now)
end

-- Of the caller's list nothing is read after a wait.
local function copy(asks, count)
  local own = {}
  for i = 1, count do
    local ask = asks[i]
    own[i] = { ask[1], ask[2], ask[3] == nil and 1 or ask[3] }
    check(own[i][1], own[i][2], own[i][3], "take_all", 0)
  end
  return own
end

-- The leases of the asks; nil: they have to be decided in Redis, by themselves.
local function leases_of(self, asks, count)
  local list = {}
  for i = 1, count do
    local lease = not self.ends and self.leases:find(asks[i][1], asks[i][2], terms_of(asks[i][2]))
    if not lease or lease.asks then return nil end
    for before = 1, i - 1 do
      if list[before] == lease then return nil end
    end
    list[i] = lease
  end
  return list
end

-- Why not is remembered by one of the leases.
local function is_refused(asks, leases, count, now)
  for i = 1, count do
    if now < leases[i].refused and asks[i][3] >= leases[i].refused_cost then return true end
  end
  return false
end

-- Of the leases that have enough each one is used, or none.
local function use(asks, leases, count, good)
  local now, list = clock(), answers[count]
  for i = 1, count do
    local lease = leases[i]
    if good then lease.left = lease.left - asks[i][3] end
    tell_lease(list[i], lease, limit_of(asks[i][2]), now, good or now >= lease.refused)
  end
  return good, list
end

local function without_redis(self, asks, count, reason)
  local limits = {}
  for i = 1, count do
    limits[i] = limit_of(asks[i][2])
  end
  tell(self, reason)
  return without(self, limits, asks, true)
end

local function take_leased(self, asks, count)
  local leases = leases_of(self, asks, count)
  if not leases then return decide(self, "take", asks, count, "take_all") end
  local now = clock()
  if is_refused(asks, leases, count, now) then return use(asks, leases, count, false) end
  local good, reason = borrow(self, asks, leases, count, now)
  if good == nil then return without_redis(self, asks, count, reason) end
  if good then
    for i = 1, count do -- while it waited others used what it had found
      if leases[i].left < asks[i][3] then return decide(self, "take", asks, count, "take_all") end
    end
  end
  return use(asks, leases, count, good)
end

function Leased:take_all(asks, count)
  count = count or #asks
  if not (count >= 1 and count <= MOST) then
    error(("counter:take_all: 1 to %d asks can be decided at once"):format(MOST), 2)
  end
  return take_leased(self, copy(asks, count), count)
end

function Leased:take(key, rule, cost)
  if cost == nil then cost = 1 end
  local of_rule = self.leases.rules[rule]
  local lease = of_rule and of_rule[key]
  if lease and cost >= 0 and lease.left >= cost then -- what most requests find
    local now = clock()
    if now < lease.expires then
      local answer = answers[1][1]
      lease.left = lease.left - cost
      tell_lease(answer, lease, known[rule].most / MICRO, now, true)
      return true, answer
    end
  end
  check(key, rule, cost, "take", 0)
  local all, list, reason = take_leased(self, { { key, rule, cost } }, 1)
  return all, list[1], reason
end

function Leased:forget(key, rule)
  local of_rule = self.leases.rules[rule]
  if of_rule and of_rule[key] then of_rule[key].left = 0 end
  return Counter.forget(self, key, rule)
end

-- Makes a counter lend: what nobody uses is given back every half a second, and all of it when the generation ends.
local function lend(counter)
  counter.leases = leases_module.new(function(key, rule, amount) adjust_there(counter, key, rule, -amount) end)
  task.every(SWEEP_EVERY, function() counter.leases:sweep(false) end, { worker = "each" })
  core.retiring[#core.retiring + 1] = function()
    counter.ends = true
    counter.leases:sweep(true)
  end
  setmetatable(counter, Leased)
end

local SYNCS, FAILURES = { strict = true, leased = true }, { open = true, closed = true, ["local"] = true }

local function choose(options, name, map, default, what)
  local value = options[name] == nil and default or options[name]
  if not map[value] then error(("%s: %s cannot be %q"):format(what, name, tostring(value)), 4) end
  return value
end

-- One for all counters of a plugin.
local failures = {}

local function failures_of(plugin)
  failures[plugin] = failures[plugin]
    or metrics.counter {
      name = "limits_without_redis",
      about = "Decisions that were made without Redis, by what kept it from answering.",
      labels = { "reason" },
    }
  return failures[plugin]
end

--- Opens a counter; called by limit.counter.
function M.open(zone, options, what)
  local timeout = options.timeout or TIMEOUT
  if type(timeout) ~= "number" or not (timeout > 0 and timeout <= 600) then
    error(("%s: timeout must be seconds, up to 600"):format(what), 3)
  end
  if options.redis == nil then error(("%s: say which Redis: redis = NAME"):format(what), 3) end
  local near = require("moongate.limit").open(zone, { size = options.size }, what)
  local counter = setmetatable({
    zone = zone,
    prefix = "moongate:limit:" .. (options.prefix or zone),
    redis = redis.connect(options.redis):with { timeout = timeout },
    script = redis.script(script_text),
    on_failure = choose(options, "on_failure", FAILURES, "open", what),
    near = near,
    failures = failures_of(declaring.plugin(what)),
  }, Counter)
  if counter.on_failure == "local" then counter.alone = near end
  if choose(options, "sync", SYNCS, "strict", what) == "leased" then lend(counter) end
  return counter
end

return M
