--- docs/moongate.schema.json: the configuration as JSON Schema (2020-12), so that editors complete it and say what is
--- wrong while it is written. `moongate check` knows more: names that must exist, and what only the core can judge.
local check = require("moongate.schema.check")
local entities = require("moongate.config.entities")
local json = require("moongate.docs.json")
local limits = require("moongate.config.limits")
local top = require("moongate.config.top")
local words = require("moongate.schema.words")

local M = {}

local LATER = "Known, not in this version."
local DURATION = "^\\d+\\.?\\d*\\s*([mM]?[sS]|[mMhHdD])$"
local SIZE = "^\\d+\\.?\\d*\\s*[bBkKmMgG]$"
local ENV = { ["$ref"] = "#/$defs/env" }

local function ref(name) return { ["$ref"] = "#/$defs/" .. name } end

local function any_of(...) return { anyOf = { ... } } end

-- Entities stand in each other as `any`: by what messages call them.
local BY_NOUN = {
  ["a service"] = ref("service"),
  ["a route"] = ref("route"),
  ["an upstream"] = ref("upstream"),
  ["a target"] = ref("target"),
  ["a consumer"] = ref("consumer"),
  ["a consumer group"] = ref("consumer-group"),
  ["a certificate"] = ref("certificate"),
  ["an SNI"] = ref("sni"),
  ["a CA certificate"] = ref("ca-certificate"),
  ["a plugin"] = ref("plugin"),
  ["a name or id"] = ref("reference"),
  ["a map"] = { type = "object" },
  ["a list of names"] = { type = "array" },
  ["`auto` or a number"] = any_of({ const = "auto" }, { type = "integer", minimum = 1, maximum = 512 }, ENV),
}

local QUANTITIES = {
  duration = function() return { { type = "string", pattern = DURATION } } end,
  size = function() return { { type = "string", pattern = SIZE } } end,
  count = function() return { { type = "integer", minimum = 1 } } end,
  timeout = function()
    return { { type = "integer", minimum = 1, maximum = 2147483646 }, { type = "string", pattern = DURATION } }
  end,
  seconds = function()
    return { { type = "number", minimum = 0, maximum = 65535 }, { type = "string", pattern = DURATION } }
  end,
}

local function quantity(kind)
  local choices = QUANTITIES[kind.name]()
  if kind.off then choices[#choices + 1] = { const = "off" } end
  choices[#choices + 1] = ENV
  return { anyOf = choices }
end

local function number(kind)
  local result = { type = kind.name == "number" and "number" or "integer" }
  if kind.name == "port" then
    result.minimum, result.maximum = 1, 65535
  end
  if kind.between then
    result.minimum, result.maximum = kind.between[1], kind.between[2]
  end
  if kind.gt then result.exclusiveMinimum = kind.gt end
  return any_of(result, ENV)
end

local function text(kind)
  local result = { type = "string" }
  if kind.len_min and kind.len_min > 0 then result.minLength = kind.len_min end
  if kind.len_max then result.maxLength = kind.len_max end
  return result
end

-- What no value passes: it only stands there to be explained.
local function refuses(kind) return kind.check and not kind.check({}) and not kind.check("x") and not kind.check(1) end

local function of_any(kind)
  local known = BY_NOUN[kind.noun[1]]
  if known then
    local copy = {}
    for key, value in pairs(known) do
      copy[key] = value
    end
    return copy
  end
  return refuses(kind) and { ["not"] = {} } or {}
end

local convert

local function list(kind)
  local result = { type = "array", items = convert(kind.element) }
  if kind.len_min and kind.len_min > 0 then result.minItems = kind.len_min end
  result.maxItems = kind.len_max
  return result
end

local function has_default(kind)
  return kind.kind == "record" or (kind.default ~= nil and kind.default ~= check.none) or kind.kong_default ~= nil
end

local function needs(names)
  local choices = {}
  for i, name in ipairs(names) do
    choices[i] = { required = { name } }
  end
  return choices
end

local function condition(name, equals, one_of)
  local result = { required = { name } }
  if equals ~= nil then result.properties = { [name] = { const = equals } } end
  if one_of then result.properties = { [name] = { enum = one_of } } end
  return result
end

-- Rules hold for the record with its defaults; here only what is written can be seen, so fields with one are left out.
local RULES = {
  at_least_one_of = function(rule) return { anyOf = needs(rule.fields) } end,
  only_one_of = function(rule) return { oneOf = needs(rule.fields) } end,
  mutually_exclusive = function(rule)
    local both = {}
    for i, first in ipairs(rule.fields) do
      for j = i + 1, #rule.fields do
        both[#both + 1] = { required = { first, rule.fields[j] } }
      end
    end
    return { ["not"] = { anyOf = both } }
  end,
  mutually_required = function(rule)
    local all = {}
    for _, name in ipairs(rule.fields) do
      all[name] = rule.fields
    end
    return { dependentRequired = all }
  end,
  conditional = function(rule)
    return {
      ["if"] = condition(rule.if_field, rule.if_equals, rule.if_one_of),
      ["then"] = condition(rule.then_field, rule.then_equals, rule.then_one_of),
    }
  end,
}

local function rules_of(kind)
  local all = {}
  for _, rule in ipairs(kind.rules) do
    local visible = RULES[rule.rule] ~= nil
    for _, name in ipairs(rule.fields) do
      visible = visible and not has_default(kind.fields[name])
    end
    if visible then all[#all + 1] = RULES[rule.rule](rule) end
  end
  return #all > 0 and all or nil
end

local function credentials(name) return ref("credential-" .. entities.COLLECTIONS[name]) end

local function field(name, kind)
  if kind == limits.of_listener then return ref("limits") end
  if kind == limits.of_scope then return ref("limits-of-scope") end
  if
    kind.element
    and kind.element.noun
    and kind.element.noun[1] == "a credential"
    and entities.COLLECTIONS[name]
  then
    return { type = "array", items = credentials(name), description = kind.about }
  end
  return convert(kind)
end

local function record(kind)
  local properties, required = {}, {}
  for _, name in ipairs(kind.names) do
    local inner = kind.fields[name]
    properties[name] = field(name, inner)
    if inner.required and not has_default(inner) then required[#required + 1] = name end
  end
  return {
    type = "object",
    properties = properties,
    additionalProperties = false,
    required = #required > 0 and required or nil,
    allOf = rules_of(kind),
  }
end

local KINDS = {
  string = text,
  number = number,
  boolean = function() return any_of({ type = "boolean" }, ENV) end,
  quantity = quantity,
  any = of_any,
  array = list,
  set = list,
  map = function(kind) return { type = "object", additionalProperties = convert(kind.values) } end,
  record = record,
}

-- Only what Kong does anyway; files made by tools say it.
local function later(kind)
  if kind.default == nil then
    return ref("later")
  elseif type(kind.default) == "table" then
    return { description = LATER, type = { "array", "object" } }
  end
  return { description = LATER, const = kind.default }
end

local function shown_default(value)
  if value == nil or value == check.none then return nil end
  if type(value) == "table" and next(value) == nil then return json.EMPTY_LIST end
  return value
end

function convert(kind)
  if kind.later then return later(kind) end
  local result
  if kind.one_of then
    result = any_of({ enum = kind.one_of }, ENV)
  else
    result = KINDS[kind.kind](kind)
  end
  result.description = kind.about
  result.default = shown_default(kind.default)
  return result
end

local function defs()
  local result = {
    env = { description = "Taken from the environment.", type = "string", pattern = "\\$\\{" },
    later = { description = LATER, type = { "array", "object" }, maxItems = 0, maxProperties = 0 },
    reference = any_of({ type = "string" }, {
      type = "object",
      properties = { id = { type = "string" }, name = { type = "string" }, username = { type = "string" } },
    }),
    limits = convert(limits.of_listener),
    ["limits-of-scope"] = convert(limits.of_scope),
    service = convert(entities.services),
    route = convert(entities.routes),
    upstream = convert(entities.upstreams),
    target = convert(entities.targets),
    consumer = convert(entities.consumers),
    certificate = convert(entities.certificates),
    sni = convert(entities.snis),
    ["ca-certificate"] = convert(entities.ca_certificates),
    ["consumer-group"] = convert(entities.consumer_groups),
    plugin = convert(entities.plugins),
  }
  result.service.anyOf = needs { "url", "host" }
  result.route.anyOf = needs { "paths", "hosts", "methods", "headers", "query" }
  return result
end

-- A credential's own fields and those that all have.
local function credential(kind)
  local result, extras = convert(kind), convert(entities.credential_extras)
  for name, value in pairs(extras.properties) do
    result.properties[name] = result.properties[name] or value
  end
  return result
end

-- The configuration of each bundled plugin, chosen by its name.
local function add_plugins(all, plugins)
  local choices, names, by_plugin = {}, {}, {}
  for _, info in ipairs(plugins) do
    all["config-" .. info.name] = convert(info.schema)
    names[#names + 1] = info.name
    choices[#choices + 1] = {
      ["if"] = { properties = { name = { const = info.name } }, required = { "name" } },
      ["then"] = { properties = { config = ref("config-" .. info.name) } },
    }
    if info.credentials then
      all["credential-" .. info.name] = credential(info.credentials)
      by_plugin[info.name] = { type = "array", items = ref("credential-" .. info.name) }
    end
  end
  all.plugin.allOf = choices
  all.plugin.properties.name.anyOf = { { enum = names }, { type = "string" } }
  all.plugin.properties.name.type = nil
  all.consumer.properties.credentials.properties = by_plugin
  for _, name in ipairs(words.keys(entities.COLLECTIONS)) do
    local plugin = "credential-" .. entities.COLLECTIONS[name]
    all[plugin] = all[plugin] or { description = LATER, ["not"] = {} }
  end
end

--- The whole schema.
---@param plugins table[]  what moongate.config.plugins knows of each bundled one, in order
---@return string
function M.text(plugins)
  local result = convert(top.schema)
  result["$schema"] = "https://json-schema.org/draft/2020-12/schema"
  result.title = "Moongate's configuration"
  result["$defs"] = defs()
  add_plugins(result["$defs"], plugins)
  return json.encode(result)
end

return M
