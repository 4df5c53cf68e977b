--- Checks a value against a type: collects every error with its path, fills defaults, copies, never
--- changes its input.
local context = require("moongate.schema.context")
local cross = require("moongate.schema.cross")
local scalar = require("moongate.schema.scalar")
local words = require("moongate.schema.words")

local report, push, pop = context.report, context.push, context.pop
local is_null, kind_of, wrong_type = context.is_null, context.kind_of, context.wrong_type

local M = {}

--- The value of `default` and `kong_default` that says "no default here".
M.none = setmetatable({}, {
  __tostring = function() return "moongate.schema.none" end,
})

local check -- of any type; the functions below call it for what they hold

-- A deep copy of what a type `any` holds; aliases of a file may make it a graph, so its size is
-- bounded by the reader.
local function copy(value)
  if type(value) ~= "table" then return value end
  local result = {}
  for key, inner in pairs(value) do
    result[key] = copy(inner)
  end
  return result
end

local function check_length(cx, kind, count, what)
  if kind.len_min and count < kind.len_min then
    report(
      cx,
      count == 0 and "must not be empty" or ("needs at least %d %s, got %d"):format(kind.len_min, what, count)
    )
  end
  if kind.len_max and count > kind.len_max then
    report(cx, ("takes at most %d %s, got %d"):format(kind.len_max, what, count))
  end
end

local function check_list(cx, kind, value)
  if type(value) ~= "table" or kind_of(cx, value) == "map" then return wrong_type(cx, kind, value) end
  local result, seen = {}, {}
  for i = 1, #value do
    push(cx, i - 1)
    local element
    if is_null(value[i]) then
      report(cx, "is empty; it takes " .. context.noun(kind.element))
    else
      element = check(cx, kind.element, value[i])
    end
    pop(cx)
    if element ~= nil and not (kind.kind == "set" and seen[element]) then
      result[#result + 1] = element
      seen[element] = true
    end
  end
  check_length(cx, kind, #value, "elements")
  return result
end

local function check_map(cx, kind, value)
  if type(value) ~= "table" or kind_of(cx, value) == "array" then return wrong_type(cx, kind, value) end
  local result, count = {}, 0
  for _, key in ipairs(words.keys(value)) do
    push(cx, key)
    local name = check(cx, kind.keys, key)
    local inner
    if not is_null(value[key]) then inner = check(cx, kind.values, value[key]) end
    pop(cx)
    if name ~= nil and inner ~= nil then result[name] = inner end
    count = count + 1
  end
  check_length(cx, kind, count, "entries")
  return result
end

local function default_of(cx, kind)
  local default = kind.default
  if cx.kong and kind.kong_default ~= nil then default = kind.kong_default end
  if default == M.none then return nil, true end
  return default
end

-- Whether everything that was written is as the default has it. Files made by tools repeat the
-- defaults, some of them in part.
local function within(value, default)
  if type(value) ~= "table" or type(default) ~= "table" then
    return value == default
  elseif #value ~= #default then
    return false
  end
  for key, inner in pairs(value) do
    if not is_null(inner) and not within(inner, default[key]) then return false end
  end
  return true
end

-- An absent record is filled in when its defaults alone make a whole one that holds something.
local function from_defaults(cx, kind)
  local made = cx.kong and "made_for_kong" or "made"
  if kind[made] == nil then
    local quiet = { errors = {}, warnings = {}, path = {}, depth = 0, kong = cx.kong }
    local result = check(quiet, kind, {})
    kind[made] = #quiet.errors == 0 and next(result) ~= nil and { value = result, warnings = quiet.warnings }
  end
  if not kind[made] then return nil end
  for _, warning in ipairs(kind[made].warnings) do
    context.warn(cx, warning.message, warning.path)
  end
  return copy(kind[made].value)
end

local function absent(cx, kind)
  local default, forbidden = default_of(cx, kind)
  if default ~= nil then
    if cx.kong and kind.kong_unsafe and kind.kong_default ~= nil then
      context.warn(cx, ("relies on the default %s: %s"):format(words.value(default), kind.kong_unsafe))
    end
    return check(cx, kind, default)
  elseif kind.required and kind.kind == "record" then
    return check(cx, kind, {}) -- its own required fields say what is missing
  elseif kind.required then
    report(cx, ("is required (%s)"):format(context.noun(kind)))
  elseif kind.kind == "record" and not forbidden and not kind.later then
    return from_defaults(cx, kind)
  end
  return nil
end

local function check_later(cx, kind, value)
  local default = default_of({ kong = true }, kind)
  if within(value, default) or (default == nil and type(value) == "table" and next(value) == nil) then
    return copy(default)
  end
  report(cx, "known, not in this version")
  return nil
end

local function check_field(cx, kind, value)
  if is_null(value) then
    return absent(cx, kind)
  elseif kind.later then
    return check_later(cx, kind, value)
  end
  return check(cx, kind, value)
end

local function check_unknown(cx, kind, value)
  local unknown = {}
  for name in pairs(value) do
    if not kind.fields[name] then unknown[name] = true end
  end
  if next(unknown) == nil then return end
  for _, name in ipairs(words.keys(unknown)) do
    push(cx, name)
    report(cx, "unknown field" .. words.did_you_mean(name, kind.names))
    pop(cx)
  end
end

local function check_record(cx, kind, value)
  if type(value) ~= "table" or kind_of(cx, value) == "array" then return wrong_type(cx, kind, value) end
  local result, before, broken = {}, #cx.errors, {}
  for _, name in ipairs(kind.names) do
    local count = #cx.errors
    push(cx, name)
    result[name] = check_field(cx, kind.fields[name], value[name])
    pop(cx)
    broken[name] = #cx.errors > count or nil
  end
  check_unknown(cx, kind, value)
  for _, rule in ipairs(kind.rules) do
    local message, field, warning = cross.run(rule, result, broken, #cx.errors > before, cx.kong)
    if message or warning then
      if field then push(cx, field) end
      if message then
        report(cx, message)
      else
        context.warn(cx, warning)
      end
      if field then pop(cx) end
    end
  end
  return result
end

local CHECKS = {
  array = check_list,
  set = check_list,
  map = check_map,
  record = check_record,
  any = function(_, kind, value) return kind.by_reference and value or copy(value) end,
}

function check(cx, kind, value)
  local before = #cx.errors
  local result = (CHECKS[kind.kind] or scalar.check)(cx, kind, value)
  if kind.check and #cx.errors == before then
    local ok, reason = cross.call(kind.check, result)
    if not ok then
      report(cx, reason or "is not valid")
      return nil
    end
  end
  return result
end

--- Checks `value`, which may be nil, as if it were a field of this type.
---@param kind table  a type made by moongate.schema
---@param value any
---@param opts? { kong: boolean?, kind_of: (fun(value: table): string?)? }
---@return any value     the normal form, with defaults; worth something only without errors
---@return table errors   list of { path = { "limits", 0 }, message = "…" }, empty when all is well
---@return table warnings list of the same shape
function M.run(kind, value, opts)
  opts = opts or {}
  local cx = { errors = {}, warnings = {}, path = {}, depth = 0, kong = opts.kong, kind_of = opts.kind_of }
  local result
  if is_null(value) and kind.kind == "record" then
    result = check(cx, kind, {})
  else
    result = check_field(cx, kind, value)
  end
  return result, cx.errors, cx.warnings
end

return M
