--- ctx.router: which way the request took.
local check = require("moongate.pdk.check")
local plan = require("moongate.entities")

local C = require("moongate.cdef")
local enter, KNOWN = check.enter, check.KNOWN

local M = {}

--- The route; nil when none matched. It is everybody's: do not change it.
---@phase rewrite after routing, access, request_body, response, body, log
---@return table?
function M:get_route()
  return plan.routes[C.gw_pdk_number(enter(self, "ctx.router:get_route", KNOWN), C.GW_PDK_ROUTE)]
end

--- The service of the route, if it has one. It is everybody's: do not change it.
---@phase rewrite after routing, access, request_body, response, body, log
---@return table?
function M:get_service()
  return plan.services[C.gw_pdk_number(enter(self, "ctx.router:get_service", KNOWN), C.GW_PDK_SERVICE)]
end

return M
