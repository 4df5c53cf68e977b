--- Checks one scalar against its type: strings, numbers, booleans and what is made of them.
local context = require("moongate.schema.context")
local words = require("moongate.schema.words")

local report = context.report

local M = {}

local function show(value) return type(value) == "string" and words.quote(value) or ("%.14g"):format(value) end

local function contains(list, value)
  for _, entry in ipairs(list) do
    if entry == value then return true end
  end
  return false
end

local function check_one_of(cx, kind, value)
  if contains(kind.one_of, value) then return end
  local shown, names = {}, {}
  for i, entry in ipairs(kind.one_of) do
    shown[i], names[i] = show(entry), tostring(entry)
  end
  local meant = words.suggest(value, names)
  report(
    cx,
    ("must be one of %s, got %s%s"):format(
      table.concat(shown, ", "),
      show(value),
      meant and (" (did you mean %s?)"):format(words.quote(meant)) or ""
    )
  )
end

local function got(kind, value) return kind.secret and "this value" or show(value) end

local function check_text(cx, kind, value)
  if kind.len_min and #value < kind.len_min then
    report(cx, value == "" and "must not be empty" or ("needs at least %d characters"):format(kind.len_min))
  end
  if kind.len_max and #value > kind.len_max then
    report(cx, ("takes at most %d characters, got %d"):format(kind.len_max, #value))
  end
  if kind.match and not value:find(kind.match) then
    report(cx, ("%s does not match the pattern %s"):format(got(kind, value), words.quote(kind.match)))
  end
  if kind.not_match and value:find(kind.not_match) then
    report(cx, ("%s must not match the pattern %s"):format(got(kind, value), words.quote(kind.not_match)))
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

--- The normal form of a scalar; nil, with an error noted, when it is not valid.
---@param cx table  see moongate.schema.context
---@param kind table
---@param value any
---@return any
function M.check(cx, kind, value)
  if not kind.takes[type(value)] then return context.wrong_type(cx, kind, value) end
  local result, before = value, #cx.errors
  if kind.parse then
    local reason
    result, reason = kind.parse(value, kind)
    if result == nil then return report(cx, got(kind, value) .. " " .. reason) end
  end
  if kind.one_of then check_one_of(cx, kind, result) end
  if type(result) == "string" then
    check_text(cx, kind, result)
  elseif type(result) == "number" then
    check_number(cx, kind, result)
  end
  if #cx.errors > before then return nil end
  return result
end

return M
