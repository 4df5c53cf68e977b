--- Values as text for people.
local DEPTH, ENTRIES, TEXT = 6, 100, 1000

local WORDS = {}
for word in
  (
    "and break do else elseif end false for function goto if in local nil not or repeat return then true "
    .. "until while"
  ):gmatch("%a+")
do
  WORDS[word] = true
end

local function quote(text)
  local cut = #text > TEXT
  return ("%q")
    :format(cut and text:sub(1, TEXT) or text)
    :gsub("\\\n", "\\n")
    :gsub("[%z\1-\31\127]", function(char) return ("\\%d"):format(char:byte()) end) .. (cut and "…" or "")
end

local function by_kind(a, b)
  local kind_a, kind_b = type(a), type(b)
  if kind_a ~= kind_b then return kind_a < kind_b end
  if kind_a == "number" or kind_a == "string" then return a < b end
  return tostring(a) < tostring(b)
end

local put

local function put_key(out, key, seen, depth)
  if type(key) == "string" and key:find("^[%a_][%w_]*$") and not WORDS[key] then
    out[#out + 1] = key
  else
    out[#out + 1] = "["
    put(out, key, seen, depth)
    out[#out + 1] = "]"
  end
  out[#out + 1] = " = "
end

local function put_table(out, value, seen, depth)
  local keys, count = {}, #value
  for key in next, value do
    if not (type(key) == "number" and key >= 1 and key <= count and key % 1 == 0) then keys[#keys + 1] = key end
  end
  table.sort(keys, by_kind)
  out[#out + 1] = "{"
  for i = 1, math.min(count, ENTRIES) do
    out[#out + 1] = i > 1 and ", " or " "
    put(out, rawget(value, i), seen, depth + 1)
  end
  local room = ENTRIES - math.min(count, ENTRIES)
  for i = 1, math.min(#keys, room) do
    out[#out + 1] = (count > 0 or i > 1) and ", " or " "
    put_key(out, keys[i], seen, depth + 1)
    put(out, rawget(value, keys[i]), seen, depth + 1)
  end
  if count + #keys > ENTRIES then out[#out + 1] = ", …" end
  out[#out + 1] = count + #keys > 0 and " }" or "}"
end

function put(out, value, seen, depth)
  local kind = type(value)
  if kind == "string" then
    out[#out + 1] = quote(value)
  elseif kind ~= "table" then
    local plain = kind == "number" or kind == "boolean" or kind == "nil"
    out[#out + 1] = plain and tostring(value) or ("<%s>"):format(kind)
  elseif seen[value] then
    out[#out + 1] = "<itself>"
  elseif depth > DEPTH then
    out[#out + 1] = "{ … }"
  else
    seen[value] = true
    put_table(out, value, seen, depth)
    seen[value] = nil
  end
end

local M = {}

--- Any value as Lua would write it: tables with their keys in order, cut where they are deep or long.
---@phase init, any
---@param value any
---@return string
function M.text(value)
  local out = {}
  put(out, value, {}, 1)
  return table.concat(out)
end

return M
