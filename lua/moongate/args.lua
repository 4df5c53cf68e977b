--- Arguments of queries and forms: "a=1&b&c=x%20y".
local M = {}

local function decode(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function encode(text)
  return (text:gsub("[^%w%-%._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

--- At most `max` arguments; a bare name is `true`, repeats are arrays.
---@param text string
---@param max? integer
---@return table<string, string|true|(string|true)[]>
function M.decode(text, max)
  local args, count = {}, 0
  for item in text:gmatch("[^&]+") do
    if count == (max or 100) then break end
    count = count + 1
    local name, value = item:match("^([^=]*)=(.*)$")
    if name then
      name, value = decode(name), decode(value)
    else
      name, value = decode(item), true
    end
    local before = args[name]
    if before == nil then
      args[name] = value
    elseif type(before) == "table" then
      before[#before + 1] = value
    else
      args[name] = { before, value }
    end
  end
  return args
end

local function append(out, name, value)
  local kind = type(value)
  if value == true then
    out[#out + 1] = encode(name)
  elseif kind == "string" or kind == "number" then
    out[#out + 1] = encode(name) .. "=" .. encode(tostring(value))
  elseif value ~= false then
    return nil, ("the value of %q must be a string, number, boolean or an array of them"):format(name)
  end
  return true
end

--- In alphabetical order, so that the same table always makes the same text.
---@param args table
---@return string? text, string? reason
function M.encode(args)
  local names, out = {}, {}
  for name in pairs(args) do
    if type(name) ~= "string" then return nil, "the names must be strings" end
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = args[name]
    local values = type(value) == "table" and value or { value }
    for i = 1, #values do
      local ok, reason = append(out, name, values[i])
      if not ok then return nil, reason end
    end
  end
  return table.concat(out, "&")
end

return M
