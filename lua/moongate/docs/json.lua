--- JSON for files that people keep in git: keys in a fixed order, two spaces, short things on one line.
local M = {}

local FIRST = {
  "$schema",
  "$id",
  "$ref",
  "title",
  "description",
  "type",
  "enum",
  "const",
  "pattern",
  "required",
  "properties",
  "items",
}
local RANK = {}
for i, name in ipairs(FIRST) do
  RANK[name] = i
end

local WIDTH = 100

local EMPTY_LIST = setmetatable({}, { __name = "empty list" })

--- What an empty list is; an empty table is an object.
M.EMPTY_LIST = EMPTY_LIST

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\t"] = "\\t" }

local function quote(text)
  return '"'
    .. text:gsub('[%c"\\]', function(char) return ESCAPES[char] or ("\\u%04x"):format(char:byte()) end)
    .. '"'
end

local function keys(map)
  local list = {}
  for key in pairs(map) do
    list[#list + 1] = key
  end
  table.sort(list, function(a, b)
    local first, second = RANK[a] or 100, RANK[b] or 100
    if first ~= second then return first < second end
    return a < b
  end)
  return list
end

local function scalar(value)
  if type(value) == "string" then return quote(value) end
  if type(value) == "number" then return value % 1 == 0 and ("%d"):format(value) or ("%.14g"):format(value) end
  return tostring(value)
end

local encode

-- The parts between brackets, on one line when they fit.
local function block(open, parts, close, indent)
  local short = open .. " " .. table.concat(parts, ", ") .. " " .. close
  if #indent + #short <= WIDTH and not short:find("\n", 1, true) then return short end
  local inner = indent .. "  "
  return open .. "\n" .. inner .. table.concat(parts, ",\n" .. inner) .. "\n" .. indent .. close
end

function encode(value, indent)
  if type(value) ~= "table" then
    return scalar(value)
  elseif value == EMPTY_LIST then
    return "[]"
  elseif next(value) == nil then
    return "{}"
  end
  local parts, inner = {}, indent .. "  "
  if #value > 0 then
    for i, item in ipairs(value) do
      parts[i] = encode(item, inner)
    end
    return block("[", parts, "]", indent)
  end
  for i, key in ipairs(keys(value)) do
    parts[i] = quote(key) .. ": " .. encode(value[key], inner)
  end
  return block("{", parts, "}", indent)
end

---@param value any
---@return string
function M.encode(value) return encode(value, "") .. "\n" end

return M
