--- moongate.limit as plugins that are not trusted have it: rules and counters that hold nothing, answers that are
--- tables of their own, and bounded counters. Nothing waits here: no queue, no hold.
local declaring = require("moongate.declaring")
local limit = require("moongate.limit")
local sandbox = require("moongate.sandbox")

local SIZE_MOST = 32 * 2 ^ 20 -- of each, where the configuration does not say more
local COUNTERS_MOST = 16 -- of one plugin
local ASKS_MOST = 8

local M = {}

local function refuse_to_set() error("a rule or a counter cannot be changed", 2) end

-- An answer that stays what it is.
local function copy(answer)
  return {
    allowed = answer.allowed,
    limit = answer.limit,
    remaining = answer.remaining,
    reset = answer.reset,
    retry_after = answer.retry_after,
  }
end

--- The module for such plugins.
---@param show fun(real: table, meta: table): table  what stands for something
---@param real_of table<table, table>  what something stands for
---@return table
function M.module(show, real_of)
  local counts = {} -- of counters, by plugin

  local rule_meta = {
    __metatable = false,
    __newindex = refuse_to_set,
    __index = function(self, key) return type(key) == "string" and rawget(real_of[self], key) or nil end,
  }

  local function counter_of(self, what)
    local real = real_of[self]
    if not real then error(("counter:%s is a method: call it with a colon"):format(what), 3) end
    return real
  end

  local methods = {}

  for _, name in ipairs { "take", "look", "adjust" } do
    methods[name] = function(self, key, rule, cost)
      local real = counter_of(self, name)
      local first, answer = real[name](real, key, real_of[rule or false], cost)
      if name == "adjust" then return copy(first) end
      return first, copy(answer)
    end
  end

  for _, name in ipairs { "take_all", "look_all" } do
    methods[name] = function(self, asks, count)
      local real, own = counter_of(self, name), {}
      if type(asks) ~= "table" then error(("counter:%s: asks must be a list"):format(name), 2) end
      for i = 1, math.min(tonumber(count) or #asks, ASKS_MOST + 1) do
        local ask = type(asks[i]) == "table" and asks[i] or {}
        own[i] = { ask[1], real_of[ask[2] or false], ask[3] }
      end
      local allowed, answers = real[name](real, own)
      local copies = {}
      for i = 1, #own do
        copies[i] = copy(answers[i])
      end
      return allowed, copies
    end
  end

  for _, name in ipairs { "forget", "fits" } do
    methods[name] = function(self, ...)
      local real = counter_of(self, name)
      local values = { ... }
      local at = name == "fits" and 1 or 2
      values[at] = real_of[values[at] or false]
      return real[name](real, values[1], values[2])
    end
  end

  function methods.stats(self) return counter_of(self, "stats"):stats() end

  local counter_meta = { __metatable = false, __newindex = refuse_to_set, __index = methods }

  local function check_size(options, what)
    local size = options.size
    if size ~= nil and declaring.size(size, what, 4) > SIZE_MOST then
      error(("%s: a plugin that is not trusted may ask for 32m at most; `zones` may give it more"):format(what), 3)
    end
  end

  local module = {}

  function module.rule(options) return show(limit.rule(sandbox.copy(options)), rule_meta) end

  function module.counter(name, options)
    local what = "limit.counter"
    local plugin = declaring.plugin(what)
    options = sandbox.copy(options or {})
    if type(options) ~= "table" then error(("%s: options must be a table"):format(what), 2) end
    if options.store ~= nil then error(("%s: a plugin that is not trusted counts in memory"):format(what), 2) end
    check_size(options, what)
    counts[plugin] = (counts[plugin] or 0) + 1
    if counts[plugin] > COUNTERS_MOST then
      error(("%s: a plugin that is not trusted may have %d counters"):format(what, COUNTERS_MOST), 2)
    end
    return show(limit.counter(name, options), counter_meta)
  end

  return module
end

return M
