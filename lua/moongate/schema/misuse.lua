--- Finds mistakes in a schema itself. A type keeps its own problems; the record that names it
--- raises them, so that the
--- author reads which field of which file is wrong when the plugin is loaded, not when a request
--- comes.
local check = require("moongate.schema.check")
local context = require("moongate.schema.context")
local cross = require("moongate.schema.cross")
local types = require("moongate.schema.types")
local words = require("moongate.schema.words")

local M = {}

function M.is_type(value) return type(value) == "table" and rawget(value, "is_schema_type") == true end

local function is_list(value) return type(value) == "table" and #value > 0 end

-- What an attribute must be: nil when it is right, else what it should have been.
local FORMS = {
  any = function() end,
  type = function(value) return not M.is_type(value) and "a type such as t.string {}" or nil end,
  list = function(value) return not is_list(value) and "a list of values" or nil end,
  pattern = function(value)
    if type(value) ~= "string" then return "a Lua pattern" end
    local ok, reason = pcall(string.find, "", value)
    return not ok and "a Lua pattern (" .. reason .. ")" or nil
  end,
  count = function(value)
    return (type(value) ~= "number" or value < 0 or value % 1 ~= 0) and "a whole number, 0 or more" or nil
  end,
  range = function(value)
    local ok = type(value) == "table" and type(value[1]) == "number" and type(value[2]) == "number"
    return not (ok and value[1] <= value[2]) and "{ low, high }" or nil
  end,
  unit = function(value) return value ~= "s" and value ~= "ms" and '"s" or "ms"' or nil end,
}

local function expects(name)
  return FORMS[name] or function(value) return type(value) ~= name and "a " .. name or nil end
end

local function problem(kind, message) kind.problems[#kind.problems + 1] = message end

--- Copies the attributes from `spec` into `kind`, noting those that do not belong there.
---@param kind table
---@param spec table
function M.attributes(kind, spec)
  local known = types.KINDS[kind.kind].attributes
  for _, name in ipairs(words.keys(spec)) do
    local value = spec[name]
    if type(name) == "number" then
      if name > (types.KINDS[kind.kind].holds or 0) then
        problem(kind, ("%s takes no element at place %d"):format(kind.name, name))
      end
    elseif not known[name] then
      problem(
        kind,
        ("%s has no attribute %s%s"):format(
          kind.name,
          words.quote(tostring(name)),
          words.did_you_mean(name, words.keys(known))
        )
      )
    else
      local should = expects(known[name])(value)
      if should then
        problem(kind, ("%s must be %s, got %s"):format(name, should, words.value(value)))
      else
        kind[name] = value
      end
    end
  end
end

--- Checks that `value` can be what an array holds, a map maps or a record names; says what it is
--- instead.
---@param value any
---@return string? problem
function M.not_a_type(value)
  if M.is_type(value) then
    return nil
  elseif type(value) == "function" then
    return "is a function; a type needs its braces: write t.string {}"
  end
  return ("expected a type such as t.string {}, got %s"):format(words.value(value))
end

local function fits(kind, name, value)
  if value == nil or value == check.none then return end
  local bare = setmetatable({ later = false, default = false, kong_default = false }, { __index = kind })
  local _, errors = check.run(bare, value)
  for _, err in ipairs(errors) do
    local where = #err.path > 0 and "[" .. table.concat(err.path, ".") .. "]" or ""
    problem(kind, ("%s%s does not fit its own type: %s"):format(name, where, err.message))
  end
end

--- Checks that need every attribute in place: they agree with each other, and defaults fit.
---@param kind table
function M.consistency(kind)
  if #kind.problems > 0 then
    return -- one mistake, one message
  end
  if kind.len_min and kind.len_max and kind.len_min > kind.len_max then
    problem(kind, "len_min is larger than len_max")
  end
  if kind.kong_unsafe and kind.kong_default == nil then
    problem(kind, "kong_unsafe speaks of a kong_default, and there is none")
  end
  if kind.required and kind.later then problem(kind, "a field that comes later cannot be required") end
  if kind.required and kind.default == check.none then problem(kind, "required contradicts default = t.none") end
  for _, entry in ipairs(kind.one_of or {}) do
    if not kind.takes[type(entry)] then
      problem(kind, ("one_of holds %s, which is not %s"):format(words.value(entry), context.noun(kind)))
      return
    end
  end
  fits(kind, "default", kind.default)
  fits(kind, "kong_default", kind.kong_default)
end

local RULE_KEYS = {
  if_field = true,
  if_equals = true,
  if_one_of = true,
  then_field = true,
  then_equals = true,
  then_one_of = true,
}

local function conditional_problem(rule)
  for key in pairs(rule.spec) do
    if not RULE_KEYS[key] then
      return ("has no %s%s"):format(words.quote(tostring(key)), words.did_you_mean(key, words.keys(RULE_KEYS)))
    end
  end
  if type(rule.if_field) ~= "string" or type(rule.then_field) ~= "string" then
    return "needs if_field and then_field"
  end
  for _, key in ipairs { "if_one_of", "then_one_of" } do
    if rule[key] ~= nil and not is_list(rule[key]) then return key .. " must be a list of values" end
  end
end

--- What is wrong with a cross-field rule of a record, or nil.
---@param rule table
---@param fields table<string, table>
---@return string?
function M.rule_problem(rule, fields)
  if rule.rule == "check" then
    return type(rule.fn) ~= "function" and "needs a function" or nil
  elseif rule.rule == "conditional" then
    local message = conditional_problem(rule)
    if message then return message end
  elseif #rule.fields < 2 then
    return "needs at least two fields"
  end
  for _, name in ipairs(rule.fields) do
    if not fields[name] then
      return ("speaks of %s, which is no field here%s"):format(
        words.quote(tostring(name)),
        words.did_you_mean(name, words.keys(fields))
      )
    end
  end
end

--- Raises the problems of a type that nobody else will raise.
---@param kind table
---@param level integer
function M.raise(kind, level)
  if #kind.problems > 0 then error("moongate.schema: " .. table.concat(kind.problems, "\n"), level + 1) end
end

M.is_rule = function(value) return type(value) == "table" and cross.RULES[rawget(value, "rule")] ~= nil end

return M
