--- What every check carries along: the path to where it is, the errors and warnings so far, and what the caller wants
--- ({ errors, warnings, path, depth, kong, kind_of }).
local words = require("moongate.schema.words")

local M = {}

--- Whether a value counts as not written.
function M.is_null(value) return value == nil or type(value) == "userdata" end

local function place(cx, below)
  local path = {}
  for i = 1, cx.depth do
    path[i] = cx.path[i]
  end
  for _, key in ipairs(below or {}) do
    path[#path + 1] = key
  end
  return path
end

--- Notes an error at the present place.
function M.report(cx, message) cx.errors[#cx.errors + 1] = { path = place(cx), message = message } end

--- Notes a warning at the present place, or `below` it.
function M.warn(cx, message, below) cx.warnings[#cx.warnings + 1] = { path = place(cx, below), message = message } end

--- Goes one key deeper.
function M.push(cx, key)
  cx.depth = cx.depth + 1
  cx.path[cx.depth] = key
end

function M.pop(cx) cx.depth = cx.depth - 1 end

local function guess_kind(value)
  if next(value) == nil then return nil end
  for key in pairs(value) do
    if type(key) ~= "number" or key < 1 or key > #value or key % 1 ~= 0 then return "map" end
  end
  return "array"
end

--- "array", "map", or nil where it is an empty table and nobody knows.
function M.kind_of(cx, value)
  if type(value) ~= "table" then return nil end
  return cx.kind_of and cx.kind_of(value) or guess_kind(value)
end

--- How a type is called in a message.
---@param kind table
---@param many? boolean
---@return string
function M.noun(kind, many)
  if kind.kind == "array" or kind.kind == "set" then
    local inner = M.noun(kind.element, true)
    return (many and "arrays of " or "an array of ") .. inner
  elseif kind.kind == "map" then
    return (many and "maps of " or "a map of ") .. M.noun(kind.values, true)
  end
  return kind.noun[many and 2 or 1]
end

--- Notes that a value is of another type than it should be.
function M.wrong_type(cx, kind, value)
  local hint = ""
  if kind.takes and kind.takes.string and kind.kind == "string" then
    hint = (type(value) == "number" or type(value) == "boolean") and " (write it in quotes)" or ""
  end
  local got = kind.secret and "a " .. type(value) or words.value(value, M.kind_of(cx, value))
  M.report(cx, ("expected %s, got %s%s"):format(M.noun(kind), got, hint))
end

return M
