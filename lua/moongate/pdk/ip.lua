--- ctx.ip: addresses. Sets of networks are made with moongate.ip.
local check = require("moongate.pdk.check")

local C = require("moongate.cdef")
local enter, ANY = check.enter, check.ANY

local M = {}

--- Whether trusted_proxies names the address.
---@phase rewrite, access, request_body, response, body, log
---@param address string
---@return boolean
function M:is_trusted(address)
  local h = enter(self, "ctx.ip:is_trusted", ANY)
  address = check.text(address, "ctx.ip:is_trusted", "the address")
  local answer = C.gw_pdk_trusts(h, address, #address)
  if answer < 0 then error(("ctx.ip:is_trusted: %q is not an IP address"):format(address), 2) end
  return answer ~= 0
end

return M
