--- The schema language: what a plugin's configuration may be, as data.
---
---     local t = require("moongate.schema")
---     return t.record {
---       key_names = t.array { t.header_name {}, default = { "apikey" }, about = "Where the key may stand." },
---       policy = t.one_of { "local", "redis", default = "local", about = "Where counters live." },
---       redis = t.record { host = t.host { required = true }, port = t.port { default = 6379 } },
---       t.conditional { if_field = "policy", if_equals = "redis", then_field = "redis" },
---     }
---
--- Types
---     string number integer boolean any json
---     array { TYPE } · set { TYPE } (doubles are dropped) · map { TYPE } · map { KEYS, TYPE }
---     record(fields, attributes) · one_of { values }
---     header_name http_method host ip cidr ip_or_cidr port path url uuid name tag
---     duration  "30s" → 30 (seconds; with unit = "ms" milliseconds)      size   "10m" → bytes
---     timeout   Kong's: milliseconds as a number, or "30s" → 30000       count  1 or more
---     seconds   Kong's: seconds as a number, or "500ms" → 500 (milliseconds)
---
--- Attributes of every type
---     about         what it is for, in a sentence; the plugin's README is made of it
---     default       used where nothing is written          required   must be written
---     secret        never shown                            check      function: true, or nil and a reason
---     later         known, not in this version: only the default is taken
---     kong_default  the default in a file with `_format_version` (t.none: none there)
---     kong_unsafe   what to warn those of who rely on kong_default
--- Of strings: one_of, match, not_match (Lua patterns), len_min, len_max.
--- Of numbers: one_of, between { low, high }, gt. Of arrays, sets and maps: len_min, len_max.
--- Of duration, size, timeout, seconds, count: between, gt, off (takes "off", too, which is 0).
---
--- Rules among a record's fields, written between them
---     at_least_one_of {…} · only_one_of {…} · mutually_required {…} · mutually_exclusive {…}
---     conditional { if_field, if_equals | if_one_of, then_field, then_equals | then_one_of }
---     check(function(record) return true | nil, message, field end)
---
--- A nested record that is not written is filled in when its defaults alone make a valid one (default = t.none: never).
--- Mistakes in a schema are errors when it is loaded, and name the field.
local check = require("moongate.schema.check")
local misuse = require("moongate.schema.misuse")
local types = require("moongate.schema.types")
local words = require("moongate.schema.words")

local M = { none = check.none }

local function where_called(level)
  local info = debug.getinfo(level + 1, "Sl")
  return info and info.currentline > 0 and ("%s:%d: "):format(info.short_src, info.currentline) or ""
end

local function new(kind, name, noun)
  return {
    is_schema_type = true,
    kind = kind,
    name = name,
    noun = noun,
    where = where_called(3),
    problems = {},
  }
end

local function braces(kind, spec)
  if type(spec) == "table" and not misuse.is_type(spec) then return spec end
  kind.problems[1] = ("t.%s takes a table of attributes, got %s"):format(
    kind.name,
    misuse.is_type(spec) and "a type" or words.value(spec)
  )
  return {}
end

local function adopt(kind, inner, what)
  local wrong = misuse.not_a_type(inner)
  if wrong then
    kind.problems[#kind.problems + 1] = ("%s: %s %s"):format(kind.name, what, wrong)
    return M.any {}
  end
  for _, message in ipairs(inner.problems) do
    kind.problems[#kind.problems + 1] = what .. ": " .. message
  end
  return inner
end

local function scalar(name)
  local def = types.SCALARS[name]
  return function(spec)
    local kind = new(def.kind, name, def.noun)
    kind.takes, kind.parse = def.takes, def.parse
    if def.kind == "quantity" and type(spec) == "table" and spec.off then
      kind.noun = { def.noun[1] .. ' or "off"', def.noun[2] }
    end
    misuse.attributes(kind, braces(kind, spec))
    misuse.consistency(kind)
    return kind
  end
end

for name in pairs(types.SCALARS) do
  M[name] = scalar(name)
end

--- One of the given strings or numbers.
function M.one_of(spec)
  local numbers = type(spec) == "table" and type(spec[1]) == "number"
  local def = types.SCALARS[numbers and "number" or "string"]
  local kind = new(def.kind, "one_of", def.noun)
  kind.takes = def.takes
  local rest, values = {}, {}
  for key, value in pairs(braces(kind, spec)) do
    if type(key) == "number" then
      values[key] = value
    else
      rest[key] = value
    end
  end
  rest.one_of = values
  misuse.attributes(kind, rest)
  misuse.consistency(kind)
  return kind
end

--- Any value at all; maps and arrays are copied.
function M.any(spec)
  local kind = new("any", "any", { "any value", "values" })
  misuse.attributes(kind, braces(kind, spec))
  return kind
end

M.json = M.any

local function list(name)
  return function(spec)
    local kind = new(name, name)
    spec = braces(kind, spec)
    misuse.attributes(kind, spec)
    kind.element = adopt(kind, spec[1], "the element")
    misuse.consistency(kind)
    return kind
  end
end

M.array = list("array")
M.set = list("set") -- an array whose doubles are dropped

--- A map: t.map { VALUES }, t.map { KEYS, VALUES } or t.map { keys = …, values = … }.
function M.map(spec)
  local kind = new("map", "map")
  spec = braces(kind, spec)
  misuse.attributes(kind, spec)
  local keys = spec.keys or (spec[2] and spec[1]) or M.string {}
  kind.keys = adopt(kind, keys, "the key")
  kind.values = adopt(kind, spec.values or spec[2] or spec[1], "the value")
  if kind.keys.kind ~= "string" then
    kind.problems[#kind.problems + 1] = "map: the key must be a kind of string"
  end
  misuse.consistency(kind)
  return kind
end

local function raise_all(problems)
  if #problems > 0 then error("moongate.schema: " .. table.concat(problems, "\n"), 3) end
end

local function add_field(kind, name, field, problems)
  local wrong = misuse.not_a_type(field)
  if wrong then
    problems[#problems + 1] = ("%s%s: %s"):format(kind.where, name, wrong)
    return
  end
  for _, message in ipairs(field.problems) do
    problems[#problems + 1] = ("%s%s: %s"):format(field.where, name, message)
  end
  kind.fields[name] = field
  kind.names[#kind.names + 1] = name
end

--- A record: its fields by name, and rules over them as list entries. Attributes of the record
--- itself come second.
---@param spec table<string|integer, table>
---@param attributes? table
---@return table
function M.record(spec, attributes)
  local kind = new("record", "record", { "a map of settings", "maps of settings" })
  kind.fields, kind.names, kind.rules = {}, {}, {}
  local problems, rules = kind.problems, {}
  for _, name in ipairs(words.keys(braces(kind, spec))) do
    if type(name) == "string" then
      add_field(kind, name, spec[name], problems)
    elseif misuse.is_rule(spec[name]) then
      rules[#rules + 1] = spec[name]
    else
      problems[#problems + 1] = ("%sentry %s of the record has no name: write name = t.string {}"):format(
        kind.where,
        tostring(name)
      )
    end
  end
  raise_all(problems)
  for _, rule in ipairs(rules) do
    local wrong = misuse.rule_problem(rule, kind.fields)
    if wrong then problems[#problems + 1] = ("%s%s %s"):format(kind.where, rule.rule, wrong) end
    kind.rules[#kind.rules + 1] = rule
  end
  raise_all(problems)
  misuse.attributes(kind, attributes == nil and {} or braces(kind, attributes))
  misuse.consistency(kind)
  return kind
end

local function field_rule(name)
  return function(fields) return { rule = name, fields = type(fields) == "table" and fields or {} } end
end

M.at_least_one_of = field_rule("at_least_one_of")
M.only_one_of = field_rule("only_one_of")
M.mutually_required = field_rule("mutually_required")
M.mutually_exclusive = field_rule("mutually_exclusive")

--- If one field is set (or equals a value, or is one of several), another must be (or be so, too).
function M.conditional(spec)
  spec = type(spec) == "table" and spec or {}
  local rule = { rule = "conditional", spec = spec, fields = { spec.if_field, spec.then_field } }
  for key, value in pairs(spec) do
    rule[key] = value
  end
  rule.rule, rule.spec = "conditional", spec
  rule.fields = { spec.if_field, spec.then_field }
  return rule
end

--- A rule of your own: gets the normalised record, and whether it stands in a file with `_format_version`. Returns
--- true, or nil, a message and the field it belongs to. After true such a message is a warning.
function M.check(fn) return { rule = "check", fn = fn, fields = {} } end

M.is_type = misuse.is_type

--- Checks a value; see moongate.schema.check for what it returns.
---@param kind table
---@param value any
---@param opts? { kong: boolean?, kind_of: (fun(value: table): string?)? }
---@return any value, table errors, table warnings
function M.validate(kind, value, opts)
  if not misuse.is_type(kind) then
    error("moongate.schema: validate takes a type first, got " .. words.value(kind), 2)
  end
  misuse.raise(kind, 2)
  return check.run(kind, value, opts)
end

--- A copy of a valid value in which every secret reads "***".
---@param kind table
---@param value any
---@return any
function M.redact(kind, value)
  if value == nil then
    return nil
  elseif kind.secret then
    return "***"
  elseif type(value) ~= "table" then
    return value
  end
  local result = {}
  for key, inner in pairs(value) do
    local of = kind.element or kind.values or (kind.fields and kind.fields[key])
    result[key] = of and M.redact(of, inner) or inner
  end
  return result
end

-- A misspelt type becomes a type with a problem, so that the record can say which field it was.
return setmetatable(M, {
  __index = function(_, name)
    return function()
      local kind = new("any", tostring(name), { "any value", "values" })
      kind.problems[1] = ("moongate.schema has no type %s%s"):format(
        words.quote(tostring(name)),
        words.did_you_mean(name, words.keys(M))
      )
      return kind
    end
  end,
})
