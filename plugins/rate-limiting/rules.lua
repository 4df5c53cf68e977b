--- What a use's numbers mean: the limits it has, by their names, and what is wrong with them. Pure data, for the schema
--- and the handler alike.
---
--- A limit is { name, algorithm, … the numbers of its algorithm …, quota, period }: quota and period (seconds, nil
--- where it has none that is always the same) are what clients are told.
local words = require("moongate.schema.words")

local M = {}

--- The numbers each algorithm takes; those it must have come first.
M.NUMBERS = {
  ["token-bucket"] = { "capacity", "refill_rate" },
  ["leaky-bucket"] = { "queue_size", "drain_rate", "nodelay" },
  ["fixed-window"] = { "limit", "window", "align" },
  ["sliding-window"] = { "limit", "window", "approximate" },
}
local NEEDED = 2

--- Kong's fixed windows, shortest first.
M.KONG = { "second", "minute", "hour", "day", "month", "year" }

local SECONDS = { second = 1, minute = 60, hour = 3600, day = 86400, week = 604800 }
local CALENDAR = { day = true, week = true, month = true, year = true }
local WORDS = { "second", "minute", "hour", "day", "week", "month", "year" }
local UNITS = { ms = 0.001, s = 1, m = 60, h = 3600, d = 86400 }
local LONGEST = 366 * 86400

--- The normal form of a window: seconds, or day, week, month, year of the calendar.
---@param value number|string  60, "90s", "minute"
---@return number|string? window, string? reason
function M.window(value)
  local seconds = value
  if type(value) == "string" then
    local digits, unit = value:match("^(%d+%.?%d*)(%a+)$")
    if CALENDAR[value] then return value end
    seconds = SECONDS[value] or (UNITS[unit] and tonumber(digits) * UNITS[unit])
    if not seconds and value:find("^%a+$") then
      return nil, "is no window" .. words.did_you_mean(value, WORDS)
    elseif not seconds then
      return nil, 'is no window: write seconds, a duration such as "90s", or day, week, month, year'
    end
  end
  if not (seconds >= 0.001 and seconds <= LONGEST) then
    return nil, "is no window: it must be from 1 ms to 366 days"
  end
  return seconds
end

-- "minute" of 60; "90s"
local function name_of_window(window)
  if type(window) == "string" then return window end
  for word, seconds in pairs(SECONDS) do
    if seconds == window then return word end
  end
  return ("%.14gs"):format(window)
end

local function has_numbers(record)
  for _, names in pairs(M.NUMBERS) do
    for i = 1, NEEDED do
      if record[names[i]] ~= nil then return true end
    end
  end
  return false
end

local function has_kong(record)
  for _, name in ipairs(M.KONG) do
    if record[name] ~= nil then return true end
  end
  return false
end

M.has_numbers, M.has_kong = has_numbers, has_kong

local OWNER = {}
for _, algorithm in ipairs(words.keys(M.NUMBERS)) do
  for _, name in ipairs(M.NUMBERS[algorithm]) do
    OWNER[name] = OWNER[name] and OWNER[name] .. " and " .. algorithm or algorithm
  end
end

local function contains(list, value)
  for _, entry in ipairs(list) do
    if entry == value then return true end
  end
  return false
end

-- A number that stands there and belongs to another algorithm.
local function foreign(record, algorithm)
  for _, name in ipairs(words.keys(OWNER)) do
    local value = record[name]
    if value ~= nil and value ~= false and not contains(M.NUMBERS[algorithm], name) then
      return ("is of %s, and algorithm is %s"):format(OWNER[name], algorithm), name
    end
  end
end

local function window_problem(record, algorithm)
  local window = record.window and M.window(record.window)
  if type(window) ~= "string" then return nil end
  if algorithm == "sliding-window" then
    return ("must be seconds or a duration for %s: a %s of the calendar does not slide"):format(algorithm, window),
      "window"
  elseif record.align == "first" then
    return ("is not for a %s of the calendar"):format(window), "align"
  end
end

-- Kong's windows hold what they say only when the longer ones hold more.
local function kong_problem(record)
  local before
  for _, name in ipairs(M.KONG) do
    local value = record[name]
    if value and before and value < record[before] then
      return ("(%.14g) must not be lower than %s (%.14g)"):format(value, before, record[before]), name
    end
    before = value and name or before
  end
end

--- What is wrong with the numbers of one limit, and the field it belongs to; nil when nothing is.
---@param record table
---@return string? message, string? field
function M.problem(record)
  local algorithm = record.algorithm or "fixed-window"
  local message, field = foreign(record, algorithm)
  if message then return message, field end
  for i = 1, NEEDED do
    local name = M.NUMBERS[algorithm][i]
    if record[name] == nil then return ("is required, because algorithm is %s"):format(algorithm), name end
  end
  if algorithm == "sliding-window" and record.limit > 5000 and not record.approximate then
    return "may be 5000 at most, because each request is remembered: set approximate: true for more", "limit"
  end
  return window_problem(record, algorithm)
end

--- The same of Kong's windows.
---@param record table
---@return string? message, string? field
function M.kong_problem(record) return kong_problem(record) end

-- ── from a configuration to limits ───────────────────────────────────────────

local function told(limit)
  if limit.algorithm == "token-bucket" then
    return limit.capacity, limit.capacity / limit.refill_rate
  elseif limit.algorithm == "leaky-bucket" then
    return limit.queue_size, limit.queue_size / limit.drain_rate
  end
  return limit.limit, type(limit.window) == "string" and SECONDS[limit.window] or tonumber(limit.window)
end

local NAMES = { ["token-bucket"] = "bucket", ["leaky-bucket"] = "queue" }

local function finish(limit)
  limit.window = limit.window and M.window(limit.window)
  limit.name = limit.name or NAMES[limit.algorithm] or name_of_window(limit.window)
  limit.quota, limit.period = told(limit)
  limit.unit = limit.cost_from and limit.cost_from.bytes and "content-bytes" or nil
  return limit
end

local SHARED = { "cost", "cost_from", "limit_by", "header_name", "path", "ipv6_prefix", "missing_key" }

-- One limit as `record` writes it; what it does not say is as in `base`.
local function one(record, base)
  local limit = { name = record.name, algorithm = record.algorithm or base.algorithm or "fixed-window" }
  for _, name in ipairs(M.NUMBERS[limit.algorithm]) do
    limit[name] = record[name]
    if limit[name] == nil then limit[name] = base[name] end
  end
  for _, name in ipairs(SHARED) do
    limit[name] = record[name]
    if limit[name] == nil then limit[name] = base[name] end
  end
  return limit
end

local function kong_limits(record, base, list)
  for _, name in ipairs(M.KONG) do
    local number = record[name] or base[name]
    if number then
      local limit = one({ algorithm = "fixed-window" }, {})
      for _, shared in ipairs(SHARED) do
        limit[shared] = base[shared]
      end
      limit.limit, limit.window, limit.align = number, CALENDAR[name] and name or SECONDS[name], "clock"
      limit.name = name
      list[#list + 1] = finish(limit)
    end
  end
end

local function name_apart(list)
  local seen = {}
  for _, limit in ipairs(list) do
    local name, count = limit.name, 1
    while seen[limit.name] do
      count = count + 1
      limit.name = ("%s-%d"):format(name, count)
    end
    seen[limit.name] = true
  end
  return list
end

local EMPTY = {}

--- The limits of a use, for those in a group that its `tiers` name, or for everybody. A tier without limit has none.
---@param conf table   the use's configuration
---@param tier? string
---@return table[] limits
function M.limits(conf, tier)
  local list = {}
  if conf.limits then
    for _, record in ipairs(conf.limits) do
      local own = tier and record.tiers and record.tiers[tier] or EMPTY
      local base = one(record, conf)
      base.name = record.name or finish(one(record, conf)).name
      if not own.unlimited then
        local limit = one(own, base)
        limit.name = base.name
        list[#list + 1] = finish(limit)
      end
    end
    return name_apart(list)
  end
  local own = tier and conf.tiers and conf.tiers[tier] or EMPTY
  if own.unlimited then return list end
  if has_kong(conf) then
    kong_limits(own, conf, list)
    return list
  end
  local limit = one(own, conf)
  limit.name = conf.name or finish(one(EMPTY, conf)).name
  list[1] = finish(limit)
  return list
end

--- The groups that a use has numbers of their own for.
---@param conf table
---@return string[]
function M.tiers(conf)
  local names = {}
  for _, record in ipairs { conf, unpack(conf.limits or {}) } do
    for name in pairs(record.tiers or {}) do
      names[name] = true
    end
  end
  return words.keys(names)
end

return M
