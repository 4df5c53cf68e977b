--- The entities of the configuration that plugins may see, found by place, id and name. Filled once per state.
local M = {
  routes = {},
  services = {},
  consumers = {},
  consumer_index = {}, -- by id
  consumer_by_id = {},
  consumer_by_username = {},
  credentials = {}, -- by the consumer's id: { ["key-auth"] = { … } }
  service_index = {}, -- by name
  uses = {},
  fetch_allow = {},
}

-- As plugins see a route: where it leads by name, and nothing of how we number things.
local function show_routes(routes, services)
  for _, route in ipairs(routes) do
    local service = services[route.service]
    route.service = service and { id = service.id, name = service.name }
  end
end

---@param plan table  see core/script/script.h
function M.fill(plan)
  M.routes, M.services, M.consumers = plan.routes, plan.services, plan.consumers
  M.uses = plan.uses
  show_routes(plan.routes, plan.services)
  M.fetch_allow = plan.fetch and plan.fetch.allow or {}
  for index, consumer in ipairs(plan.consumers) do
    M.consumer_index[consumer.id] = index
    M.consumer_by_id[consumer.id] = consumer
    M.credentials[consumer.id], consumer.credentials = consumer.credentials, nil -- no plugin shows them by accident
    if consumer.username then M.consumer_by_username[consumer.username] = consumer end
  end
  for index, service in ipairs(plan.services) do
    M.service_index[service.name or service.id] = index
  end
end

return M
