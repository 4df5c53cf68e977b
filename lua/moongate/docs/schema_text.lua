--- A schema as people read it: a table of its fields with their types, defaults and meanings, and its rules in
--- sentences.
local check = require("moongate.schema.check")
local words = require("moongate.schema.words")

local M = {}

local NAMES = {
  string = "string",
  number = "number",
  integer = "integer",
  boolean = "boolean",
  duration = "duration",
  size = "size",
  count = "count",
  timeout = "ms or duration",
  seconds = "s or duration",
  any = "any",
}

local function code(text) return "`" .. text .. "`" end

-- A value as YAML's flow style has it.
local function flow(value)
  if type(value) == "number" then
    return value % 1 == 0 and ("%d"):format(value) or ("%.14g"):format(value)
  elseif type(value) ~= "table" then
    return tostring(value)
  end
  local parts = {}
  if #value > 0 or next(value) == nil then
    for i, inner in ipairs(value) do
      parts[i] = flow(inner)
    end
    return "[" .. table.concat(parts, ", ") .. "]"
  end
  for i, key in ipairs(words.keys(value)) do
    parts[i] = key .. ": " .. flow(value[key])
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

local function choices(kind)
  local parts = {}
  for i, value in ipairs(kind.one_of) do
    parts[i] = code(flow(value))
  end
  return table.concat(parts, ", ")
end

-- "a header name" → "header name"
local function bare(noun) return (noun:gsub("^an? ", "")) end

local function many(kind)
  if kind.one_of then
    return choices(kind)
  elseif kind.kind == "array" or kind.kind == "set" then
    return "lists of " .. many(kind.element)
  elseif kind.kind == "map" then
    return "maps of " .. many(kind.values)
  end
  return kind.noun[2]
end

local LARGE = 2 ^ 31 - 1 -- a bound from here on is no more than what a number can be

local function range(low, high)
  if high < LARGE then return (", %s to %s"):format(flow(low), flow(high)) end
  return low > -LARGE and (", %s or more"):format(flow(low)) or ""
end

--- The type in a few words.
---@param kind table
---@return string
function M.type(kind)
  if kind.one_of then
    return choices(kind)
  elseif kind.kind == "array" or kind.kind == "set" then
    return (kind.kind == "set" and "set of " or "list of ") .. many(kind.element)
  elseif kind.kind == "map" then
    return "map of " .. many(kind.values)
  elseif kind.kind == "record" then
    return bare(kind.noun[1] == "a map of settings" and "record" or kind.noun[1])
  end
  local text = kind.name == "any" and kind.noun[1] ~= "any value" and bare(kind.noun[1])
    or NAMES[kind.name]
    or bare(kind.noun[1])
  if kind.between and kind.kind == "number" and kind.name ~= "port" then
    text = text .. range(kind.between[1], kind.between[2])
  end
  return kind.off and text .. " or `off`" or text
end

--- The default, with that of a file with `_format_version` behind it where it is another.
---@param kind table
---@return string
function M.default(kind)
  local function shown(value)
    if value == nil or value == check.none then return "–" end
    return code(value == "" and '""' or flow(value))
  end
  local text = kind.required and "required" or shown(kind.default)
  if kind.kong_default ~= nil then text = ("%s (%s)"):format(text, shown(kind.kong_default)) end
  return text
end

local function place_of(kind)
  local file, line = (kind.where or ""):match("^(.*):(%d+): $")
  return file, tonumber(line) or 0
end

--- The names of a record's fields: what is required first, then as they stand in the schema; what begins with "_" last.
---@param kind table
---@return string[]
function M.names(kind)
  local names, home = {}, place_of(kind)
  for i, name in ipairs(kind.names) do
    names[i] = name
  end
  local function rank(name)
    local field = kind.fields[name]
    return field.required and 0 or name:find("^_") and 3 or place_of(field) == home and 1 or 2
  end
  table.sort(names, function(a, b)
    if rank(a) ~= rank(b) then return rank(a) < rank(b) end
    local _, first = place_of(kind.fields[a])
    local _, second = place_of(kind.fields[b])
    if first ~= second then return first < second end
    return a < b
  end)
  return names
end

local function cell(text) return (text:gsub("|", "\\|"):gsub("\n", " ")) end

local add_fields

local function add(rows, path, kind)
  if kind.later then
    rows.later[#rows.later + 1] = path
    return
  end
  local leaf = rows.leaves and rows.leaves[kind]
  local inner = not leaf
    and (kind.kind == "record" and kind or (kind.element and kind.element.kind == "record" and kind.element))
  if not inner or kind.about then
    rows[#rows + 1] = { code(path), leaf or M.type(kind), M.default(kind), kind.about or "" }
    rows.unexplained = rows.unexplained or (not kind.about and path)
    rows.has_kong = rows.has_kong or kind.kong_default ~= nil
  end
  if inner then add_fields(rows, inner == kind and path .. "." or path .. "[].", inner) end
end

function add_fields(rows, before, kind)
  for _, name in ipairs(M.names(kind)) do
    if not (rows.skip and rows.skip[name] and before == "") then add(rows, before .. name, kind.fields[name]) end
  end
end

local function list(fields)
  local parts = {}
  for i, name in ipairs(fields) do
    parts[i] = code(name)
  end
  return table.concat(parts, ", ")
end

local function is(field, equals, one_of)
  if equals ~= nil then return ("%s is %s"):format(code(field), code(flow(equals))) end
  if one_of then return ("%s is one of %s"):format(code(field), choices { one_of = one_of }) end
  return code(field) .. " is set"
end

local RULES = {
  at_least_one_of = function(rule) return ("At least one of %s must be set."):format(list(rule.fields)) end,
  only_one_of = function(rule) return ("Exactly one of %s must be set."):format(list(rule.fields)) end,
  mutually_required = function(rule) return ("%s go together."):format(list(rule.fields)) end,
  mutually_exclusive = function(rule) return ("Only one of %s may be set."):format(list(rule.fields)) end,
  conditional = function(rule)
    local wanted = is(rule.then_field, rule.then_equals, rule.then_one_of):gsub("^(%S+) is ", "%1 must be ")
    return ("Where %s, %s."):format(is(rule.if_field, rule.if_equals, rule.if_one_of), wanted)
  end,
  check = function() end,
}

--- The fields as a Markdown table, with what comes later and the rules below it.
---@param kind table  a record
---@param opts? { leaves: table<table, string>?, skip: table<string, boolean>? }  types that are explained elsewhere
---@return string text
---@return string? unexplained  a field without `about`
function M.fields(kind, opts)
  local rows = { later = {}, leaves = opts and opts.leaves, skip = opts and opts.skip }
  add_fields(rows, "", kind)
  local out = {}
  if #rows > 0 then
    out[1] = ("| Field | Type | %s | About |"):format(rows.has_kong and "Default (Kong file)" or "Default")
    out[2] = "|---|---|---|---|"
    for _, row in ipairs(rows) do
      for i, text in ipairs(row) do
        row[i] = cell(text)
      end
      out[#out + 1] = "| " .. table.concat(row, " | ") .. " |"
    end
  else
    out[1] = "It takes no configuration."
  end
  local notes = {}
  for _, rule in ipairs(kind.rules) do
    notes[#notes + 1] = RULES[rule.rule](rule)
  end
  if #notes > 0 then out[#out + 1] = "\n" .. table.concat(notes, " ") end
  if #rows.later > 0 then
    table.sort(rows.later)
    out[#out + 1] = "\nKnown, not in this version: " .. list(rows.later) .. "."
  end
  return table.concat(out, "\n"), rows.unexplained
end

return M
