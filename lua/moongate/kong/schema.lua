--- Reads a schema.lua that was written for Kong: { name, fields = { { config = { type = "record", fields = { … } } } }
--- } becomes a t.record. What cannot be kept is an error, so that a schema never checks less than it says.
local t = require("moongate.schema")
local words = require("moongate.schema.words")

local M = {}

local TYPES = {
  string = "string",
  number = "number",
  integer = "integer",
  boolean = "boolean",
  array = "array",
  set = "set",
  map = "map",
  record = "record",
  json = "any",
  any = "any",
}

-- Attributes that mean nothing here, or only to Kong's database and admin API.
local IGNORED = {
  type = true,
  of = true,
  description = true,
  elements = true,
  keys = true,
  values = true,
  fields = true,
  entity_checks = true,
  shorthand_fields = true,
  referenceable = true,
  auto = true,
  generate_admin_api = true,
  immutable = true,
  deprecation = true,
  examples = true,
  abstract = true,
  nilable = true,
  json_schema = true,
  legacy = true,
  unique = true,
  indexed = true,
  err = true,
  reference = true,
  custom_validator = true,
  encrypted = true,
  required = true,
  default = true,
  unique_across_ws = true,
}

local function fail(where, text, ...) error(("%s: %s"):format(where, text:format(...)), 0) end

local function contains(list, value)
  for _, one in ipairs(list) do
    if one == value then return true end
  end
  return false
end

local function plain_find(text, pattern) return type(text) == "string" and text:find(pattern) ~= nil end

-- Each gets the value and what the schema says; false, or a reason: it does not hold.
local TESTS = {
  eq = function(value, want) return value == want, ("must be %s"):format(tostring(want)) end,
  ne = function(value, want) return value ~= want, ("must not be %s"):format(tostring(want)) end,
  gt = function(value, want) return value > want, ("must be more than %s"):format(tostring(want)) end,
  between = function(value, want) return value >= want[1] and value <= want[2], "is out of its range" end,
  len_eq = function(value, want) return #value == want, ("must have the length %d"):format(want) end,
  len_min = function(value, want) return #value >= want, ("must have a length of %d or more"):format(want) end,
  len_max = function(value, want) return #value <= want, ("must have a length of %d or less"):format(want) end,
  match = function(value, want) return plain_find(value, want), ("does not match %s"):format(words.quote(want)) end,
  not_match = function(value, want) return not plain_find(value, want), "must not match " .. words.quote(want) end,
  match_all = function(value, want)
    for _, one in ipairs(want) do
      if not plain_find(value, one.pattern) then return false, one.err or "does not match" end
    end
    return true
  end,
  match_none = function(value, want)
    for _, one in ipairs(want) do
      if plain_find(value, one.pattern) then return false, one.err or "must not match" end
    end
    return true
  end,
  match_any = function(value, want)
    for _, pattern in ipairs(want.patterns) do
      if plain_find(value, pattern) then return true end
    end
    return false, want.err or "does not match"
  end,
  starts_with = function(value, want)
    return type(value) == "string" and value:sub(1, #want) == want,
      ("must begin with %s"):format(words.quote(want))
  end,
  one_of = function(value, want) return contains(want, value), "is none of what it may be" end,
  not_one_of = function(value, want) return not contains(want, value), ("must not be %s"):format(tostring(value)) end,
  contains = function(value, want) return contains(value, want), ("must hold %s"):format(tostring(want)) end,
  timestamp = function(value, want) return not want or value > 0, "is no timestamp" end,
  is_regex = function(value, want)
    if not want then return true end
    return require("moongate.regex").check(value)
  end,
  uuid = function(value, want) return not want or plain_find(value, "^%x+%-%x+%-%x+%-%x+%-%x+$"), "is not a UUID" end,
}

-- What moongate.schema checks itself, in its own words, by kind of type.
local OWN = {
  string = { one_of = true, match = true, not_match = true, len_min = true, len_max = true },
  number = { one_of = true, between = true, gt = true },
  array = { len_min = true, len_max = true },
  boolean = {},
  any = {},
  record = {},
}
OWN.integer, OWN.set, OWN.map = OWN.number, OWN.array, OWN.array

-- custom_validator answers true; or nil (or false) and a reason.
local function check_of(field, own, where)
  local tests = {}
  for _, name in ipairs(words.keys(field)) do
    if TESTS[name] and not own[name] then
      tests[#tests + 1] = name
    elseif not IGNORED[name] and not own[name] then
      fail(where, "the attribute %s of Kong's schemas has no like here", words.quote(name))
    end
  end
  local custom = field.custom_validator
  if not tests[1] and not custom then return nil end
  return function(value)
    for _, name in ipairs(tests) do
      local ok, reason = TESTS[name](value, field[name])
      if not ok then return nil, field.err or reason end
    end
    if custom then
      local ok, reason = custom(value)
      if not ok then return nil, reason or "is not valid" end
    end
    return true
  end
end

local convert

-- "config.a.b" of an entity; nil where nothing stands.
local function find(entity, path)
  local value = entity
  for name in path:gmatch("[^.]+") do
    if type(value) ~= "table" then return nil end
    value = value[name]
  end
  return value
end

local function holds(value, want)
  if want == nil then return true end
  if want.required ~= nil and (value ~= nil) ~= want.required then return false end
  if value == nil then return want.required == false or next(want) == nil end
  for name, argument in pairs(want) do
    local test = TESTS[name]
    if test and not test(value, argument) then return false end
  end
  return true
end

local function count(entity, paths)
  local found = 0
  for _, path in ipairs(paths) do
    if find(entity, path) ~= nil then found = found + 1 end
  end
  return found
end

local function list(paths) return table.concat(paths, ", ") end

-- Each: the entity and what the check says; a reason, or nil.
local CHECKS = {
  at_least_one_of = function(entity, paths)
    if count(entity, paths) == 0 then return "at least one of these fields must be set: " .. list(paths) end
  end,
  only_one_of = function(entity, paths)
    if count(entity, paths) ~= 1 then return "exactly one of these fields must be set: " .. list(paths) end
  end,
  mutually_required = function(entity, paths)
    local found = count(entity, paths)
    if found ~= 0 and found ~= #paths then return "all or none of these fields must be set: " .. list(paths) end
  end,
  mutually_exclusive = function(entity, paths)
    if count(entity, paths) > 1 then return "only one of these fields may be set: " .. list(paths) end
  end,
  mutually_exclusive_sets = function(entity, sets)
    if count(entity, sets.set1) > 0 and count(entity, sets.set2) > 0 then
      return ("%s cannot be set with %s"):format(list(sets.set1), list(sets.set2))
    end
  end,
  distinct = function(entity, paths)
    local seen = {}
    for _, path in ipairs(paths) do
      local value = find(entity, path)
      if value ~= nil and seen[value] then return "these fields must differ: " .. list(paths) end
      if value ~= nil then seen[value] = true end
    end
  end,
  conditional = function(entity, check)
    local value = find(entity, check.if_field)
    if
      value ~= nil
      and holds(value, check.if_match)
      and not holds(find(entity, check.then_field), check.then_match)
    then
      return check.then_err or ("%s must fit, because of %s"):format(check.then_field, check.if_field)
    end
  end,
  conditional_at_least_one_of = function(entity, check)
    local value = find(entity, check.if_field)
    local wanted = value ~= nil and holds(value, check.if_match) and check.then_at_least_one_of
      or check.else_match and holds(value, check.else_match) and check.else_then_at_least_one_of
    if wanted and count(entity, wanted) == 0 then
      return "at least one of these fields must be set: " .. list(wanted)
    end
  end,
  custom_entity_check = function(entity, check)
    local ok, reason = check.fn(entity)
    if not ok then return reason or "is not valid" end
  end,
}

-- `prefix`: the checks of the whole plugin speak of "config.field".
local function rules_of(checks, prefix, where)
  local rules = {}
  for _, entry in ipairs(checks or {}) do
    local name, argument = next(entry)
    if not CHECKS[name] then
      fail(where, "the check %s of Kong's schemas has no like here", words.quote(tostring(name)))
    end
    rules[#rules + 1] = t.check(function(record)
      local reason = CHECKS[name](prefix and { [prefix] = record } or record, argument)
      if reason then return nil, (reason:gsub("%f[%w]config%.", "")) end
      return true
    end)
  end
  return rules
end

local function each_field(fields, where)
  local result = {}
  for i, entry in ipairs(fields or {}) do
    local name, field = next(entry)
    if type(name) ~= "string" or type(field) ~= "table" then
      fail(where, "fields[%d] must be { name = { … } }", i)
    end
    result[#result + 1] = { name = name, field = field }
  end
  return result
end

-- In Kong a record that is not required is not there when nothing was written.
local function record_of(field, attributes, where, more)
  local spec = {}
  for _, entry in ipairs(each_field(field.fields, where)) do
    spec[entry.name] = convert(entry.field, where .. "." .. entry.name)
  end
  for _, rule in ipairs(rules_of(field.entity_checks, nil, where)) do
    spec[#spec + 1] = rule
  end
  for _, rule in ipairs(more or {}) do
    spec[#spec + 1] = rule
  end
  if not field.required and not field.default and where ~= "config" then attributes.default = t.none end
  return t.record(spec, attributes)
end

function convert(field, where, more)
  local kind = TYPES[field.type]
  if not kind then
    fail(where, "the type %s of Kong's schemas has no like here", words.quote(tostring(field.type)))
  end
  local own = OWN[kind]
  local attributes = {
    about = field.description,
    check = check_of(field, own, where),
    secret = field.encrypted == true or nil,
  }
  for name in pairs(own) do
    attributes[name] = field[name]
  end
  if kind == "record" then
    attributes.default = type(field.default) == "table" and field.default or nil
    return record_of(field, attributes, where, more)
  end
  attributes.default = field.default
  attributes.required = field.required and field.default == nil or nil
  if kind == "array" or kind == "set" then
    attributes[1] = convert(field.elements or { type = "any" }, where .. "[]")
  elseif kind == "map" then
    attributes.keys = convert(field.keys or { type = "string" }, where .. " keys")
    attributes.values = convert(field.values or { type = "any" }, where .. " values")
  end
  return t[field.of or kind](attributes)
end

--- Whether a schema.lua returned what Kong's do.
function M.is_kong(value)
  return type(value) == "table" and not t.is_type(value) and type(value.fields) == "table" and value.kind == nil
end

--- The type of a plugin's configuration; an error names the place in the schema.
---@param schema table
---@return table
function M.convert(schema)
  for _, entry in ipairs(each_field(schema.fields, "schema.lua")) do
    if entry.name == "config" then
      return convert(entry.field, "config", rules_of(schema.entity_checks, "config", "schema.lua"))
    end
  end
  return t.record {}
end

return M
