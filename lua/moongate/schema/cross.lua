--- Rules over several fields of one record. Each is a table { rule = NAME, … } that stands among
--- the record's fields.
local words = require("moongate.schema.words")

local M = {}

--- Calls a function of a plugin's schema; an error in it is one more reason to refuse the value.
---@param fn function
---@param value any
---@param kong? boolean  it stands in a file with `_format_version`
---@return any ok
---@return string? message
---@return string? field
function M.call(fn, value, kong)
  local ran, ok, message, field = pcall(fn, value, kong)
  if not ran then return nil, "cannot be checked, the schema's own function failed: " .. tostring(ok) end
  return ok, message, field
end

local function given(fields, record)
  local count, missing = 0, {}
  for _, name in ipairs(fields) do
    if record[name] == nil then
      missing[#missing + 1] = name
    else
      count = count + 1
    end
  end
  return count, missing
end

local function matches(rule, prefix, value)
  local one_of = rule[prefix .. "_one_of"]
  if value == nil then
    return false
  elseif rule[prefix .. "_equals"] ~= nil then
    return value == rule[prefix .. "_equals"]
  elseif not one_of then
    return true -- any value will do
  end
  for _, entry in ipairs(one_of) do
    if entry == value then return true end
  end
  return false
end

local function show(value) return type(value) == "string" and words.quote(value) or tostring(value) end

local function wanted(rule)
  if rule.then_equals ~= nil then
    return "must be " .. show(rule.then_equals)
  elseif rule.then_one_of then
    local shown = {}
    for i, entry in ipairs(rule.then_one_of) do
      shown[i] = show(entry)
    end
    return "must be one of " .. table.concat(shown, ", ")
  end
  return "is required"
end

--- What each rule says about a record: nil, or a message and the field it belongs to.
M.RULES = {
  at_least_one_of = function(rule, record)
    if given(rule.fields, record) == 0 then return "needs at least one of " .. words.list(rule.fields) end
  end,
  only_one_of = function(rule, record)
    local count = given(rule.fields, record)
    if count > 1 then return "takes only one of " .. words.list(rule.fields) end
  end,
  mutually_required = function(rule, record)
    local count, missing = given(rule.fields, record)
    if count > 0 and #missing > 0 then
      return ("%s belong together: %s is missing"):format(words.list(rule.fields), words.list(missing))
    end
  end,
  mutually_exclusive = function(rule, record)
    if given(rule.fields, record) == #rule.fields then return words.list(rule.fields) .. " exclude each other" end
  end,
  conditional = function(rule, record)
    if not matches(rule, "if", record[rule.if_field]) or matches(rule, "then", record[rule.then_field]) then
      return nil
    end
    return ("%s, because %s is %s"):format(
      wanted(rule),
      rule.if_field,
      type(record[rule.if_field]) == "table" and "set" or show(record[rule.if_field])
    ),
      rule.then_field
  end,
  check = function(rule, record, kong)
    local ok, message, field = M.call(rule.fn, record, kong)
    if not ok then return message or "is not valid", field end
    return nil, field, message
  end,
}

--- Runs one rule, unless a field it looks at is already known to be wrong.
---@param rule table
---@param record table  normalised
---@param broken table<string, boolean>  fields with errors
---@param any_broken boolean
---@param kong? boolean
---@return string? message
---@return string? field
---@return string? warning  where it is no error
function M.run(rule, record, broken, any_broken, kong)
  if rule.rule == "check" then
    if any_broken then
      return nil -- a function of the plugin's never sees a half-made record
    end
  else
    for _, name in ipairs(rule.fields) do
      if broken[name] then return nil end
    end
  end
  return M.RULES[rule.rule](rule, record, kong)
end

return M
