--- What plugins declare in `init` and use in every hook: zones, metrics, tasks. The name of the plugin whose `init`
--- runs stands in core.declaring meanwhile.
local ffi = require("ffi")
local core = require("moongate.core")

local M = {}

--- The plugin that declares; a misuse of the caller's caller outside of `init`.
---@param what string  the function that was called
---@return string
function M.plugin(what)
  local name = core.declaring
  if not name then
    error(("%s: declare it in the plugin's init, and keep what it returns for the hooks"):format(what), 3)
  end
  return name
end

--- A name that a plugin gives; misuse is an error of the caller's caller.
function M.name(value, what, pattern, most)
  if type(value) ~= "string" then
    error(("%s: the name must be a string, not %s"):format(what, value == nil and "nil" or "a " .. type(value)), 3)
  end
  if #value > most or not value:find(pattern) then
    error(("%s: %q is no name (letters, digits and _, at most %d of them)"):format(what, value, most), 3)
  end
  return value
end

--- Options that mean nothing are misuse, too.
function M.options(options, known, what)
  if options == nil then return {} end
  if type(options) ~= "table" then error(("%s: options must be a table"):format(what), 3) end
  for key in pairs(options) do
    if not known[key] then error(("%s: the option %q means nothing"):format(what, tostring(key)), 3) end
  end
  return options
end

local SIZES = { b = 1, k = 2 ^ 10, m = 2 ^ 20, g = 2 ^ 30 }
local SMALLEST, LARGEST = 64 * 1024, 2 ^ 40

--- Bytes that something declared may have, from a number or a text such as "10m".
---@param level? integer  of the error; the caller's caller where nothing is said
---@return integer
function M.size(size, what, level)
  local bytes = size
  if type(size) == "string" then
    local count, unit = size:match("^(%d+)([bkmg])$")
    bytes = count and tonumber(count) * SIZES[unit]
  end
  if type(bytes) ~= "number" or not (bytes >= SMALLEST and bytes <= LARGEST) then
    error(('%s: size must be bytes or a text such as "10m", from 64k to 1024g'):format(what), level or 3)
  end
  return bytes
end

--- Why there is no zone of that name.
---@param other_kind ffi.cdata*  as C filled it: the kind of zone that has the name, or NULL
---@return string
function M.no_zone(other_kind)
  if other_kind[0] == nil then return "there are too many zones (1024)" end
  return ("the name is in use for a zone of the kind %q"):format(ffi.string(other_kind[0]))
end

-- What was declared, for the harness only: there a spec may keep it longer than its gateway lives.
local kept = {}

local CLOSED = {
  __index = function() error("it belongs to a gateway that is closed", 2) end,
}

--- Notes what a plugin gets for its declaration, and returns it.
function M.keep(handle)
  kept[#kept + 1] = handle
  return handle
end

--- What was declared leads nowhere any more: its gateway is closed.
function M.close()
  for _, handle in ipairs(kept) do
    for key in pairs(handle) do
      handle[key] = nil
    end
    setmetatable(handle, CLOSED)
  end
  kept = {}
end

return M
