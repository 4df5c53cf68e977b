--- The fields of services, routes, upstreams, targets, consumers and plugin uses: Kong's names and meanings, and ours.
local t = require("moongate.schema")
local later = require("moongate.config.later")
local limits = require("moongate.config.limits")
local words = require("moongate.schema.words")

local M = {}

-- Entities that stand inside this one are found by collect.lua; here they are only known by name.
local function child(one, many)
  local element = t.any { by_reference = true }
  element.noun = { one, many }
  return t.array { element }
end

-- A foreign key: a name, an id, or { name = … } / { id = … } as decK writes it.
local function reference()
  return t.any {
    by_reference = true,
    check = function(value)
      if type(value) == "table" then
        value = value.id or value.name or value.username
      end
      return type(value) == "string", "must be a name or an id"
    end,
  }
end

local function entity(extra, fields, rules)
  local all = {
    id = t.uuid {},
    tags = t.set { t.tag {}, default = {} },
    created_at = t.number {},
    updated_at = t.number {},
    _comment = t.string {},
    _ignore = t.any { by_reference = true },
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

local PROTOCOLS_LATER = { "https", "grpc", "grpcs", "tcp", "tls", "tls_passthrough", "udp", "ws", "wss" }

M.services = entity(later.service, {
  name = t.name {},
  enabled = t.boolean { default = true },
  url = t.url {},
  protocol = later.choice({ "http" }, PROTOCOLS_LATER),
  host = t.host {},
  port = t.port {},
  path = t.path {},
  retries = t.integer { between = { 0, 32767 }, default = 5 },
  connect_timeout = t.timeout { default = 60000 },
  write_timeout = t.timeout { default = 60000 },
  read_timeout = t.timeout { default = 60000 },
  response_timeout = t.duration { unit = "ms", off = true, default = "60s" },
  keepalive = t.record {
    connections = t.integer { between = { 0, 65535 }, default = 512 },
    requests = t.count { off = true, default = 10000 },
    idle = t.duration { unit = "ms", default = "60s" },
  },
  limits = limits.of_scope,
  routes = child("a route", "routes"),
  plugins = child("a plugin", "plugins"),
})

local function protocols_of_route(list)
  for _, name in ipairs(list) do
    if name == "http" then
      return true
    end
  end
  return nil, "https alone is " .. later.MESSAGE
end

local HTTP_LATER = { "grpc", "grpcs", "tcp", "tls", "tls_passthrough", "udp", "ws", "wss" }

local function no_host_header(headers)
  for name in pairs(headers) do
    if name:lower() == "host" then
      return nil, "host is not matched here: write hosts"
    end
  end
  return true
end

M.routes = entity(later.route, {
  name = t.name {},
  service = reference(),
  protocols = t.set {
    later.choice({ "http", "https" }, HTTP_LATER),
    default = { "http", "https" },
    len_min = 1,
    check = protocols_of_route,
  },
  methods = t.set { t.http_method {} },
  hosts = t.set { t.string { len_min = 1 } },
  paths = t.set { t.string { len_min = 1 } },
  headers = t.map { t.header_name {}, t.array { t.string {} }, check = no_host_header },
  query = t.map { t.string { len_min = 1 }, t.array { t.string {} } },
  regex_priority = t.integer { between = { -2 ^ 31, 2 ^ 31 - 1 }, default = 0 },
  strip_path = t.boolean { default = true },
  preserve_host = t.boolean { default = false },
  path_match = t.one_of { "segment", "prefix" },
  public = t.boolean { default = false },
  limits = limits.of_scope,
  plugins = child("a plugin", "plugins"),
})

-- Those that core/policy/balance.h lists; the first one is the default.
local ALGORITHMS = { "round-robin" }

local function algorithm(name)
  for _, known in ipairs(ALGORITHMS) do
    if name == known then return true end
  end
  if later.ALGORITHMS[name] then
    return nil, ("%s is %s"):format(words.quote(name), later.MESSAGE)
  end
  return nil, ("%s is no algorithm%s"):format(words.quote(name), words.did_you_mean(name, ALGORITHMS))
end

M.upstreams = entity(later.upstream, {
  name = t.host { required = true },
  algorithm = t.string { default = ALGORITHMS[1], check = algorithm },
  host_header = t.string { match = "^[%w._:%[%]-]+$" },
  targets = child("a target", "targets"),
})

M.targets = entity({}, {
  upstream = reference(),
  target = t.string { required = true },
  weight = t.integer { between = { 0, 65535 }, default = 100 },
})

-- The collections of Kong's credentials, by the plugin that reads them.
M.COLLECTIONS = {
  keyauth_credentials = "key-auth",
  basicauth_credentials = "basic-auth",
  hmacauth_credentials = "hmac-auth",
  jwt_secrets = "jwt",
  oauth2_credentials = "oauth2",
  acls = "acl",
}

local function consumer_fields()
  local fields = {
    username = t.string { len_min = 1, len_max = 256 },
    custom_id = t.string { len_min = 1, len_max = 256 },
    groups = t.any { by_reference = true },
    credentials = t.map { child("a credential", "credentials") },
    plugins = child("a plugin", "plugins"),
  }
  for name in pairs(M.COLLECTIONS) do
    fields[name] = child("a credential", "credentials")
  end
  return fields
end

M.consumers = entity(later.consumer, consumer_fields(), { t.at_least_one_of { "username", "custom_id" } })

M.consumer_groups = entity({}, {
  name = t.name { required = true },
  plugins = t.any { later = "Who you are" },
  consumers = t.any { later = "Who you are" },
})

--- What every credential may carry beside its own fields.
M.CREDENTIAL_EXTRAS = { "consumer", "id", "tags", "created_at", "updated_at", "_comment", "_ignore" }

M.credential_extras = entity({}, { consumer = reference() })

local function protocols_of_plugin(list)
  for _, name in ipairs(list) do
    if name == "http" then
      return true
    end
  end
  return nil, "without http is " .. later.MESSAGE
end

M.plugins = entity(later.plugin, {
  name = t.string { required = true, match = "^[%w][%w_-]*$", len_max = 64 },
  instance_name = t.name {},
  config = t.any { by_reference = true },
  enabled = t.boolean { default = true },
  protocols = t.set {
    t.one_of { "http", "https", "grpc", "grpcs", "tcp", "tls", "tls_passthrough", "udp", "ws", "wss" },
    default = { "grpc", "grpcs", "http", "https" },
    check = protocols_of_plugin,
  },
  service = reference(),
  route = reference(),
  consumer = reference(),
  priority = t.integer { between = { -2 ^ 31, 2 ^ 31 - 1 } },
  on_error = t.one_of { "reply", "skip", default = "reply" },
})

--- Where entities stand inside others: the key, and what kind it holds.
M.CHILDREN = {
  services = { routes = "routes", plugins = "plugins" },
  routes = { plugins = "plugins" },
  upstreams = { targets = "targets" },
  consumers = { plugins = "plugins" },
}

--- How a child knows its parent.
M.PARENT_KEY = { services = "service", routes = "route", upstreams = "upstream", consumers = "consumer" }

return M
