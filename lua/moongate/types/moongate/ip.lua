---@meta moongate.ip
-- Written by ./dev docs from the sources. Do not change it here.

---IP addresses and sets of networks. A set is made once (in `init`, or when the plugin is loaded) and asked for each
---request: a lookup takes the same time for ten networks as for a hundred thousand. An IPv4-mapped IPv6 address is the
---IPv4 one.
---@class moongate.ip
local M = {}

---@class moongate.ip.Set
local Set = {}

---Whether the address lies in one of the set's networks.
---
---In every hook.
---@param address string # "10.1.2.3", "2001:db8::1"
---@return boolean? inside # nil: it is not an address
---@return string? reason
function Set:has(address) end

---How many ranges are left after neighbours and overlaps became one.
---
---In every hook.
---@return integer
function Set:count() end

---A set of addresses and networks.
---
---In every hook.
---@param networks string[] # "10.0.0.0/8", "::1", "192.168.1.7"
---@return moongate.ip.Set? set
---@return string? reason # `networks[3] ("10.0.0.0/40"): the prefix length must be 0 to 32`
function M.set(networks) end

---Whether a text is an IP address (no prefix, no zone, no leading zeros).
---
---In every hook.
---@param text string
---@return boolean
function M.is_address(text) end

---Whether a text is an address or a network.
---
---In every hook.
---@param text string
---@return boolean? valid
---@return string? reason
function M.check(text) end

return M
