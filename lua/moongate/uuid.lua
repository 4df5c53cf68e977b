--- Identifiers (RFC 9562).
local ffi = require("ffi")
local core = require("moongate.core")

local C = require("moongate.cdef")
local out = ffi.new("char[37]")

local M = {}

--- 122 random bits. Who has seen many of them can foretell the next: secrets come from moongate.crypto.random().
---@return string
function M.v4()
  C.gw_pdk_uuid(core.script, 4, out)
  return ffi.string(out, 36)
end

--- Begins with the time, so that later ones sort behind.
---@return string
function M.v7()
  C.gw_pdk_uuid(core.script, 7, out)
  return ffi.string(out, 36)
end

--- True for a text in a UUID's form, of any version: 8-4-4-4-12 hexadecimal digits, in either case.
---@param text any
---@return boolean
function M.is_valid(text)
  return type(text) == "string"
    and #text == 36
    and text:find("^%x+%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x+$") == 1
    and text:byte(9) == 45
end

return M
