--- JSON, by lua-cjson. What can happen is nil and a reason. `json.null` stands for null. An empty table is an object
--- unless it came from `[]` or went through json.array(): empty arrays stay what they are from decoding to encoding.
local cjson = require("cjson").new()
local ffi = require("ffi")

cjson.decode_max_depth(128)
cjson.encode_max_depth(128)
cjson.encode_number_precision(14)
cjson.decode_invalid_numbers(false)

local DEPTH = 128
local find, byte, sub, match = string.find, string.byte, string.sub, string.match

local M = { null = cjson.null }

local ARRAY = { __name = "json array" }

-- cjson knows no empty arrays: they travel through it as arrays with this one text, which nobody can guess. Like this
-- a value that nobody changes comes out as it went in.
local function make_mark()
  local C = require("moongate.cdef")
  local out = ffi.new("char[37]")
  C.gw_pdk_uuid(require("moongate.core").script, 4, out)
  return "moongate " .. ffi.string(out, 36) .. " "
end

local MARK = make_mark()
local MARKED = '["' .. MARK .. '"]'
local MARK_PATTERN = MARK:gsub("%-", "%%-")
local MARKED_PATTERN = '%["' .. MARK_PATTERN .. '"%]'
local LONG_PATTERN = '"' .. MARK_PATTERN .. '(%-?%d+)"'

--- Marks a table as an array, so that it is one also when it is empty.
---@param list? table
---@return table
function M.array(list) return setmetatable(list or {}, ARRAY) end

--- True for what json.array() marked and for empty arrays that were decoded.
function M.is_array(value) return type(value) == "table" and getmetatable(value) == ARRAY end

-- Where the string that begins at `at` ends; nil when it does not.
local function string_end(text, at)
  while true do
    at = find(text, '["\\]', at + 1)
    if not at then return nil end
    if byte(text, at) == 34 then return at end
    at = at + 1
  end
end

-- Every [] outside of strings becomes the marked array; nil when there is none.
local function mark_empty(text)
  if not find(text, "%[[ \t\r\n]*%]") then return nil end
  local out, from, at = {}, 1, 1
  while true do
    local start = find(text, '["[]', at)
    if not start then break end
    if byte(text, start) == 34 then
      at = string_end(text, start)
      if not at then break end
      at = at + 1
    else
      local after = match(text, "^%[[ \t\r\n]*%]()", start)
      if after then
        out[#out + 1], out[#out + 2] = sub(text, from, start - 1), MARKED
        from = after
      end
      at = after or start + 1
    end
  end
  out[#out + 1] = sub(text, from)
  return table.concat(out)
end

local function unmark(value)
  for _, inner in pairs(value) do
    if type(inner) == "table" then
      if inner[1] == MARK then
        inner[1] = nil
        setmetatable(inner, ARRAY)
      else
        unmark(inner)
      end
    end
  end
  return value
end

--- The value of a JSON text.
---@param text string
---@return any value, string? reason
function M.decode(text)
  if type(text) ~= "string" then return nil, "not a string" end
  local marked = mark_empty(text)
  local ok, value = pcall(cjson.decode, marked or text)
  if not ok then return nil, (tostring(value):gsub(MARK_PATTERN, "")) end
  if marked and type(value) == "table" then value = unmark({ value })[1] end
  return value
end

-- cjson writes 14 digits: a longer whole number travels as a marked text.
local function is_long(value)
  return type(value) == "number"
    and (value >= 1e14 or value <= -1e14)
    and value % 1 == 0
    and value < 2 ^ 63
    and value > -2 ^ 63
end

-- Replaces what cjson cannot write, empty arrays and long whole numbers, and keeps in `changes` how to undo it.
local function mark_tables(value, depth, changes)
  if depth > DEPTH then return end
  if next(value) == nil then
    if getmetatable(value) == ARRAY then
      changes[#changes + 1] = { value, 1, nil }
      value[1] = MARK
    end
    return
  end
  for key, inner in next, value do
    if type(inner) == "table" then
      mark_tables(inner, depth + 1, changes)
    elseif is_long(inner) then
      changes[#changes + 1] = { value, key, inner }
      value[key] = MARK .. ("%.0f"):format(inner) -- an existing key: next() goes on
    end
  end
end

local function encode_marked(value, changes)
  local ok, text = pcall(cjson.encode, value)
  for i = #changes, 1, -1 do
    local change = changes[i]
    change[1][change[2]] = change[3]
  end
  if ok then text = text:gsub(MARKED_PATTERN, "[]"):gsub(LONG_PATTERN, "%1") end
  return ok, text
end

--- A value as JSON text.
---@param value any
---@return string? text, string? reason
function M.encode(value)
  if is_long(value) then return ("%.0f"):format(value) end
  local ok, text
  local changes = {}
  if type(value) == "table" then mark_tables(value, 1, changes) end
  if changes[1] then
    ok, text = encode_marked(value, changes)
  else
    ok, text = pcall(cjson.encode, value)
  end
  if not ok then return nil, (tostring(text):gsub(MARK_PATTERN, "")) end
  if find(text, "\\/", 1, true) then text = text:gsub("\\/", "/") end -- cjson escapes every slash; nobody else does
  return text
end

return M
