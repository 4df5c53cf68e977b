--- What scripts need of a configuration, as one plain table: the form stands in core/script/script.h. It travels as
--- bytes (string.buffer), so nothing in it is shared but by index.
local plan = require("moongate.plan")

local M = {}

local PREFIXES = { regex = "~", exact = "=" }

local function texts(list)
  local result = {}
  for i, item in ipairs(list or {}) do
    result[i] = (PREFIXES[item.kind] or "") .. item.text
  end
  return result
end

local function hosts(list)
  local result = {}
  for i, item in ipairs(list or {}) do
    result[i] = item.text
  end
  return result
end

local function conditions(list)
  local result = {}
  for _, item in ipairs(list or {}) do
    result[item.name] = item.regex and { "~*" .. item.regex } or item.values or {}
  end
  return result
end

--- Conditions and paths are written as in a file again: this is what ctx.router:get_route() shows.
local function route_of(route, plan_index)
  return {
    id = route.id,
    name = route.name,
    tags = route.tags,
    service = route.service,
    plan = plan_index,
    paths = texts(route.paths),
    hosts = hosts(route.hosts),
    methods = route.methods,
    snis = route.snis,
    protocols = route.https_only and { "https" } or route.http_only and { "http" } or { "http", "https" },
    https_redirect_status_code = route.https_redirect_status_code,
    headers = conditions(route.headers),
    query = conditions(route.query),
    regex_priority = route.regex_priority,
    strip_path = route.strip_path,
    preserve_host = route.preserve_host,
  }
end

local function service_of(service)
  return {
    id = service.id,
    name = service.name,
    tags = service.tags,
    protocol = service.protocol,
    host = service.host,
    port = service.port,
    path = service.path,
    retries = service.retries,
    connect_timeout = service.connect_timeout,
    write_timeout = service.write_timeout,
    read_timeout = service.read_timeout,
  }
end

local function consumer_of(consumer)
  return {
    id = consumer.id,
    username = consumer.username,
    custom_id = consumer.custom_id,
    tags = consumer.tags,
    groups = consumer.groups,
    credentials = consumer.credentials,
  }
end

local function scope_of(scope, normal)
  local group = scope.consumer_group and normal.consumer_groups[scope.consumer_group]
  return {
    route = scope.route,
    service = scope.service,
    consumer = scope.consumer,
    consumer_group = group and group.name,
  }
end

local function use_of(use, normal)
  return {
    plugin = use.name,
    conf = use.config,
    on_error = use.on_error,
    where = use.path,
    id = use.id,
    instance_name = use.instance_name,
    when = use.when,
    untrusted = not use.trusted or nil,
    scope = use.scope and scope_of(use.scope, normal),
  }
end

local function map(list, convert)
  local result = {}
  for i, item in ipairs(list or {}) do
    result[i] = convert(item)
  end
  return result
end

-- Routes that share a plan's table share its index.
local function number_plans(plans, routes)
  local list, index = {}, {}
  local function number(one)
    if not index[one] then
      list[#list + 1] = one
      index[one] = #list
    end
    return index[one]
  end
  local global, of_route = number(plans.global), {}
  for i in ipairs(routes) do
    of_route[i] = number(plans.routes[i])
  end
  return list, global, of_route
end

local function plugin_folders(uses)
  local folders = {}
  for _, use in ipairs(uses) do
    folders[use.name] = folders[use.name] or { dir = use.dir }
  end
  return folders
end

---@param normal table  from moongate.config
---@return table
function M.make(normal)
  local plans, global, of_route = number_plans(plan.build(normal), normal.routes)
  local routes = {}
  for i, route in ipairs(normal.routes) do
    routes[i] = route_of(route, of_route[i])
  end
  return {
    plugins = plugin_folders(normal.plugins),
    uses = map(normal.plugins, function(use) return use_of(use, normal) end),
    plans = plans,
    global = global,
    routes = routes,
    services = map(normal.services, service_of),
    consumers = map(normal.consumers, consumer_of),
    groups = map(normal.consumer_groups, function(group) return group.name end),
    fetch = normal.fetch or { allow = {} },
    zones = normal.zones,
    redis = normal.redis,
    quotas = normal.quotas ~= nil,
  }
end

return M
