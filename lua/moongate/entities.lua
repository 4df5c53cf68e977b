--- The entities of the configuration that plugins may see, found by place, id and name. Filled once per state.
local M = {
  routes = {},
  services = {},
  consumers = {},
  consumer_index = {}, -- by id
  consumer_by_id = {},
  consumer_by_username = {},
  groups = {}, -- names of those that are declared
  credentials = {}, -- by the consumer's id: { ["key-auth"] = { … } }
  service_index = {}, -- by name
  uses = {},
  fetch_allow = {},
  secret_names = {}, -- of headers (lower case) and query arguments that hold clients' keys
}

-- As plugins see a route: where it leads by name, and nothing of how we number things.
local function show_routes(routes, services)
  for _, route in ipairs(routes) do
    local service = services[route.service]
    route.service = service and { id = service.id, name = service.name }
  end
end

local KEY_FIELDS = { "key_names", "uri_param_names" }

-- Under which names plugins look for keys.
local function note_secret_names(uses)
  for _, use in ipairs(uses) do
    for _, field in ipairs(KEY_FIELDS) do
      local names = type(use.conf) == "table" and use.conf[field]
      for _, name in ipairs(type(names) == "table" and names or {}) do
        if type(name) == "string" then
          M.secret_names[name], M.secret_names[name:lower()] = true, true
        end
      end
    end
  end
end

---@param plan table  see core/script/script.h
function M.fill(plan)
  M.routes, M.services, M.consumers = plan.routes, plan.services, plan.consumers
  M.uses, M.groups = plan.uses, plan.groups or {}
  show_routes(plan.routes, plan.services)
  note_secret_names(plan.uses)
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
