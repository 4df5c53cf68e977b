---@meta moongate.limit
-- Written by ./dev docs from the sources. Do not change it here.

---How often something may happen: rules (token bucket, leaky bucket, fixed and sliding windows) that are applied to
---keys in a counter, exactly, for all workers together and over reloads. A plugin declares its counters in `init` and
---makes its rules there, too. A counter has a bounded size: when it is full, the key that was not used for the longest
---time is forgotten. (The plugin `rate-limiting` does this for requests without any code.)
---
---    local logins, rule
---
---    function M.init()
---      logins = limit.counter("logins", { size = "8m" })
---      rule = limit.rule { algorithm = "token-bucket", capacity = 5, refill_rate = 0.1 }
---    end
---
---    function M.access(conf, ctx)
---      local allowed, answer = logins:take(ctx.client:get_ip(), rule)
---      if not allowed then
---        ctx.response:set_header("retry-after", math.ceil(answer.retry_after))
---        return ctx.response:error(429, "too many logins from your address")
---      end
---    end
---
---Time is that of a clock which only moves forward; calendar windows begin where UTC says, as it was when the process
---started and as that clock went since. So setting the system's clock changes nothing.
---@class moongate.limit
local M = {}

---@class moongate.limit.Rule
---@field algorithm string
---@field limit number # capacity, places in the queue, or how much a window
---@field rate? number # a second
---@field window? number|string # seconds, or "day", "week", "month", "year"
---@field align? string
---@field approximate? boolean
---@field name? string

---@class moongate.limit.Answer
---@field limit number # what may pass at once
---@field remaining number # what of it is left
---@field reset number # seconds until all of it is there again; of a fixed window: until it ends
---@field retry_after number # seconds until the cost may pass; 0 when it may, math.huge: never

---@class moongate.limit.Counter
local Counter = {}

---Takes the cost where there is room for all of it, else nothing. The answer is used again: read it before the next
---call.
---
---In every hook.
---@param key string # who is counted
---@param rule moongate.limit.Rule
---@param cost? number # 1 where nothing is said; may have fractions, down to a millionth
---@return boolean allowed
---@return moongate.limit.Answer answer
function Counter:take(key, rule, cost) end

---Whether the cost could be taken now; takes nothing.
---
---In every hook.
---@param key string
---@param rule moongate.limit.Rule
---@param cost? number
---@return boolean allowed
---@return moongate.limit.Answer answer
function Counter:look(key, rule, cost) end

---Takes all of several costs or, when one of them finds no room, none. Lists and answers are used again: read them
---before the next call.
---
---In every hook.
---@param asks table[] # each { key, rule, cost }; at most 8
---@param count? integer # how many of the list; all where nothing is said
---@return boolean allowed
---@return moongate.limit.Answer[] answers # each with `allowed`: 1 when there is room under that rule, else 0
function Counter:take_all(asks, count) end

---Whether all of several costs could be taken now; takes nothing.
---
---In every hook.
---@param asks table[]
---@param count? integer
---@return boolean allowed
---@return moongate.limit.Answer[] answers
function Counter:look_all(asks, count) end

---Takes more, whether there is room or not, or gives back what is below 0: for what turned out to cost more or less
---than was taken. What is owed must come back before anything passes.
---
---In every hook.
---@param key string
---@param rule moongate.limit.Rule
---@param delta number
---@return moongate.limit.Answer answer
function Counter:adjust(key, rule, delta) end

---Forgets what was counted of a key under a rule.
---
---In every hook.
---@param key string
---@param rule moongate.limit.Rule
function Counter:forget(key, rule) end

---Whether a rule can be exact in a counter of this size: the log of a sliding window takes room.
---
---In every hook.
---@param rule moongate.limit.Rule
---@return boolean? fits
---@return string? reason
function Counter:fits(rule) end

---Waits until it is this one's turn: of a key the requests of all workers leave one after the other, as the
---`drain_rate` of a leaky bucket says (times their cost), and so many wait as its `queue_size` says. Who leaves early
---lets the later ones move up. Whatever the counter's store, it is this process that waits.
---
---In rewrite, access, response.
---@param key string
---@param rule moongate.limit.Rule # a leaky bucket
---@param cost? number # 1 where nothing is said
---@return boolean passed # false: nobody else may wait
---@return moongate.limit.Answer answer # of the queue: its places and those that are left; `waited` has seconds
---@return string? reason # "full", or "crowded" when there are too many keys
function Counter:queue(key, rule, cost) end

---Takes one of `limit` places that a key has, over all workers, until this request ends, however it does. Where there
---is none, and may be some wait, it waits for one, first come first served.
---
---In rewrite, access, response.
---@param key string
---@param limit integer
---@param queue_size? integer # how many may wait; 0 where nothing is said
---@param queue_timeout? number # seconds; as long as the request may take, where nothing is said
---@return boolean held
---@return moongate.limit.Answer answer # of the places
---@return string? reason # "full", "timeout", or "crowded" when there are too many keys
function Counter:hold(key, limit, queue_size, queue_timeout) end

---How many wait and hold something, of all keys.
---
---In every hook.
---@return { waiting: integer, active: integer, keys: integer, passed: integer, refused: integer, left: integer }
function Counter:crowd() end

---How full it is.
---
---In every hook.
---@return { bytes: integer, size: integer, entries: integer, evicted: integer } _ # evicted: left before their time
function Counter:stats() end

---A rule, to apply to any number of keys in any counter. It is checked here: make it in `init`, not for each request.
---`token-bucket` has `capacity` and `refill_rate` (a second); `leaky-bucket` has `queue_size` and `drain_rate` (a
---second) and lets one more pass than the queue has places; the windows have `limit` and `window` (seconds, or
---"second", "minute", "hour"; a fixed window also "day", "week" (from Monday on), "month", "year"). A fixed window
---begins at multiples of its length (`align = "clock"`) or with what passes first (`"first"`). A sliding window
---remembers everything that passed, up to a limit of 5000; `approximate = true` estimates it from two counters
---instead. Rules with the same algorithm and window count a key together, whatever their limit, unless `name` tells
---them apart.
---
---In every hook.
---@param options table
---@return moongate.limit.Rule
function M.rule(options) end

---Declares a counter of this plugin. In `init` only. `size` is what it may have (32m where nothing is said; the
---configuration may give it another one under `zones`). With `shared = true` the name belongs to everybody: whoever
---declares it so counts in the same one, and in `zones` it is `limit/NAME`. `store` says where it is kept.
---
---In init.
---@param name string # letters, digits and _
---@param options? table # `size`, `shared`, `store`, and what the store knows
---@return moongate.limit.Counter
function M.counter(name, options) end

return M
