--- The configuration as people may see it (`GET /config`): JSON without secrets, with its keys in order, so that two
--- can be compared.
---
--- What a schema calls secret reads "***" (the validator leaves such a copy of a plugin's configuration in `shown`).
--- For the rest, and for credentials, what the name of a field gives away.
local M = {}

local HIDDEN = "***"

local SECRET_NAMES = {
  "secret",
  "password",
  "passwd",
  "passphrase",
  "token",
  "private_key",
  "api_key",
  "apikey",
  "credential",
  "authorization",
}

local function is_secret(name)
  if type(name) ~= "string" then return false end
  local lower = name:lower()
  if lower == "key" then return true end
  for _, word in ipairs(SECRET_NAMES) do
    -- "token" and "access_token" hold one; "token_names" and "hide_credentials" speak of them
    if lower == word or lower:sub(-#word - 1) == "_" .. word then return true end
  end
  return false
end

--- A copy in which everything below a name that sounds secret is hidden.
---@param value any
---@return any
function M.redact(value)
  if type(value) == "string" then
    return (value:gsub("://[^/@%s]+@", "://" .. HIDDEN .. "@")) -- http://user:password@host
  elseif type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, inner in pairs(value) do
    if is_secret(key) and type(inner) ~= "boolean" then
      copy[key] = HIDDEN
    else
      copy[key] = M.redact(inner)
    end
  end
  return copy
end

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function quote(text)
  return '"'
    .. text:gsub('[%c"\\\127]', function(char) return ESCAPES[char] or ("\\u%04x"):format(char:byte()) end)
    .. '"'
end

local function number(value)
  if value ~= value or value == math.huge or value == -math.huge then return "null" end
  return value % 1 == 0 and math.abs(value) < 2 ^ 53 and ("%d"):format(value) or ("%.14g"):format(value)
end

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

local put

local function put_list(out, list, depth)
  out[#out + 1] = "["
  for i, item in ipairs(list) do
    out[#out + 1] = i > 1 and "," or ""
    put(out, item, depth)
  end
  out[#out + 1] = "]"
end

local function put_map(out, map, depth)
  out[#out + 1] = "{"
  for i, key in ipairs(sorted_keys(map)) do
    out[#out + 1] = i > 1 and "," or ""
    out[#out + 1] = quote(tostring(key)) .. ":"
    put(out, map[key], depth)
  end
  out[#out + 1] = "}"
end

local MAX_DEPTH = 100

function put(out, value, depth)
  local kind = type(value)
  if kind == "string" then
    out[#out + 1] = quote(value)
  elseif kind == "number" then
    out[#out + 1] = number(value)
  elseif kind == "boolean" then
    out[#out + 1] = tostring(value)
  elseif kind ~= "table" or depth > MAX_DEPTH then
    out[#out + 1] = "null"
  elseif #value > 0 or next(value) == nil then
    put_list(out, value, depth + 1)
  else
    put_map(out, value, depth + 1)
  end
end

--- JSON with sorted keys. An empty table is a list: that is what empty tables are in a configuration.
---@param value any
---@return string
function M.encode(value)
  local out = {}
  put(out, value, 0)
  return table.concat(out)
end

local HIDDEN_CREDENTIAL_FIELDS = { id = true, tags = true, username = true, group = true, algorithm = true }

-- Of a credential only what says which one it is.
local function show_credentials(by_plugin)
  local shown = {}
  for plugin, list in pairs(by_plugin) do
    shown[plugin] = {}
    for i, credential in ipairs(list) do
      shown[plugin][i] = {}
      for key, value in pairs(credential) do
        shown[plugin][i][key] = HIDDEN_CREDENTIAL_FIELDS[key] and value or HIDDEN
      end
    end
  end
  return shown
end

local function show_consumer(consumer)
  local shown = M.redact(consumer)
  shown.credentials = show_credentials(consumer.credentials or {})
  return shown
end

local function show_use(use)
  local shown = M.redact(use)
  shown.config = use.shown ~= nil and use.shown or shown.config
  shown.shown, shown.dir, shown.hooks = nil, nil, nil
  return shown
end

local function map(list, convert)
  local result = {}
  for i, item in ipairs(list or {}) do
    result[i] = convert(item)
  end
  return result
end

-- Whose certificates, and by which names: nothing of what is in them.
local function show_listener(listener)
  local shown = M.redact(listener)
  if listener.tls then
    shown.tls = { certificates = {}, clients = {} }
    for i, clients in ipairs(listener.tls.clients) do
      shown.tls.clients[i] = { client_certificate = clients.mode, snis = clients.names }
    end
    for i, certificate in ipairs(listener.tls.certificates) do
      shown.tls.certificates[i] = { id = certificate.id, snis = certificate.names }
    end
  end
  return shown
end

-- What holds, and which certificate is shown: nothing of what is in it.
local function show_service(service)
  local shown = M.redact(service)
  local tls = service.tls
  if tls then
    shown.tls = {
      verify = tls.verify,
      depth = tls.depth,
      name = tls.name,
      client_certificate = tls.certificate,
      trusts = tls.ca and "ca_certificates" or "system",
    }
  end
  return shown
end

local function show_route(route)
  local shown = M.redact(route)
  shown.clients, shown.item_path = nil, nil
  shown.client_certificate = route.clients and route.clients.mode
  return shown
end

local NOT_SHOWN = {
  listeners = true,
  services = true,
  routes = true,
  tls_files = true,
  expiries = true,
  warnings = true,
  consumers = true,
  plugins = true,
}

--- The normal form as JSON without secrets.
---@param normal table  from moongate.config
---@return string
function M.config(normal)
  local shown = {}
  for key, value in pairs(normal) do
    if not NOT_SHOWN[key] then shown[key] = M.redact(value) end
  end
  shown.listeners = map(normal.listeners, show_listener)
  shown.services = map(normal.services, show_service)
  shown.routes = map(normal.routes, show_route)
  shown.consumers = map(normal.consumers, show_consumer)
  shown.plugins = map(normal.plugins, show_use)
  return M.encode(shown)
end

return M
