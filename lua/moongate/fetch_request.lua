--- What a plugin asks for with ctx:fetch, checked and made into what the core reads, a *job* (core/script/fetch.h).
local args = require("moongate.args")
local core = require("moongate.core")
local entities = require("moongate.entities")
local json = require("moongate.json")

local M = {}

local KNOWN = {
  service = true,
  upstream = true,
  url = true,
  method = true,
  path = true,
  query = true,
  headers = true,
  body = true,
  timeout = true,
  stream = true,
}

local DEFAULT_PORTS = { http = 80, https = 443 }

-- Caught in M.read.
local function misuse(text, ...) error(text:format(...), 0) end

local function allowed(scheme, host, port)
  local place = ("%s:%d"):format(host, port)
  for _, service in ipairs(entities.services) do
    if service.protocol == scheme and service.host == host and service.port == port then return true end
  end
  for _, entry in ipairs(entities.fetch_allow) do
    if entry == host or entry == place then return true end
    local domain = entry:match("^%*(%..+)$")
    if domain and #host > #domain and host:sub(-#domain) == domain then return true end
  end
  return false
end

-- { host, port, authority, path }, or nil and why not.
local function read_url(url)
  if type(url) ~= "string" then misuse("url must be a string") end
  local scheme, authority, rest = url:match("^(%a[%w+.-]*)://([^/?#]*)([^#]*)$")
  if not scheme then misuse("%q is not a URL", url) end
  scheme = scheme:lower()
  if not DEFAULT_PORTS[scheme] then misuse("the scheme of %q must be http or https", url) end
  local host, port = authority:match("^(%[[%x:.]+%]):?(%d*)$")
  if not host then
    host, port = authority:match("^([%w._-]+):?(%d*)$")
  end
  if not host or (port == "" and authority:sub(-1) == ":") then misuse("the host of %q is not valid", url) end
  host, port = host:lower(), port == "" and DEFAULT_PORTS[scheme] or tonumber(port)
  if port < 1 or port > 65535 then misuse("the port of %q is not valid", url) end
  if not allowed(scheme, host, port) then
    return nil,
      ("%s:%d is outside the configuration (fetch.allow names what else may be asked)"):format(host, port)
  end
  return {
    host = host:gsub("^%[(.*)%]$", "%1"),
    port = port,
    tls = scheme == "https",
    authority = authority:lower(),
    path = rest:sub(1, 1) == "/" and rest or "/" .. rest,
  }
end

local function read_target(request)
  local count = (request.service and 1 or 0) + (request.upstream and 1 or 0) + (request.url and 1 or 0)
  if count ~= 1 then misuse("say one of service, upstream, url") end
  if request.url then return read_url(request.url) end
  if request.service then
    local index = entities.service_index[request.service]
    if not index then
      return nil, ("no service named %q in the configuration"):format(tostring(request.service))
    end
    return { service = index }
  end
  if type(request.upstream) ~= "string" then misuse("upstream must be a string") end
  return { upstream = request.upstream, authority = request.upstream }
end

local function read_query(query, path)
  if query == nil then return path end
  if type(query) == "table" then
    local text, reason = args.encode(query)
    if not text then misuse("query: %s", reason) end
    query = text
  elseif type(query) ~= "string" then
    misuse("query must be a string or a table")
  end
  if query == "" then return path end
  return path .. (path:find("?", 1, true) and "&" or "?") .. query
end

-- A flat array of names and values.
local function read_headers(headers)
  local flat = {}
  if headers == nil then return flat end
  if type(headers) ~= "table" then misuse("headers must be a table") end
  for name, value in pairs(headers) do
    if type(name) ~= "string" then misuse("the names of headers must be strings") end
    local values = type(value) == "table" and value or { value }
    for i = 1, #values do
      local kind = type(values[i])
      if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
        misuse("the value of %q must be a string, number or boolean, not %s", name, kind)
      end
      flat[#flat + 1] = name:lower()
      flat[#flat + 1] = tostring(values[i])
    end
  end
  return flat
end

local function has(flat, name)
  for i = 1, #flat, 2 do
    if flat[i] == name then return true end
  end
end

-- Asks the plugin's function for one piece after the other; what the core has no room for waits in core.fetch_send.
local function produce(next_piece)
  while true do
    local piece = next_piece()
    if piece == nil then return end
    if type(piece) ~= "string" then
      error("the function of a body must give strings, and nil at the end, not a " .. type(piece), 0)
    end
    if piece ~= "" then core.fetch_send(piece) end
  end
end

local function read_body(body, flat)
  if body == nil or type(body) == "string" then return body end
  if type(body) ~= "table" then misuse("body must be a string, a table or a function") end
  local text, reason = json.encode(body)
  if not text then misuse("the body cannot be JSON: %s", reason) end
  if not has(flat, "content-type") then
    flat[#flat + 1], flat[#flat + 2] = "content-type", "application/json"
  end
  return text
end

local function read(request)
  if type(request) ~= "table" then misuse("a request must be a table") end
  for key in pairs(request) do
    if not KNOWN[key] then misuse("%q means nothing", tostring(key)) end
  end
  local job, reason = read_target(request)
  if not job then return nil, reason end
  local path = request.path or job.path or "/"
  if type(path) ~= "string" or path:sub(1, 1) ~= "/" then misuse('path must start with "/"') end
  local timeout = request.timeout
  if timeout ~= nil and (type(timeout) ~= "number" or not (timeout > 0 and timeout <= 86400)) then
    misuse("timeout must be seconds, more than 0")
  end
  local method, body = request.method or "GET", request.body
  if type(method) ~= "string" then misuse("method must be a string") end
  if request.stream ~= nil and type(request.stream) ~= "boolean" then misuse("stream must be true or false") end
  job.method, job.timeout, job.path = method:upper(), timeout or 0, read_query(request.query, path)
  job.headers, job.stream = read_headers(request.headers), request.stream
  if type(body) == "function" then
    job.producer, job.body_function = produce, body
  else
    job.body = read_body(body, job.headers)
  end
  return job
end

--- A job; or nil and why it cannot be asked for; or nil, nil and what the caller did wrong.
---@return table? job, string? reason, string? misuse
function M.read(request)
  local fine, job, reason = pcall(read, request)
  if not fine then return nil, nil, job end
  return job, reason
end

return M
