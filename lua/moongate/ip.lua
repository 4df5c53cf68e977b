--- IP addresses and sets of networks. A set is made once (in `init`, or when the plugin is loaded) and asked for each
--- request: a lookup takes the same time for ten networks as for a hundred thousand. An IPv4-mapped IPv6 address is the
--- IPv4 one.
local ffi = require("ffi")
local outside = require("moongate.outside")

local C = require("moongate.cdef")

local BYTES = 32 -- what C keeps of a network
local MOST = 1000000

local M = {}

local addr = ffi.new("struct gw_addr_bytes") -- for the length of one call
local set_type = ffi.typeof("struct { struct gw_cidr_set *set; double bytes; }")

---@class moongate.ip.Set
local Set = {}
Set.__index = Set

--- Whether the address lies in one of the set's networks.
---@phase any
---@param address string  "10.1.2.3", "2001:db8::1"
---@return boolean? inside  nil: it is not an address
---@return string? reason
function Set:has(address)
  if type(address) ~= "string" then error(("set:has: an address is a string, not %s"):format(type(address)), 2) end
  local why = C.gw_addr_bytes_parse(addr, address, #address)
  if why ~= nil then return nil, ffi.string(why) end
  return C.gw_cidr_set_has(self[1].set, addr)
end

--- How many ranges are left after neighbours and overlaps became one.
---@phase any
---@return integer
function Set:count() return tonumber(C.gw_cidr_set_count(self[1].set)) end

local function release(holder)
  C.gw_cidr_set_free(holder.set)
  outside.give(holder.bytes)
end

local function fill(set, networks)
  for i = 1, #networks do
    local text = networks[i]
    if type(text) ~= "string" then
      error(("ip.set: networks[%d] must be a string, not %s"):format(i, type(text)), 3)
    end
    local why = C.gw_cidr_set_add(set, text, #text)
    if why ~= nil then return ("networks[%d] (%q): %s"):format(i, text, ffi.string(why)) end
  end
end

--- A set of addresses and networks.
---@phase any
---@param networks string[]  "10.0.0.0/8", "::1", "192.168.1.7"
---@return moongate.ip.Set? set
---@return string? reason  `networks[3] ("10.0.0.0/40"): the prefix length must be 0 to 32`
function M.set(networks)
  if type(networks) ~= "table" then error("ip.set takes a list of networks", 2) end
  if #networks > MOST then error(("ip.set: more than %d networks"):format(MOST), 2) end
  local bytes = BYTES * #networks
  outside.take(bytes, "ip.set")
  local holder = ffi.gc(set_type(C.gw_cidr_set_new(), bytes), release)
  local reason = fill(holder.set, networks)
  if reason then return nil, reason end
  C.gw_cidr_set_seal(holder.set)
  return setmetatable({ holder }, Set)
end

--- Whether a text is an IP address (no prefix, no zone, no leading zeros).
---@phase any
---@param text string
---@return boolean
function M.is_address(text) return type(text) == "string" and C.gw_addr_bytes_parse(addr, text, #text) == nil end

--- Whether a text is an address or a network.
---@phase any
---@param text string
---@return boolean? valid
---@return string? reason
function M.check(text)
  if type(text) ~= "string" then return nil, "not a string" end
  local why = C.gw_cidr_check(text, #text)
  if why ~= nil then return nil, ffi.string(why) end
  return true
end

return M
