--- Header tables as plugins see them: shared by request, response, service and fetch.
local ffi = require("ffi")
local check = require("moongate.pdk.check")

local C = require("moongate.cdef")
local ffi_string = ffi.string
local lower, gsub = string.lower, string.gsub

local M = {}

--- Lower-case keys; looked up in any case, and with "_" for "-".
local LOOSE = {
  __index = function(headers, name)
    if type(name) ~= "string" then return nil end
    return rawget(headers, (gsub(lower(name), "_", "-")))
  end,
}

---@return table<string, string|string[]>
function M.new() return setmetatable({}, LOOSE) end

--- One more value of a name: the second makes an array of it.
function M.put(headers, name, value)
  local before = rawget(headers, name)
  if before == nil then
    rawset(headers, name, value)
  elseif type(before) == "table" then
    before[#before + 1] = value
  else
    rawset(headers, name, { before, value })
  end
end

--- The first value, or nil.
function M.get(h, head, name)
  if C.gw_pdk_field(h, head, name, #name) ~= 0 then return ffi_string(h.ptr, h.len) end
end

--- At most `max` of them.
function M.all(h, head, max)
  local headers = M.new()
  for n = 0, max - 1 do
    if C.gw_pdk_field_at(h, head, n) == 0 then break end
    M.put(headers, ffi_string(h.ptr, h.len), ffi_string(h.ptr2, h.len2))
  end
  return headers
end

local function one(h, head, verb, what, name, value)
  local kind = type(value)
  if kind == "number" or kind == "boolean" then
    value = tostring(value)
  elseif kind ~= "string" then
    error(("%s: the value of %q must be a string, number or boolean, not %s"):format(what, name, kind), 4)
  end
  check.verdict(C.gw_pdk_edit(h, head, verb, name, #name, value, #value), what, name, 4)
end

--- Sets or adds one header; an array sets them all. Misuse is an error of who called the PDK function.
function M.edit(h, head, verb, what, name, value)
  if type(name) ~= "string" then error(what .. ": the header's name must be a string", 3) end
  if type(value) ~= "table" then
    one(h, head, verb, what, name, value) -- no tail call: errors count the levels
    return
  end
  if verb == C.GW_PDK_SET then
    check.verdict(C.gw_pdk_edit(h, head, C.GW_PDK_CLEAR, name, #name, nil, 0), what, name, 3)
  end
  for i = 1, #value do
    one(h, head, C.GW_PDK_ADD, what, name, value[i])
  end
end

function M.clear(h, head, what, name)
  if type(name) ~= "string" then error(what .. ": the header's name must be a string", 3) end
  check.verdict(C.gw_pdk_edit(h, head, C.GW_PDK_CLEAR, name, #name, nil, 0), what, name, 3)
end

return M
