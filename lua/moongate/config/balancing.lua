--- How an upstream chooses among its targets: the fields, and what only makes sense together.
local t = require("moongate.schema")
local report = require("moongate.config.report")
local words = require("moongate.schema.words")

local M = {}

-- Those that core/policy/balance.h lists; the first one is the default.
local ALGORITHMS = { "round-robin", "least-connections", "consistent-hashing", "latency", "random" }

local function algorithm(name)
  for _, known in ipairs(ALGORITHMS) do
    if name == known then return true end
  end
  if name == "sticky-sessions" then return true end
  return nil, ("%s is no algorithm%s"):format(words.quote(name), words.did_you_mean(name, ALGORITHMS))
end

local function source(about)
  return t.one_of {
    "none",
    "consumer",
    "ip",
    "header",
    "cookie",
    "path",
    "query_arg",
    "uri_capture",
    default = "none",
    about = about,
  }
end

local COOKIE_NAME = "^[%w!#$%%&'*+%-.^_`|~]+$"

M.FIELDS = {
  algorithm = t.string {
    default = ALGORITHMS[1],
    check = algorithm,
    about = "How a target is chosen: `round-robin`; `least-connections`: of two by chance the one with less on its "
      .. "way; `latency`: … the one that answers sooner; `consistent-hashing`: requests with the same key go to the "
      .. "same target; `random`; `sticky-sessions`: Kong's name for `round-robin` with `sticky`.",
  },
  hash_on = source("What the key of `consistent-hashing` is; without one a target is drawn by weight."),
  hash_fallback = source("What the key is where a request has not what `hash_on` asks for."),
  hash_on_header = t.header_name { about = "The header of `hash_on: header`." },
  hash_fallback_header = t.header_name { about = "The header of `hash_fallback: header`." },
  hash_on_cookie = t.string {
    match = COOKIE_NAME,
    about = "The cookie of `cookie`; a client that has none is given one.",
  },
  hash_on_cookie_path = t.string {
    match = "^/[%w/._~%-]*$",
    default = "/",
    about = "The path of a cookie that is made.",
  },
  hash_on_query_arg = t.string { len_min = 1, about = "The argument of `hash_on: query_arg`." },
  hash_fallback_query_arg = t.string { len_min = 1, about = "The argument of `hash_fallback: query_arg`." },
  hash_on_uri_capture = t.string { len_min = 1, about = "The capture of the path of `hash_on: uri_capture`." },
  hash_fallback_uri_capture = t.string { len_min = 1, about = "The capture of `hash_fallback: uri_capture`." },
  hash_balance_factor = t.integer {
    between = { 100, 100000 },
    about = "No target gets more than so many percent of its share of what is on its way: a key that everybody "
      .. "asks for spills over. Without it there is no bound.",
  },
  slots = t.integer {
    between = { 10, 65536 },
    default = 10000,
    about = "The size of the table of `consistent-hashing` (the next prime): at least a hundred for each target.",
  },
}

-- Where the name of a source stands: hash_on_header, hash_fallback_header; a cookie has one for both.
local function name_field(prefix, kind)
  if kind == "cookie" then return "hash_on_cookie" end
  if kind == "header" or kind == "query_arg" or kind == "uri_capture" then return prefix .. "_" .. kind end
end

local function check_source(rep, path, value, prefix)
  local field = name_field(prefix, value[prefix])
  if field and not value[field] then
    report.error(rep, report.join(path, prefix), ("%s needs %s"):format(value[prefix], field))
  end
end

--- What is wrong with an upstream's keys taken together.
---@param rep table   the report
---@param path table  of the upstream
---@param value table its fields
function M.check(rep, path, value)
  local on, fallback = value.hash_on, value.hash_fallback
  check_source(rep, path, value, "hash_on")
  check_source(rep, path, value, "hash_fallback")
  if fallback == "none" or not fallback then return end
  if on == "none" or on == "cookie" then
    report.error(rep, report.join(path, "hash_fallback"), ("is never asked, because hash_on is %s"):format(on))
  elseif name_field("hash_on", on) == nil and on == fallback then
    report.error(rep, report.join(path, "hash_fallback"), "is what hash_on asks for already")
  end
end

local function one_source(value, prefix)
  local field = name_field(prefix, value[prefix])
  local name = field and value[field]
  return { on = value[prefix] or "none", name = name and (value[prefix] == "header" and name:lower() or name) }
end

--- What the frozen upstream says of it.
---@param value table  an upstream's fields
---@return table
function M.normal(value)
  return {
    algorithm = value.algorithm ~= "sticky-sessions" and value.algorithm or ALGORITHMS[1],
    hash = { one_source(value, "hash_on"), one_source(value, "hash_fallback") },
    cookie_path = value.hash_on_cookie_path,
    slots = value.slots,
    factor = value.hash_balance_factor,
  }
end

return M
