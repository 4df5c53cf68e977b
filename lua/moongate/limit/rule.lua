--- The rules of moongate.limit: numbers from people, checked, and as C decides by them (core/policy/limit.h).
local ffi = require("ffi")
local declaring = require("moongate.declaring")

local C = require("moongate.cdef")

local M = {}

-- By algorithm: what C calls it, and which options are its limit and its rate.
local ALGORITHMS = {
  ["token-bucket"] = { C.GW_LIMIT_TOKEN_BUCKET, limit = "capacity", rate = "refill_rate" },
  ["leaky-bucket"] = { C.GW_LIMIT_LEAKY_BUCKET, limit = "queue_size", rate = "drain_rate" },
  ["fixed-window"] = { C.GW_LIMIT_FIXED_WINDOW, limit = "limit" },
  ["sliding-window"] = { C.GW_LIMIT_SLIDING_WINDOW, limit = "limit" },
}

local LENGTHS = { second = 1, minute = 60, hour = 3600 }
local PERIODS =
  { day = C.GW_LIMIT_BY_DAY, week = C.GW_LIMIT_BY_WEEK, month = C.GW_LIMIT_BY_MONTH, year = C.GW_LIMIT_BY_YEAR }
local ALIGNS = { clock = C.GW_LIMIT_BY_CLOCK, first = C.GW_LIMIT_BY_FIRST_USE }

local OPTIONS = {
  algorithm = true,
  capacity = true,
  refill_rate = true,
  queue_size = true,
  drain_rate = true,
  limit = true,
  window = true,
  align = true,
  approximate = true,
  name = true,
}

local Rule = {}
Rule.__index = Rule

local function number(options, name, what)
  local value = options[name]
  if type(value) ~= "number" then error(("%s: %s must be a number"):format(what, name), 3) end
  return value
end

local function choose(map, value, name, what)
  local found = map[value]
  if found then return found end
  local known = {}
  for key in pairs(map) do
    known[#known + 1] = key
  end
  table.sort(known)
  error(("%s: %s must be one of %s"):format(what, name, table.concat(known, ", ")), 3)
end

-- Fills in the window of a rule and of its terms; why it cannot be one, when it cannot.
local function set_window(rule, terms, options)
  local period = PERIODS[options.window]
  rule.align = options.align or "clock"
  if period and rule.algorithm == "sliding-window" then
    return "a sliding window has a length, not a calendar: write seconds"
  elseif period and rule.align == "first" then
    return "a window by the calendar cannot begin with its first use"
  elseif period then
    rule.window, terms.align = options.window, period
    return
  end
  rule.window = LENGTHS[options.window] or options.window
  if type(rule.window) ~= "number" then
    return "window must be seconds, or one of second, minute, hour, day, week, month, year"
  end
  terms.window, terms.align = rule.window, ALIGNS[rule.align]
end

--- Makes a rule of the options. Called at the end of another function: misuse is that of its caller.
---@param options table
---@param what string  who asks
---@return moongate.limit.Rule
function M.make(options, what)
  if type(options) ~= "table" then error(("%s: options must be a table"):format(what), 2) end
  declaring.options(options, OPTIONS, what)
  local rule = { algorithm = options.algorithm or "fixed-window", name = options.name }
  local algorithm = choose(ALGORITHMS, rule.algorithm, "algorithm", what)
  local terms, made = ffi.new("struct gw_limit_terms"), ffi.new("struct gw_limit_rule")
  terms.algorithm = algorithm[1]
  rule.limit = number(options, algorithm.limit, what)
  terms.limit = rule.limit
  if rule.name ~= nil and type(rule.name) ~= "string" then
    error(("%s: the name must be a string"):format(what), 2)
  end
  terms.name = rule.name
  local why
  if algorithm.rate then
    rule.rate = number(options, algorithm.rate, what)
    terms.rate = rule.rate
  else
    choose(ALIGNS, options.align or "clock", "align", what)
    why = set_window(rule, terms, options)
  end
  if options.approximate and rule.algorithm == "sliding-window" then
    rule.approximate, terms.algorithm = true, C.GW_LIMIT_SLIDING_APPROXIMATE
  elseif options.approximate then
    why = "only a sliding window can be approximate"
  end
  if not why then
    local bad = C.gw_pdk_limit_rule(made, terms)
    why = bad ~= nil and ffi.string(bad)
  end
  if why then error(("%s: %s"):format(what, why), 2) end
  rule[1] = made
  return setmetatable(rule, Rule)
end

--- Whether it is what `make` made.
---@return boolean
function M.is_rule(rule) return getmetatable(rule) == Rule end

return M
