--- ctx:fetch: checks what a plugin asks for and hands it to the core, which waits for the response.
local ffi = require("ffi")
local args = require("moongate.args")
local core = require("moongate.core")
local entities = require("moongate.entities")
local fields = require("moongate.pdk.fields")
local json = require("moongate.json")

local C = require("moongate.cdef")

local M = {}

local KNOWN = {
  service = true, upstream = true, url = true, method = true, path = true, query = true, headers = true, body = true,
  timeout = true,
}

-- Caught in M.fetch, which knows who called.
local function misuse(text, ...)
  error("ctx:fetch: " .. text:format(...), 0)
end

local function allowed(host, port)
  local place = ("%s:%d"):format(host, port)
  for _, service in ipairs(entities.services) do
    if service.host == host and service.port == port then return true end
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
  if scheme == "https" then return nil, "https is not in this version" end
  if scheme ~= "http" then misuse("the scheme of %q must be http", url) end
  local host, port = authority:match("^(%[[%x:.]+%]):?(%d*)$")
  if not host then host, port = authority:match("^([%w._-]+):?(%d*)$") end
  if not host or (port == "" and authority:sub(-1) == ":") then misuse("the host of %q is not valid", url) end
  host, port = host:lower(), port == "" and 80 or tonumber(port)
  if port < 1 or port > 65535 then misuse("the port of %q is not valid", url) end
  if not allowed(host, port) then
    return nil, ("%s:%d is outside the configuration (fetch.allow names what else may be asked)"):format(host, port)
  end
  return {
    host = host:gsub("^%[(.*)%]$", "%1"), port = port, authority = authority:lower(),
    path = rest:sub(1, 1) == "/" and rest or "/" .. rest,
  }
end

local function read_target(request)
  local count = (request.service and 1 or 0) + (request.upstream and 1 or 0) + (request.url and 1 or 0)
  if count ~= 1 then misuse("say one of service, upstream, url") end
  if request.url then return read_url(request.url) end
  if request.service then
    local index = entities.service_index[request.service]
    if not index then return nil, ("no service named %q in the configuration"):format(tostring(request.service)) end
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

local function read_body(body, flat)
  if body == nil or type(body) == "string" then return body end
  if type(body) ~= "table" then misuse("body must be a string or a table") end
  local text, reason = json.encode(body)
  if not text then misuse("the body cannot be JSON: %s", reason) end
  if not has(flat, "content-type") then
    flat[#flat + 1], flat[#flat + 2] = "content-type", "application/json"
  end
  return text
end

local function read(h, request)
  if type(request) ~= "table" then misuse("takes a table") end
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
  local method = request.method or "GET"
  if type(method) ~= "string" then misuse("method must be a string") end
  job.method, job.timeout, job.path = method:upper(), timeout or 0, read_query(request.query, path)
  job.headers = read_headers(request.headers)
  job.body = read_body(request.body, job.headers)
  job.limit = C.gw_pdk_number(h, C.GW_PDK_BODY_LIMIT)
  return job
end

local RESPONSE = {
  __index = {
    --- The body as a table.
    json = function(self)
      return json.decode(self.body)
    end,
  },
}

-- What the core collected, as a table.
local function take()
  local status, flat, body = core.fetch_take()
  local headers = fields.new()
  for i = 1, #flat, 2 do
    fields.put(headers, flat[i], flat[i + 1])
  end
  return setmetatable({
    ok = status >= 200 and status < 300, status = status, headers = headers, body = body,
  }, RESPONSE)
end

--- Misuse is an error of the caller's caller.
---@return table? response, string? reason
function M.fetch(h, request)
  local fine, job, reason = pcall(read, h, request)
  if not fine then error(job, 3) end
  if not job then return nil, reason end
  local code, bad = core.fetch(job)
  if bad then error("ctx:fetch: " .. bad, 3) end
  if code == 0 then return take() end
  if code == -1 then return nil, ("no upstream named %q in the configuration"):format(job.upstream) end
  if C.gw_pdk_too_large(code) ~= 0 then
    return nil, ("the response is larger than limits.buffer (%d bytes)"):format(job.limit)
  end
  return nil, ffi.string(C.gw_pdk_error_text(code))
end

return M
