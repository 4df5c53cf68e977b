--- Checks that only the core can make, for the validator. In a plain Lua without the core they let everything pass.
local ffi = require("ffi")

local M = {}

local ANCHORED, CASELESS = 1, 2
local WHY_SIZE = 256

local there, C = pcall(require, "moongate.cdef")

--- Whether the core is there to be asked.
M.available = there

local function check_regex(pattern, flags)
  if not there then return true end
  local why = ffi.new("char[?]", WHY_SIZE)
  if C.gw_regex_check(pattern, #pattern, flags, why, WHY_SIZE) then return true end
  return nil, ffi.string(why)
end

--- Whether a regex for paths compiles (without its "~").
---@param pattern string
---@return boolean?
---@return string? reason  "missing closing parenthesis (at byte 5)"
function M.check_regex(pattern) return check_regex(pattern, ANCHORED) end

--- The same for a header or query value (without its "~*").
---@param pattern string
---@return boolean?
---@return string? reason
function M.check_value_regex(pattern) return check_regex(pattern, CASELESS) end

--- Whether a text is an IP address or a network in CIDR notation.
---@param text string
---@return boolean?
---@return string? reason
function M.check_cidr(text)
  if not there then return true end
  local why = C.gw_cidr_check(text, #text)
  if why == nil then return true end
  return nil, ffi.string(why)
end

return M
