--- What is known, Kong's or ours, and not in this version. It is refused by name, never ignored, unless it
--- says what Kong does by default anyway. Each entry stands under the piece of work that brings it.
local t = require("moongate.schema")
local words = require("moongate.schema.words")

local M = {}

M.MESSAGE = "known, not in this version"

--- A check for a key whose feature is not there yet: only what holds anyway passes.
function M.only(value)
  return function(got)
    if got == value then return true end
    return nil, "is " .. M.MESSAGE
  end
end

local function group(title, names)
  for name, default in pairs(names) do
    if default == t.none then
      names[name] = t.any { later = title }
    else
      names[name] = t.any { later = title, default = default }
    end
  end
  return names
end

local function merged(...)
  local result = {}
  for i = 1, select("#", ...) do
    for name, kind in pairs((select(i, ...))) do
      result[name] = kind
    end
  end
  return result
end

local TLS, WHO, KONG = "Every connection", "Who you are", "Kong's plugins"
local none = t.none

M.top = merged(
  group(WHO, { vaults = none, keys = none, key_sets = none }),
  group(KONG, {
    filter_chains = none, licenses = none, parameters = none, workspaces = none, custom_entities = none,
    degraphql_routes = none, graphql_ratelimiting_cost_decorations = none, partials = none,
    consumer_group_plugins = none, rbac_roles = none, _plugin_configs = none,
  })
)

M.service = group(TLS, { tls_sans = none })

M.route = merged(
  group(KONG, {
    destinations = none, expression = none, priority = none, path_handling = "v0",
    request_buffering = true, response_buffering = true,
  })
)

M.upstream = {}

M.plugin = merged(
  group(KONG, { ordering = none, condition = none, partials = none })
)

M.listener = {}

--- Plugins of Kong's that have no folder here yet.
M.PLUGINS = {}
for _, name in ipairs {
  "acl", "acme", "ai-prompt-decorator", "ai-prompt-guard", "ai-prompt-template", "ai-proxy", "ai-request-transformer",
  "ai-response-transformer", "aws-lambda", "azure-functions", "basic-auth", "bot-detection", "cors", "datadog",
  "file-log", "grpc-gateway", "grpc-web", "hmac-auth", "http-log", "ip-restriction", "jwt", "ldap-auth", "loggly",
  "oauth2", "opentelemetry", "post-function", "pre-function", "prometheus", "proxy-cache", "rate-limiting",
  "redirect", "request-size-limiting", "request-termination", "response-ratelimiting", "session",
  "standard-webhooks", "statsd", "syslog", "tcp-log", "udp-log", "zipkin", "key-auth", "correlation-id",
  "request-transformer", "response-transformer",
} do
  M.PLUGINS[name] = true
end

--- Why a plugin cannot be used: those of Kong's that nobody has written yet are known at least.
---@param name string
---@param reason string  what the finder of plugins said
---@return string
function M.plugin_reason(name, reason)
  if M.PLUGINS[name] and reason:find("^no plugin named") then
    return ('"%s" is %s'):format(name, M.MESSAGE)
  end
  return reason
end

--- A type for a choice of which only a part is here already.
---@param now string[]
---@param known string[]
---@param attributes? table
---@return table
function M.choice(now, known, attributes)
  local here, coming, all = {}, {}, {}
  for _, name in ipairs(now) do
    here[name], all[#all + 1] = true, name
  end
  for _, name in ipairs(known) do
    coming[name], all[#all + 1] = true, name
  end
  attributes = attributes or {}
  attributes.check = function(value)
    if here[value] then
      return true
    elseif coming[value] then
      return nil, ('"%s" is %s'):format(value, M.MESSAGE)
    end
    return nil, ("must be one of %s, got %s"):format(table.concat(all, ", "), words.quote(value))
  end
  return t.string(attributes)
end

return M
