--- HTTP as plugins know it that come from Kong with lua-resty-http: request_uri() on top of ctx:fetch. What is written
--- anew should call ctx:fetch.
local M = {}

---@class moongate.http.Client
local Client = {}
Client.__index = Client

-- What request_uri() of lua-resty-http takes: its value goes to ctx:fetch, or has no meaning here.
local TAKEN = { method = true, path = true, query = true, headers = true, body = true }
local IGNORED = {
  ssl_verify = true,
  ssl_server_name = true,
  keepalive = true,
  keepalive_timeout = true,
  keepalive_pool = true,
  keepalive_pool_size = true,
  version = true,
}

--- Milliseconds for the whole request.
---@phase rewrite, access, request_body, response, body, log
---@param timeout number
function Client:set_timeout(timeout) self.timeout = timeout / 1000 end

--- Milliseconds for connecting, sending and reading; here they are one, for the whole.
---@phase rewrite, access, request_body, response, body, log
---@param connect number
---@param send number
---@param read number
function Client:set_timeouts(connect, send, read)
  self.timeout = ((connect or 0) + (send or 0) + (read or 0)) / 1000
end

--- Asks; the host must stand in the configuration or in fetch.allow. Waits for the whole response.
---@phase rewrite, access, request_body, response, body, log
---@param uri string
---@param params? { method?: string, path?: string, query?: string|table, headers?: table, body?: string }
---@return { status: integer, reason: string, headers: table, body: string, has_body: boolean }? response
---@return string? reason
function Client:request_uri(uri, params)
  local request = { url = uri, timeout = self.timeout }
  for key, value in pairs(params or {}) do
    if TAKEN[key] then
      request[key] = value
    elseif not IGNORED[key] then
      error(("request_uri: %s has no like here: use ctx:fetch"):format(tostring(key)), 2)
    end
  end
  local response, reason = self.ctx:fetch(request)
  if not response then return nil, reason end
  return {
    status = response.status,
    reason = "",
    headers = response.headers,
    body = response.body,
    has_body = response.body ~= "",
  }
end

--- Does nothing: connections are kept without a word.
---@phase rewrite, access, request_body, response, body, log
---@return integer
function Client:set_keepalive() return 1 end

--- Does nothing: request_uri() leaves nothing open.
---@phase rewrite, access, request_body, response, body, log
---@return integer
function Client:close() return 1 end

--- A client for this request.
---@phase rewrite, access, request_body, response, body, log
---@param ctx moongate.Ctx
---@return moongate.http.Client
function M.new(ctx)
  if type(ctx) ~= "table" then error("http.new takes ctx", 2) end
  return setmetatable({ ctx = ctx }, Client)
end

return M
