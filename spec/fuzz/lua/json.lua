-- moongate.json without a gateway around it: reading, writing and reading again.
local ffi = require("ffi")

package.loaded["moongate.core"] = {}
package.loaded["moongate.cdef"] = {
  gw_pdk_uuid = function(_, _, out) ffi.copy(out, "0190a7c2-0000-7000-8000-000000000000") end,
}
local cjson = require("cjson").new()
local json = require("moongate.json")

cjson.decode_max_depth(200)

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b or (a ~= a and b ~= b) end
  if json.is_array(a) ~= json.is_array(b) then return false end
  for key, value in pairs(a) do
    if not same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

-- Numbers of more than 14 digits that are no whole numbers lose some when they are written.
local function rounded(value)
  if type(value) == "number" then return tonumber(("%.14g"):format(value)) end
  if type(value) ~= "table" then return value end
  for key, inner in pairs(value) do
    if type(inner) ~= "number" or inner % 1 ~= 0 then value[key] = rounded(inner) end
  end
  return value
end

return function(bytes)
  local value, reason = json.decode(bytes)
  if reason then return assert(type(reason) == "string") end
  value = rounded(value)
  local text, why = json.encode(value)
  if not text then return assert(type(why) == "string") end
  assert(pcall(cjson.decode, text), "what was written is no JSON: " .. text)
  assert(same(value, json.decode(text)), "read again it is something else: " .. text)
end
