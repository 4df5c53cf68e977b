--- `mirror` of services and routes: copies of requests for another service (core/proxy/mirror.h).
local t = require("moongate.schema")
local report = require("moongate.config.report")

local M = {}

M.RECORD = t.record({
  service = t.any {
    by_reference = true,
    required = true,
    about = "Who gets the copies: the name or id of a service; its routes' plugins do not run.",
    check = function(value) return type(value) == "string", "must be a name or an id" end,
  },
  percentage = t.number { between = { 0, 100 }, default = 100, about = "The share of the requests that is copied." },
  max_body = t.size {
    default = "64k",
    between = { 0, 2 ^ 30 },
    about = "Requests with a larger body are not copied.",
  },
  max_concurrent = t.integer {
    between = { 1, 100000 },
    default = 100,
    about = "Copies on their way at once in one worker; what comes above it is not copied.",
  },
  timeout = t.duration {
    unit = "ms",
    default = "10s",
    between = { 1, 3600000 },
    about = "After it a copy is given up.",
  },
}, {
  default = t.none,
  about = "Sends copies of requests to another service, whose answers nobody sees; the originals do not wait for them.",
})

--- What the frozen route says of it; nil where nothing is copied.
---@param state table  from collect.lua
---@param route table  the item
---@param resolve fun(state: table, kind: string, value: any, path: table): table?  collect.resolve
---@return table?
function M.of_route(state, route, resolve)
  local service = route.parents.service
  local owner = route.value.mirror and route or service
  local given = owner and owner.value and owner.value.mirror
  if not given then return nil end
  local path = report.join(owner.path, "mirror", "service")
  local found = resolve(state, "services", given.service, path)
  if found and service and found.index == service.index then
    report.error(state.report, path, "is the service that the requests go to anyway")
    return nil
  end
  return found
    and {
      service = found.index,
      percentage = given.percentage,
      max_body = given.max_body,
      max_concurrent = given.max_concurrent,
      timeout = given.timeout,
    }
end

return M
