--- Turns the normal form of a configuration (moongate.config) into the core's immutable structs, through
--- core/config/build.h. Runs on the loader thread only.
local buffer = require("string.buffer")
local ffi = require("ffi")
local freeze_failing = require("moongate.config.freeze_failing")
local freeze_tls = require("moongate.config.freeze_tls")
local limits_of = require("moongate.config.limits")
local native = require("moongate.config.native")
local plan_data = require("moongate.config.plan_data")
local put = require("moongate.config.put")
local show = require("moongate.config.show")
local tls_services = require("moongate.config.tls_services")
local upstreams = require("moongate.config.freeze_upstreams")
local words = require("moongate.schema.words")

local C = native.available and require("moongate.cdef") or nil

local M = {}

local CERTIFICATE_HEADERS = { ["client-cert"] = 1, ["x-forwarded-client-cert"] = 2 } -- enum gw_certificate_header
local VERSIONS = { v1 = 1, v2 = 2 } -- of the PROXY protocol
local DEFAULT_MODE = tonumber("600", 8)
local LEVELS = { debug = 0, info = 1, notice = 2, warn = 3, error = 4 } -- enum gw_log_level

local put_text, put_texts, us = put.text, put.texts, put.us

local function put_limits(target, limits)
  target.head, target.headers, target.target = limits.head, limits.headers, limits.target
  target.body, target.buffer, target.write_queue = limits.body, limits.buffer, limits.write_queue
  target.head_timeout_us = us(limits.head_timeout)
  target.idle_timeout_us = us(limits.idle_timeout)
  target.total_timeout_us = us(limits.total_timeout)
  target.body_min_rate = limits.body_min_rate
  target.connections = limits.connections
  target.connections_per_client = limits.connections_per_client
  target.requests_per_connection = limits.requests_per_connection
  target.pending = limits.pending
end

local function put_top(build, config, normal)
  put_limits(config.limits, normal.limits)
  config.workers = normal.workers == "auto" and 0 or normal.workers
  config.drain_timeout_us = us(normal.drain_timeout)
  config.drain_delay_us = us(normal.drain_delay)
  config.watch = normal.watch
  config.log_level = LEVELS[normal.log.level]
  config.lua_budget_us = us(normal.lua.budget)
  config.lua_stuck_limit_us = us(normal.lua.stuck_limit)
  config.lua_load_limit_us = us(normal.lua.load_limit)
  config.lua_memory = normal.lua.memory
  config.lua_old_generations = normal.lua.old_generations
  config.lua_bodies = normal.lua.bodies
  config.lua_fetches = normal.lua.fetches
  config.lua_tasks = normal.lua.tasks
  config.lua_log_lines = normal.lua.log_lines
  put_texts(build, config, {
    access_log = normal.log.access,
    error_log = normal.log.error,
    admin_address = normal.admin.address and normal.admin.address.text,
    admin_token = normal.admin.token,
    status_address = normal.status and normal.status.address and normal.status.address.text,
  })
end

local function check_value(problems, path, value, why)
  if why ~= nil then problems[#problems + 1] = ("%s: %s: %s"):format(path, words.quote(value), ffi.string(why)) end
end

local function put_listeners(problems, build, normal)
  local listeners = C.gw_build_listeners(build, #normal.listeners)
  for i, listener in ipairs(normal.listeners) do
    put_text(build, listeners + (i - 1), "address", listener.text)
    listeners[i - 1].http2 = listener.http2 or false
    put_limits(listeners[i - 1].limits, listener.limits)
    listeners[i - 1].mode = listener.mode or DEFAULT_MODE
    listeners[i - 1].redirect_https = listener.redirect_https or 0
    if listener.tls then freeze_tls.listener(build, i - 1, listener.tls) end
    if listener.group then
      local group = tostring(listener.group)
      check_value(
        problems,
        ("listeners[%d].group"):format(i - 1),
        group,
        C.gw_build_listener_group(build, i - 1, group, #group)
      )
    end
    for k, network in ipairs(listener.proxy_from or {}) do
      local path = ("listeners[%d].proxy_protocol.from[%d]"):format(i - 1, k - 1)
      check_value(problems, path, network, C.gw_build_proxy_from(build, i - 1, network, #network))
    end
  end
end

--- What a Host header says of a service: its port only where it is not the protocol's own.
local function authority(service)
  if service.host:find("^unix:") then return "localhost" end
  local host = service.host:find(":", 1, true) and "[" .. service.host .. "]" or service.host
  return service.port == (service.tls and 443 or 80) and host or ("%s:%d"):format(host, service.port)
end

local function put_services(build, normal)
  local services = C.gw_build_services(build, #normal.services)
  for i, service in ipairs(normal.services) do
    local target = services[i - 1]
    put_texts(build, services + (i - 1), {
      name = service.name,
      id = service.id,
      scheme = service.tls and "https" or "http",
      host = service.host,
      path = service.path,
      authority = authority(service),
      deadline_header = service.deadline_header and service.deadline_header:lower(),
    })
    target.port, target.retries = service.port, service.retries
    target.services = service.services
    target.connect_timeout_us = us(service.connect_timeout)
    target.write_timeout_us = us(service.write_timeout)
    target.read_timeout_us = us(service.read_timeout)
    target.response_timeout_us = us(service.response_timeout)
    target.has_event_stream_timeout = service.event_stream_timeout ~= nil
    target.event_stream_timeout_us = us(service.event_stream_timeout)
    target.has_websocket_timeout = service.websocket_timeout ~= nil
    target.websocket_timeout_us = us(service.websocket_timeout)
    target.has_grpc_idle_timeout = service.grpc_idle_timeout ~= nil
    target.grpc_idle_timeout_us = us(service.grpc_idle_timeout)
    target.http2 = service.http2
    target.forwarded_header = service.forwarded_header
    target.certificate_header = CERTIFICATE_HEADERS[service.client_certificate_header] or 0
    target.proxy_protocol = VERSIONS[service.proxy_protocol] or 0
    target.keepalive_connections = service.keepalive.connections
    target.keepalive_requests = service.keepalive.requests
    target.keepalive_idle_us = us(service.keepalive.idle)
    put_limits(target.limits, service.limits)
    put.capacity(target.capacity, service.concurrency)
    target.hedge_after_us = service.hedge and us(service.hedge.after) or 0
    if service.retry then freeze_failing.put_retry(build, C.gw_build_retry(build, target), service.retry) end
    if service.tls then freeze_tls.service(build, target, service.tls) end
    if service.circuit_breaker then
      freeze_failing.put_breaker(build, C.gw_build_breaker(build, target), service.circuit_breaker)
    end
  end
  return services
end

local function put_dns(build, config, given)
  local target = config.dns
  put_text(build, target, "servers", table.concat(given.servers or {}, ","))
  target.timeout_us, target.tries = us(given.timeout), given.tries
  target.min_ttl_us, target.max_ttl_us = us(given.min_ttl), us(given.max_ttl)
  target.empty_answers, target.empty_hold_us = given.empty_answers, us(given.empty_hold)
  local pairs_of = {}
  for _, name in ipairs(words.keys(given.hosts or {})) do
    for _, ip in ipairs(given.hosts[name]) do
      pairs_of[#pairs_of + 1] = { name = name, address = ip }
    end
  end
  local hosts = C.gw_build_dns_hosts(build, #pairs_of)
  for i, host in ipairs(pairs_of) do
    put_texts(build, hosts + (i - 1), host)
  end
end

local function put_quotas(build, config, given)
  if not given then return end
  put_text(build, config.quotas, "file", given.file)
  config.quotas.flush_us, config.quotas.size = us(given.flush_interval), given.size
end

local function put_consumers(build, normal)
  local consumers = C.gw_build_consumers(build, #normal.consumers)
  for i, consumer in ipairs(normal.consumers) do
    put_texts(build, consumers + (i - 1), {
      username = consumer.username,
      custom_id = consumer.custom_id,
      id = consumer.id,
    })
  end
end

-- What a call of the builder says, as an error of the route.
local function check(problems, route, why)
  if why ~= nil then
    problems[#problems + 1] = ("route %s: %s"):format(words.quote(route.name or route.id), ffi.string(why))
  end
end

local PREFIXES = { regex = "~", exact = "=" }

local function put_conditions(problems, build, index, route, key, add)
  for _, condition in ipairs(route[key]) do
    local name = condition.name
    local values = condition.regex and { "~*" .. condition.regex } or condition.values or {}
    for _, value in ipairs(values) do
      check(problems, route, add(build, index, name, #name, value, #value))
    end
    if #values == 0 then check(problems, route, add(build, index, name, #name, nil, 0)) end
  end
end

local function put_match(problems, build, index, route)
  for _, path in ipairs(route.paths) do
    local text = (PREFIXES[path.kind] or "") .. path.text
    check(problems, route, C.gw_build_route_path(build, index, text, #text, route.path_match ~= "prefix"))
  end
  for _, host in ipairs(route.hosts) do
    check(problems, route, C.gw_build_route_host(build, index, host.text, #host.text))
  end
  for _, name in ipairs(route.snis or {}) do
    check(problems, route, C.gw_build_route_sni(build, index, name, #name))
  end
  if route.http_only then check(problems, route, C.gw_build_route_http_only(build, index)) end
  for _, method in ipairs(route.methods) do
    check(problems, route, C.gw_build_route_method(build, index, method, #method))
  end
  put_conditions(problems, build, index, route, "headers", C.gw_build_route_header)
  put_conditions(problems, build, index, route, "query", C.gw_build_route_argument)
  put_conditions(problems, build, index, route, "cookies", C.gw_build_route_cookie)
  for _, network in ipairs(route.sources or {}) do
    check(problems, route, C.gw_build_route_source(build, index, network, #network))
  end
  check(problems, route, C.gw_build_route_regex_priority(build, index, route.regex_priority or 0))
end

local function put_mirror(target, mirror, services)
  target.service = services + (mirror.service - 1)
  target.share_ppm = math.floor(mirror.percentage * 10000 + 0.5)
  target.max_body, target.max_concurrent = mirror.max_body, mirror.max_concurrent
  target.timeout_us = us(mirror.timeout)
end

local function put_routes(problems, build, normal, services)
  local routes = C.gw_build_routes(build, #normal.routes)
  for i, route in ipairs(normal.routes) do
    local target = routes[i - 1]
    put_texts(build, routes + (i - 1), { name = route.name or route.id, id = route.id })
    if route.service then target.service = services + (route.service - 1) end
    if route.mirror then put_mirror(C.gw_build_mirror(build, target), route.mirror, services) end
    target.strip_path, target.preserve_host = route.strip_path, route.preserve_host
    if route.retry then freeze_failing.put_retry(build, C.gw_build_route_retry(build, i - 1), route.retry) end
    if route.circuit_breaker then
      freeze_failing.put_breaker(build, C.gw_build_route_breaker(build, i - 1), route.circuit_breaker)
    end
    target.grpc = route.grpc
    if route.websocket then
      target.websocket.on = true
      target.websocket.validate_utf8 = route.websocket.validate_utf8
      target.websocket.max_frame = route.websocket.max_frame
      target.websocket.max_message = route.websocket.max_message
    end
    target.https_status = route.https_only and route.https_redirect_status_code or 0
    freeze_tls.route(build, i - 1, route.clients)
    put_limits(target.limits, route.limits)
    if route.enabled ~= false then -- a route that asks for nothing gets no requests
      put_match(problems, build, i - 1, route)
    end
  end
end

-- What a listener says of requests holds where neither the route nor its service says otherwise.
local function put_listener_limits(build, normal)
  for i, listener in ipairs(normal.listeners) do
    if limits_of.of_requests(listener.own_limits) then
      local target = C.gw_build_listener_limits(build, i - 1)
      for k, route in ipairs(normal.routes) do
        put_limits(target[k - 1], limits_of.of_route_on(listener.limits, route))
      end
    end
  end
end

local function put_trusted_proxies(problems, build, normal)
  for i, network in ipairs(normal.trusted_proxies) do
    local path = ("trusted_proxies[%d]"):format(i - 1)
    check_value(problems, path, network, C.gw_build_trusted_proxy(build, network, #network))
  end
end

local function name_of(route) return words.quote(route.name or route.id) end

-- Routes that no request ever reaches become warnings of the configuration.
local function warn_of_shadows(build, normal)
  local route, by, at = ffi.new("unsigned[1]"), ffi.new("unsigned[1]"), 0
  local found = {}
  while C.gw_build_shadow(build, at, route, by) do
    local shadowed = normal.routes[route[0] + 1]
    local text = "the route %s never gets a request: %s takes all of them (make it more specific, or remove it)"
    found[#found + 1] = {
      path = shadowed.path,
      line = shadowed.line,
      file = normal.file,
      message = text:format(name_of(shadowed), name_of(normal.routes[by[0] + 1])),
    }
    at = at + 1
  end
  return found
end

local function format(entry) return require("moongate.config.report").format(entry) end

local function texts_of(warnings)
  local texts = {}
  for i, warning in ipairs(warnings) do
    texts[i] = type(warning) == "table" and format(warning) or tostring(warning)
  end
  return texts
end

local function fill(problems, build, normal)
  local config = C.gw_build_config(build)
  put_top(build, config, normal)
  put_dns(build, config, normal.dns)
  put_quotas(build, config, normal.quotas)
  put_listeners(problems, build, normal)
  freeze_tls.expiries(build, normal.expiries or {})
  upstreams.put(build, normal)
  put_consumers(build, normal)
  put_routes(problems, build, normal, put_services(build, normal))
  put_listener_limits(build, normal)
  config.fetches_tls = tls_services.fetches(normal)
  put_trusted_proxies(problems, build, normal)
  if #problems > 0 then return end
  C.gw_build_router(build)
  local shadows = warn_of_shadows(build, normal)
  normal.warnings = normal.warnings or {}
  for _, warning in ipairs(shadows) do
    normal.warnings[#normal.warnings + 1] = warning
    if normal.strict then problems[#problems + 1] = format(warning) end
  end
  put_texts(build, config, {
    plan = buffer.encode(plan_data.make(normal)),
    shown = show.config(normal),
    warnings = show.encode(texts_of(normal.warnings)),
  })
end

--- Freezes. Shadowed routes are added to `normal.warnings` (and are problems where the configuration is strict).
---@param normal table  from moongate.config
---@return number? config  the address of a struct gw_config; the caller owns its one reference
---@return string[]? problems
function M.freeze(normal)
  if not C then return nil, { "the core is not there: a configuration can only be frozen inside moongate" } end
  local problems = {}
  local build = ffi.gc(C.gw_build_new(), C.gw_build_free)
  fill(problems, build, normal)
  local config = #problems == 0 and C.gw_build_take(build) or nil
  C.gw_build_free(ffi.gc(build, nil))
  if not config then return nil, problems end
  return tonumber(ffi.cast("uintptr_t", config))
end

return M
