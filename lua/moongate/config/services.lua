--- The normal form of services, routes, upstreams and consumers.
local address = require("moongate.config.address")
local balancing = require("moongate.config.balancing")
local clients = require("moongate.config.clients")
local collect = require("moongate.config.collect")
local groups = require("moongate.config.groups")
local health = require("moongate.config.health")
local dns = require("moongate.config.dns")
local later = require("moongate.config.later")
local limits = require("moongate.config.limits")
local match = require("moongate.config.match")
local protocols = require("moongate.config.protocols")
local mirror = require("moongate.config.mirror")
local report = require("moongate.config.report")
local retry = require("moongate.config.retry")
local schema = require("moongate.schema")
local tls_service_fields = require("moongate.config.tls_service_fields")
local tls_services = require("moongate.config.tls_services")
local sticky = require("moongate.config.sticky")
local types = require("moongate.schema.types")
local words = require("moongate.schema.words")

local M = {}

local host_type = schema.host {}

-- "http://unix:/run/app.sock:/base" → its parts, or a problem.
local function split_unix_url(scheme, rest)
  local place, base = rest:match("^(unix:[^:]*):?(.*)$")
  local path, problem = address.socket_path(place)
  if not path then return nil, problem end
  if base ~= "" and not types.SCALARS.path.parse(base) then
    return nil, "is not a URL: what follows the socket must be a path, such as http://unix:/run/app.sock:/base"
  end
  return { protocol = scheme, host = place, port = 0, path = base ~= "" and base or nil }
end

local RESPONSE_TIMEOUT = 60000 -- ms

local function default_port(protocol) return tls_service_fields.PROTOCOLS[protocol] and 443 or 80 end

-- "http://host:port/path" → its parts, or a problem.
local function split_url(url)
  local scheme, authority, rest = url:match("^(%a[%w+.-]*)://([^/?#]*)(.*)$")
  scheme = scheme:lower()
  if not protocols.FAMILY[scheme] then
    local known = scheme == "ws" or scheme == "wss"
    return nil,
      known and ('"%s" is %s'):format(scheme, later.MESSAGE) or ('"%s" is no protocol of a service'):format(scheme)
  elseif authority:find("^unix:") then
    return split_unix_url(scheme, url:match("^%a+://(.*)$"))
  elseif authority:find("@", 1, true) then
    return nil, "must not hold a user or password"
  elseif rest:find("[?#]") then
    return nil, "must not hold a query or a fragment"
  end
  local host, port = address.split(authority)
  if not host then
    host, port = authority:gsub("^%[(.*)%]$", "%1"), default_port(scheme)
  end
  host = types.SCALARS.host.parse(host)
  if not host or port == 0 then return nil, "is not a URL: its host or port is malformed" end
  return { protocol = scheme, host = host, port = port, path = rest ~= "" and rest or nil }
end

local function location(rep, item)
  local value, raw = item.value, item.raw
  if value.url then
    for _, key in ipairs { "protocol", "host", "port", "path" } do
      if raw[key] ~= nil then
        report.error(rep, report.join(item.path, key), "is said by url already: write one of them")
      end
    end
    local parts, problem = split_url(value.url)
    if not parts then report.error(rep, report.join(item.path, "url"), problem) end
    return parts
  elseif raw.host == nil and raw.url == nil then
    report.error(rep, item.path, "needs a url, or a host")
    return nil
  end
  local protocol = value.protocol or "http"
  local port = value.port or rep.kong and 80 or default_port(protocol)
  if rep.kong and not value.port and port ~= default_port(protocol) then
    report.warn(
      rep,
      report.join(item.path, "port"),
      "relies on the default 80, where TLS is rarely spoken: write 443"
    )
  end
  return { protocol = protocol, host = value.host, port = port, path = value.path }
end

-- The upstream that a breaker sends requests to must be there.
local function check_fallback(state, item)
  local breaker = item.value.circuit_breaker
  local name = breaker and breaker.fallback and breaker.fallback.upstream
  if not name then return end
  collect.resolve(state, "upstreams", name, report.join(item.path, "circuit_breaker", "fallback", "upstream"))
end

-- Names of hosts that differ in their numbers are different machines.
local function without_digits(name) return (name:gsub("%d", "")) end

-- A host that is written nearly as an upstream is, and is none.
local function warn_of_name(state, item, host)
  if not host or host:find("^unix:") or types.is_ipv4(host) or types.is_ipv6(host) then return end
  local names = {}
  for name in pairs(state.names.upstreams) do
    if without_digits(name) ~= without_digits(host) then names[#names + 1] = name end
  end
  table.sort(names)
  local meant = words.suggest(host, names, 2)
  if not meant then return end
  report.warn(
    state.report,
    report.join(item.path, item.value.url and "url" or "host"),
    ("%s is taken as a name of DNS (did you mean the upstream %s?)"):format(words.quote(host), words.quote(meant))
  )
end

-- Calls need HTTP/2 all the way.
local function warn_of_calls(state, item, service)
  if not service or not service.value or service.value.http2 then return end
  local protocol = tostring(service.value.protocol or service.value.url)
  if protocol:find("^grpc") then return end
  report.warn(
    state.report,
    report.join(item.path, "protocols"),
    "takes calls of gRPC, and HTTP/1.1 is spoken to its service (write http2: true or grpc://… there)"
  )
end

--- A service. `upstream` is the index of the upstream its host names.
---@param state table  from collect.lua
---@param item table
---@param top table    the record at the top of the file
---@param config table  the normal form so far
---@return table
function M.service(state, item, top, config)
  local value = item.value
  local place = location(state.report, item) or {}
  local http2 = protocols.speaks_http2(state.report, item, place)
  if http2 and value.proxy_protocol then
    report.error(
      state.report,
      report.join(item.path, "proxy_protocol"),
      "names one client a connection, and with http2 requests of all clients share one: write one of them"
    )
  end
  retry.check(state.report, item.path, value.retry, value.retries)
  retry.check_hedge(state.report, item.path, value)
  check_fallback(state, item)
  local upstream = place.host and state.names.upstreams[place.host]
  if not upstream then warn_of_name(state, item, place.host) end
  if upstream and value.concurrency then
    report.error(
      state.report,
      report.join(item.path, "concurrency"),
      "is the upstream's: write it at " .. words.quote(place.host)
    )
  end
  return {
    id = item.id,
    name = value.name,
    tags = value.tags,
    enabled = value.enabled,
    protocol = place.protocol,
    host = place.host,
    port = place.port,
    path = place.path,
    upstream = upstream and upstream.index or nil,
    services = not upstream and dns.has_services(place.host),
    retries = value.retries,
    connect_timeout = value.connect_timeout,
    write_timeout = value.write_timeout,
    read_timeout = value.read_timeout,
    response_timeout = value.response_timeout or state.report.kong and value.read_timeout or RESPONSE_TIMEOUT,
    event_stream_timeout = value.event_stream_timeout,
    websocket_timeout = value.websocket_timeout,
    grpc_idle_timeout = value.grpc_idle_timeout,
    proxy_protocol = value.proxy_protocol,
    http2 = http2,
    tls = tls_services.run(state, config, item, place.protocol, upstream),
    forwarded_header = value.forwarded_header,
    client_certificate_header = value.client_certificate_header,
    keepalive = value.keepalive,
    retry = value.retry,
    hedge = value.hedge,
    concurrency = value.concurrency,
    deadline_header = value.deadline_header,
    circuit_breaker = value.circuit_breaker,
    limits = limits.resolve(top.limits, value.limits),
  }
end

--- A route. `service` is an index; `own_limits` holds what service and route say themselves, for those
--- who start from a listener's limits.
---@param state table   from collect.lua
---@param item table
---@param config table  the normal form so far
---@param top table     the record at the top of the file
---@param opts { check_regex: (fun(pattern: string): boolean?, string?)? }
---@return table
function M.route(state, item, config, top, opts)
  local value = item.value
  local parts = match.of_route(state.report, item, opts.check_regex)
  local grpc = protocols.takes_grpc(state.report, item)
  retry.check(state.report, item.path, value.retry)
  check_fallback(state, item)
  local service = item.parents.service
  if grpc then warn_of_calls(state, item, service) end
  local service_limits = service and service.value and service.value.limits
  local own = {}
  for _, layer in ipairs { service_limits or {}, value.limits or {} } do
    for name, limit in pairs(layer) do
      own[name] = limit
    end
  end
  return {
    id = item.id,
    name = value.name,
    tags = value.tags,
    service = service and service.index or nil,
    enabled = not (service and service.value and service.value.enabled == false),
    paths = parts.paths,
    hosts = parts.hosts,
    methods = parts.methods,
    headers = parts.headers,
    query = parts.query,
    cookies = parts.cookies,
    mirror = mirror.of_route(state, item, collect.resolve),
    sources = value.sources or {},
    snis = value.snis or {},
    https_only = protocols.is_https_only(value.protocols),
    http_only = #(value.protocols or {}) == 1 and value.protocols[1] == "http",
    https_redirect_status_code = value.https_redirect_status_code,
    clients = clients.read(state, config, value, item.path),
    regex_priority = value.regex_priority,
    grpc = grpc,
    retry = value.retry,
    websocket = item.raw.websocket ~= nil and value.websocket or nil,
    circuit_breaker = value.circuit_breaker,
    strip_path = value.strip_path and not grpc,
    preserve_host = value.preserve_host,
    path_match = value.path_match or config.path_match,
    public = value.public,
    limits = limits.resolve(top.limits, own),
    own_limits = own,
    item_path = item.path,
    path = report.path_text(item.path),
    line = report.line(state.report, item.path),
  }
end

local function unix_target(rep, item)
  local path, problem = address.socket_path(item.value.target)
  if not path then
    report.error(rep, report.join(item.path, "target"), problem)
    return nil
  end
  return {
    id = item.id,
    host = item.value.target,
    port = 0,
    weight = item.value.weight,
    priority = item.value.priority,
    tags = item.value.tags,
  }
end

local function target(rep, item)
  local text = item.value.target
  local path = report.join(item.path, "target")
  if type(text) ~= "string" then return nil end
  if text:find("^unix:") then return unix_target(rep, item) end
  local host, port = address.split(text)
  if not host then
    host, port = text, 8000
  end
  local ok, errors = schema.validate(host_type, host)
  if #errors > 0 or port == 0 then
    report.error(rep, path, words.quote(text) .. " is not a host:port")
    return nil
  end
  local services = dns.has_services(ok, item.value.resolve)
  if services and (types.is_ipv4(ok) or types.is_ipv6(ok)) then
    report.error(rep, report.join(item.path, "resolve"), "is for names, and the target is an address")
  end
  return {
    id = item.id,
    host = ok,
    port = port,
    weight = item.value.weight,
    priority = item.value.priority,
    services = services,
    tags = item.value.tags,
  }
end

--- The upstreams, each with its targets.
---@param state table  from collect.lua
---@return table[]
function M.upstreams(state)
  local list = {}
  for index, item in ipairs(state.items.upstreams) do
    local value = item.value or {}
    if item.value then
      balancing.check(state.report, item.path, value)
      health.check(state.report, item.path, value)
      sticky.check(state.report, item.path, value)
    end
    list[index] = {
      id = item.id,
      name = value.name,
      tags = value.tags,
      host_header = value.host_header,
      use_srv_name = value.use_srv_name or false,
      sticky = item.value and sticky.normal(value),
      balancing = balancing.normal(value),
      health = item.value and health.normal(value),
      concurrency = value.concurrency,
      targets = {},
    }
  end
  for _, item in ipairs(state.items.targets) do
    local upstream = item.parents.upstream
    local entry = item.value and target(state.report, item)
    if upstream and entry then
      local targets = list[upstream.index].targets
      for _, other in ipairs(targets) do
        if other.host == entry.host and other.port == entry.port then
          report.error(state.report, item.path, item.value.target .. " is a target of this upstream already")
        end
      end
      targets[#targets + 1] = entry
    elseif not item.dangling and not upstream then
      report.error(state.report, item.path, "needs an upstream")
    end
  end
  for index, item in ipairs(state.items.upstreams) do
    if #list[index].targets == 0 then
      report.warn(state.report, item.path, "has no targets: every request to it ends with 503")
    end
  end
  return list
end

--- The consumers, without their credentials.
---@param state table  from collect.lua
---@return table[]
function M.consumers(state)
  local list, custom_ids, members = {}, {}, groups.members(state)
  for index, item in ipairs(state.items.consumers) do
    local value = item.value or {}
    local other = value.custom_id and custom_ids[value.custom_id]
    if other then
      report.error(
        state.report,
        report.join(item.path, "custom_id"),
        ("another consumer has this custom_id (line %d)"):format(report.line(state.report, other))
      )
    elseif value.custom_id then
      custom_ids[value.custom_id] = report.join(item.path, "custom_id")
    end
    list[index] = {
      id = item.id,
      username = value.username,
      custom_id = value.custom_id,
      tags = value.tags,
      groups = members[index] or {},
      credentials = {},
    }
  end
  return list
end

return M
