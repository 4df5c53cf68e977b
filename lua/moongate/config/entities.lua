--- The fields of services, routes, upstreams, targets, consumers and plugin uses: Kong's names and meanings, and ours.
local t = require("moongate.schema")
local address = require("moongate.config.address")
local balancing = require("moongate.config.balancing")
local capacity = require("moongate.config.capacity")
local certificates = require("moongate.config.certificates")
local consumer_fields = require("moongate.config.consumer_fields")
local failing = require("moongate.config.failing")
local health = require("moongate.config.health")
local later = require("moongate.config.later")
local limits = require("moongate.config.limits")
local mirror = require("moongate.config.mirror")
local protocols = require("moongate.config.protocols")
local sticky = require("moongate.config.sticky")
local when = require("moongate.when")
local tls_route_fields = require("moongate.config.tls_route_fields")
local tls_service_fields = require("moongate.config.tls_service_fields")
local types = require("moongate.schema.types")

local M = {}

-- Entities that stand inside this one are found by collect.lua; here they are only known by name.
local function child(one, many, about)
  local element = t.any { by_reference = true }
  element.noun = { one, many }
  return t.array { element, about = about or ("Its %s, written here instead of at the top."):format(many) }
end

-- A foreign key: a name, an id, or { name = … } / { id = … } as decK writes it.
---@param about? string
---@return table
function M.reference(about)
  local kind = t.any {
    by_reference = true,
    about = about,
    check = function(value)
      if type(value) == "table" then value = value.id or value.name or value.username end
      return type(value) == "string", "must be a name or an id"
    end,
  }
  kind.noun = { "a name or id", "names or ids" }
  return kind
end

local reference = M.reference

local function entity(extra, fields, rules)
  local all = {
    id = t.uuid { about = "Made of the name where it is not written." },
    tags = t.set { t.tag {}, default = {}, about = "Words of yours; plugins and logs can see them." },
    created_at = t.number { about = "Kong's; taken and not used." },
    updated_at = t.number { about = "Kong's; taken and not used." },
    _comment = t.string { about = "For people." },
    _ignore = t.any { by_reference = true, about = "A place for YAML anchors." },
  }
  for name, kind in pairs(extra) do
    all[name] = kind
  end
  for name, kind in pairs(fields) do
    all[name] = kind
  end
  for i, rule in ipairs(rules or {}) do
    all[i] = rule
  end
  return t.record(all)
end

local function with(one, other)
  local all = {}
  for _, fields in ipairs { one, other } do
    for name, kind in pairs(fields) do
      all[name] = kind
    end
  end
  return all
end

local PROTOCOLS_LATER = { "tcp", "tls", "tls_passthrough", "udp", "ws", "wss" }

-- A URL, or nginx's way to write a unix socket, which services.lua takes apart.
local function service_url()
  local kind = t.string {
    about = "protocol, host, port and path in one; `http://unix:/run/app.sock:/path`: a unix socket.",
  }
  kind.noun = { "a URL", "URLs" }
  kind.parse = function(text)
    if text:find("^%a[%w+.-]*://unix:") then return text end
    return types.SCALARS.url.parse(text)
  end
  return kind
end

M.services = entity(with(with(later.service, tls_service_fields.FIELDS), failing.OF_SERVICE), {
  name = t.name { about = "How routes, plugins, logs and metrics call it." },
  enabled = t.boolean { default = true, about = "Whether its routes take requests." },
  url = service_url(),
  protocol = later.choice(
    { "http", "https", "grpc", "grpcs" },
    PROTOCOLS_LATER,
    { about = "`http`, where no `url` says it. `grpc`: HTTP/2, as `http2` says. `https` and `grpcs`: over TLS." }
  ),
  host = t.host { about = "Where it is: a name, an address, or the name of an upstream." },
  port = t.port { about = "Where nothing is written 80, and 443 over TLS." },
  path = t.path { about = "Put before the path of every request." },
  proxy_protocol = t.one_of {
    "v1",
    "v2",
    about = "Begin every connection with a PROXY header that names the client; each request then has a connection "
      .. "of its own.",
  },
  http2 = t.boolean {
    default = false,
    about = "Speak HTTP/2 to it: requests share one connection, or few. Over TLS it must agree to that (ALPN), "
      .. "without it is not asked first (prior knowledge).",
  },
  forwarded_header = t.boolean {
    default = false,
    about = "Say who asks as `Forwarded` (RFC 7239), too, beside `X-Forwarded-*`.",
  },
  keepalive = t.record {
    connections = t.integer {
      between = { 0, 65535 },
      default = 512,
      about = "Idle connections that one worker keeps to each target.",
    },
    requests = t.count { off = true, default = 10000, about = "Requests on one connection." },
    idle = t.duration { unit = "ms", default = "60s", about = "How long a connection is kept without a request." },
  },
  mirror = mirror.RECORD,
  limits = limits.of_scope,
  routes = child("a route", "routes"),
  plugins = child("a plugin", "plugins"),
})

local HTTP_LATER = { "tcp", "tls", "tls_passthrough", "udp", "ws", "wss" }

local function no_host_header(headers)
  for name in pairs(headers) do
    if name:lower() == "host" then return nil, "host is not matched here: write hosts" end
  end
  return true
end

local function frame_in_message(value)
  if value.max_frame > 0 and value.max_message > 0 and value.max_frame > value.max_message then
    return nil, "is larger than max_message: no message could have such a frame", "max_frame"
  end
  return true
end

local websocket = t.record {
  max_frame = t.size { off = true, default = "32k", about = "Bytes of one frame of its WebSockets; 1009 above." },
  max_message = t.size {
    off = true,
    default = "128k",
    about = "Bytes of a message, in all of its frames; 1009 above.",
  },
  validate_utf8 = t.boolean {
    default = false,
    about = "Texts must be UTF-8; 1007. The client's wish to compress is then not passed on.",
  },
  t.check(frame_in_message),
}

M.routes = entity(with(with(later.route, tls_route_fields.fields(reference)), failing.OF_ROUTE), {
  name = t.name { about = "How plugins, logs and metrics call it." },
  service = reference("Where its requests go; none: a plugin must answer."),
  protocols = t.set {
    later.choice({ "http", "https", "grpc", "grpcs" }, HTTP_LATER),
    default = { "http", "https" },
    len_min = 1,
    check = protocols.of_route,
    about = "`[https]`: plain HTTP is answered with `https_redirect_status_code`. `[http]`: it takes no request over "
      .. "HTTPS. `grpc` and `grpcs`: it takes calls of gRPC and nothing else.",
  },
  methods = t.set { t.http_method {}, about = "Methods it takes; without it every one." },
  hosts = t.set {
    t.string { len_min = 1 },
    about = "Hosts it takes: `example.com`, `*.example.com`, `example.*`.",
  },
  paths = t.set {
    t.string { len_min = 1 },
    about = "Paths it takes: `/users` and what lies below, `=/users` exactly, `/users/{id}` as a template, "
      .. "`~/users/\\d+` as a regular expression.",
  },
  headers = t.map {
    t.header_name {},
    t.array { t.string {} },
    check = no_host_header,
    about = "Headers it asks for, each with one of these values; one value `~*…` is a regular expression; none: it "
      .. "must be there.",
  },
  query = t.map {
    t.string { len_min = 1 },
    t.array { t.string {} },
    about = "Query arguments it asks for, written as `headers` are.",
  },
  cookies = t.map {
    t.string { match = "^[%w!#$%%&'*+%-.^_`|~]+$" },
    t.array { t.string {} },
    about = "Cookies it asks for, written as `headers` are.",
  },
  sources = t.set {
    address.peer(),
    about = "Networks that it takes clients from (as `trusted_proxies` make them known); `unix:`: unix sockets.",
  },
  regex_priority = t.integer {
    between = { -2 ^ 31, 2 ^ 31 - 1 },
    default = 0,
    about = "Among regular expressions that match, higher first.",
  },
  strip_path = t.boolean { default = true, about = "Take away the part of the path that matched." },
  preserve_host = t.boolean { default = false, about = "Send the client's Host on, not the service's." },
  path_match = t.one_of { "segment", "prefix", about = "As at the top, for this route." },
  public = t.boolean {
    default = false,
    about = "Nobody needs to say who they are; asked for where no plugin authenticates.",
  },
  websocket = websocket,
  limits = limits.of_scope,
  mirror = mirror.RECORD,
  plugins = child("a plugin", "plugins"),
})

local function with_balancing(fields)
  for _, more in ipairs { balancing.FIELDS, health.FIELDS, sticky.FIELDS } do
    for name, kind in pairs(more) do
      fields[name] = kind
    end
  end
  return fields
end

M.upstreams = entity(
  later.upstream,
  with_balancing {
    name = t.host { required = true, about = "What the host of a service says to mean it." },
    use_srv_name = t.boolean {
      default = false,
      about = "The Host its targets get is the name in their SRV record.",
    },
    host_header = t.string { match = "^[%w._:%[%]-]+$", about = "The Host its targets get." },
    client_certificate = tls_service_fields.shown_certificate(
      "As of a service, for those that mean this upstream and have none of their own."
    ),
    concurrency = capacity.of_upstream,
    targets = child("a target", "targets"),
  }
)

M.targets = entity({}, {
  upstream = reference("Whose it is, where it stands at the top."),
  target = t.string {
    required = true,
    about = "host:port; the port is 8000 where none is written. `unix:/run/app.sock`: a unix socket.",
  },
  resolve = t.one_of {
    "address",
    "srv",
    about = "What its name is asked for: addresses, or SRV records, which name hosts, ports, weights and priorities. "
      .. "Without it SRV where the name begins as theirs do (`_http._tcp.users.internal`).",
  },
  weight = t.integer { between = { 0, 65535 }, default = 100, about = "Its share; 0: none." },
  priority = t.integer {
    between = { 0, 255 },
    default = 0,
    about = "Lower ones first: the others are backups, used while none of those before can be.",
  },
})

M.COLLECTIONS = consumer_fields.COLLECTIONS

M.consumers = entity({}, consumer_fields.fields(child), { t.at_least_one_of { "username", "custom_id" } })

M.certificates = entity({}, certificates.fields(child("an SNI", "SNIs")))

M.ca_certificates = entity({}, certificates.ca_fields())

M.snis = entity({}, {
  name = certificates.server_name {
    required = true,
    about = "`example.com`, `*.example.com` (one label), or `*`: all others.",
  },
  certificate = reference("Whose name it is, where it stands at the top."),
})

M.consumer_groups = entity({}, {
  name = t.name { required = true, about = "How consumers call it." },
  plugins = child("a plugin", "plugins"),
  consumers = consumer_fields.names("Consumers that belong to it, where it is not said at the consumer."),
})

--- Kong's way to say it between both.
M.consumer_group_consumers = entity({}, {
  consumer = M.reference("Who belongs to it."),
  consumer_group = M.reference("What it belongs to."),
  t.mutually_required { "consumer", "consumer_group" },
  t.at_least_one_of { "consumer", "consumer_group" },
})

--- What every credential may carry beside its own fields.
M.CREDENTIAL_EXTRAS = { "consumer", "id", "tags", "created_at", "updated_at", "_comment", "_ignore" }

M.credential_extras = entity({}, { consumer = reference("Whose it is, where it stands at the top.") })

local function protocols_of_plugin(list)
  for _, name in ipairs(list) do
    if protocols.FAMILY[name] then return true end
  end
  return nil, "without http, https, grpc or grpcs is " .. later.MESSAGE
end

local function config_of_plugin()
  local kind = t.any { by_reference = true, about = "What the plugin's README says." }
  kind.noun = { "a map", "maps" }
  return kind
end

M.plugins = entity(later.plugin, {
  name = t.string {
    required = true,
    match = "^[%w][%w_-]*$",
    len_max = 64,
    about = "The plugin: its folder's name.",
  },
  instance_name = t.name { about = "What this use of it is called." },
  config = config_of_plugin(),
  enabled = t.boolean { default = true, about = "Whether it runs." },
  protocols = t.set {
    t.one_of { "http", "https", "grpc", "grpcs", "tcp", "tls", "tls_passthrough", "udp", "ws", "wss" },
    default = { "grpc", "grpcs", "http", "https" },
    check = protocols_of_plugin,
    about = "Kong's; `http`, `https`, `grpc` or `grpcs` must be among them.",
  },
  service = reference("Only for requests to this service."),
  route = reference("Only for requests that this route takes."),
  consumer = reference("Only for this consumer's requests."),
  consumer_group = reference("Only for requests of consumers in this group."),
  priority = t.integer {
    between = { -2 ^ 31, 2 ^ 31 - 1 },
    about = "When it runs in a hook: higher first; the plugin's own elsewhere.",
  },
  on_error = t.one_of {
    "reply",
    "skip",
    default = "reply",
    about = "What an error of its code does: a 500, or a line in the log and on without it.",
  },
  when = t.string {
    check = function(text)
      local names, reason = when.check(text)
      return names and true, reason
    end,
    about = "A Lua expression over request, client, consumer, route.",
  },
  trusted = t.boolean {
    about = "`false`: its code runs in a sandbox, uncompiled, within bounds of its own; the plugin's own elsewhere.",
  },
})

--- Where entities stand inside others: the key, and what kind it holds.
M.CHILDREN = {
  services = { routes = "routes", plugins = "plugins" },
  routes = { plugins = "plugins" },
  upstreams = { targets = "targets" },
  consumers = { plugins = "plugins" },
  consumer_groups = { plugins = "plugins" },
  certificates = { snis = "snis" },
}

--- How a child knows its parent.
M.PARENT_KEY = {
  services = "service",
  routes = "route",
  upstreams = "upstream",
  consumers = "consumer",
  consumer_groups = "consumer_group",
  certificates = "certificate",
}

return M
