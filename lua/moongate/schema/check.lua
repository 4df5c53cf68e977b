--- Checks a value against a type: collects every error with its path, fills defaults, copies, never
--- changes its input.
local cross = require("moongate.schema.cross")
local words = require("moongate.schema.words")

local M = {}

--- The value of `default` and `kong_default` that says "no default here".
M.none = setmetatable({}, {
  __tostring = function()
    return "moongate.schema.none"
  end,
})

local check -- of any type; the functions below call it for what they hold

local function is_null(value)
  return value == nil or type(value) == "userdata"
end

local function report(cx, message)
  local path = {}
  for i = 1, cx.depth do
    path[i] = cx.path[i]
  end
  cx.errors[#cx.errors + 1] = { path = path, message = message }
end

local function push(cx, key)
  cx.depth = cx.depth + 1
  cx.path[cx.depth] = key
end

local function pop(cx)
  cx.depth = cx.depth - 1
end

local function guess_kind(value)
  if next(value) == nil then
    return nil
  end
  for key in pairs(value) do
    if type(key) ~= "number" or key < 1 or key > #value or key % 1 ~= 0 then
      return "map"
    end
  end
  return "array"
end

local function kind_of(cx, value)
  if type(value) ~= "table" then
    return nil
  end
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

local function wrong_type(cx, kind, value)
  local hint = ""
  if kind.takes and kind.takes.string and kind.kind == "string" then
    hint = (type(value) == "number" or type(value) == "boolean") and " (write it in quotes)" or ""
  end
  report(cx, ("expected %s, got %s%s"):format(M.noun(kind), words.value(value, kind_of(cx, value)), hint))
end

local function show(value)
  return type(value) == "string" and words.quote(value) or ("%.14g"):format(value)
end

local function contains(list, value)
  for _, entry in ipairs(list) do
    if entry == value then
      return true
    end
  end
  return false
end

local function check_one_of(cx, kind, value)
  if contains(kind.one_of, value) then
    return
  end
  local shown, names = {}, {}
  for i, entry in ipairs(kind.one_of) do
    shown[i], names[i] = show(entry), tostring(entry)
  end
  local meant = words.suggest(value, names)
  report(cx, ("must be one of %s, got %s%s"):format(table.concat(shown, ", "), show(value),
    meant and (" (did you mean %s?)"):format(words.quote(meant)) or ""))
end

local function check_text(cx, kind, value)
  local got = kind.secret and "this value" or words.quote(value)
  if kind.len_min and #value < kind.len_min then
    report(cx, value == "" and "must not be empty"
      or ("needs at least %d characters"):format(kind.len_min))
  end
  if kind.len_max and #value > kind.len_max then
    report(cx, ("takes at most %d characters, got %d"):format(kind.len_max, #value))
  end
  if kind.match and not value:find(kind.match) then
    report(cx, ("%s does not match the pattern %s"):format(got, words.quote(kind.match)))
  end
  if kind.not_match and value:find(kind.not_match) then
    report(cx, ("%s must not match the pattern %s"):format(got, words.quote(kind.not_match)))
  end
end

local function check_number(cx, kind, value)
  local low, high = kind.between and kind.between[1], kind.between and kind.between[2]
  if low and (value < low or value > high) then
    report(cx, ("must be between %.14g and %.14g, got %.14g"):format(low, high, value))
  end
  if kind.gt and value <= kind.gt then
    report(cx, ("must be more than %.14g, got %.14g"):format(kind.gt, value))
  end
end

local function check_scalar(cx, kind, value)
  if not kind.takes[type(value)] then
    return wrong_type(cx, kind, value)
  end
  local result, before = value, #cx.errors
  if kind.parse then
    local reason
    result, reason = kind.parse(value, kind)
    if result == nil then
      return report(cx, (kind.secret and "this value" or show(value)) .. " " .. reason)
    end
  end
  if kind.one_of then
    check_one_of(cx, kind, result)
  end
  if type(result) == "string" then
    check_text(cx, kind, result)
  elseif type(result) == "number" then
    check_number(cx, kind, result)
  end
  if #cx.errors > before then
    return nil
  end
  return result
end

-- A deep copy of what a type `any` holds; aliases of a file may make it a graph, so its size is
-- bounded by the reader.
local function copy(value)
  if type(value) ~= "table" then
    return value
  end
  local result = {}
  for key, inner in pairs(value) do
    result[key] = copy(inner)
  end
  return result
end

local function check_length(cx, kind, count, what)
  if kind.len_min and count < kind.len_min then
    report(cx, count == 0 and "must not be empty"
      or ("needs at least %d %s, got %d"):format(kind.len_min, what, count))
  end
  if kind.len_max and count > kind.len_max then
    report(cx, ("takes at most %d %s, got %d"):format(kind.len_max, what, count))
  end
end

local function check_list(cx, kind, value)
  if type(value) ~= "table" or kind_of(cx, value) == "map" then
    return wrong_type(cx, kind, value)
  end
  local result, seen = {}, {}
  for i = 1, #value do
    push(cx, i - 1)
    local element
    if is_null(value[i]) then
      report(cx, "is empty; it takes " .. M.noun(kind.element))
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
  if type(value) ~= "table" or kind_of(cx, value) == "array" then
    return wrong_type(cx, kind, value)
  end
  local result, count = {}, 0
  for _, key in ipairs(words.keys(value)) do
    push(cx, key)
    local name = check(cx, kind.keys, key)
    local inner
    if not is_null(value[key]) then
      inner = check(cx, kind.values, value[key])
    end
    pop(cx)
    if name ~= nil and inner ~= nil then
      result[name] = inner
    end
    count = count + 1
  end
  check_length(cx, kind, count, "entries")
  return result
end

local function default_of(cx, kind)
  local default = kind.default
  if cx.kong and kind.kong_default ~= nil then
    default = kind.kong_default
  end
  if default == M.none then
    return nil, true
  end
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
    if not is_null(inner) and not within(inner, default[key]) then
      return false
    end
  end
  return true
end

-- An absent record is filled in when its defaults alone make a whole one that holds something.
local function from_defaults(cx, kind)
  local quiet = { errors = {}, warnings = {}, path = {}, depth = 0, kong = cx.kong }
  local result = check(quiet, kind, {})
  return #quiet.errors == 0 and result and next(result) ~= nil and result or nil
end

local function absent(cx, kind)
  local default, forbidden = default_of(cx, kind)
  if default ~= nil then
    if cx.kong and kind.kong_unsafe and kind.kong_default ~= nil then
      report({ errors = cx.warnings, path = cx.path, depth = cx.depth },
        ("relies on the default %s: %s"):format(words.value(default), kind.kong_unsafe))
    end
    return check(cx, kind, default)
  elseif kind.required and kind.kind == "record" then
    return check(cx, kind, {}) -- its own required fields say what is missing
  elseif kind.required then
    report(cx, ("is required (%s)"):format(M.noun(kind)))
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
    if not kind.fields[name] then
      unknown[name] = true
    end
  end
  if next(unknown) == nil then
    return
  end
  for _, name in ipairs(words.keys(unknown)) do
    push(cx, name)
    report(cx, "unknown field" .. words.did_you_mean(name, kind.names))
    pop(cx)
  end
end

local function check_record(cx, kind, value)
  if type(value) ~= "table" or kind_of(cx, value) == "array" then
    return wrong_type(cx, kind, value)
  end
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
    local message, field = cross.run(rule, result, broken, #cx.errors > before)
    if message then
      if field then
        push(cx, field)
      end
      report(cx, message)
      if field then
        pop(cx)
      end
    end
  end
  return result
end

local CHECKS = {
  array = check_list,
  set = check_list,
  map = check_map,
  record = check_record,
  any = function(_, kind, value)
    return kind.by_reference and value or copy(value)
  end,
}

function check(cx, kind, value)
  local before = #cx.errors
  local result = (CHECKS[kind.kind] or check_scalar)(cx, kind, value)
  if kind.check and #cx.errors == before then
    local ok, reason = kind.check(result)
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
