--- The ctx a plugin gets: made once per pooled slot, used for one request after the other. Its sub-tables share one
--- handle; C empties the handle at the end of a request, and every function then refuses.
local ffi = require("ffi")
local check = require("moongate.pdk.check")
local core = require("moongate.core")
local entities = require("moongate.entities")
local fetch = require("moongate.fetch")
local clear = require("table.clear")

local ANY = check.ANY
local enter = check.enter
local sleep = core.sleep
local uses = entities.uses

local M = {}

local function methods(name)
  return { __index = require("moongate.pdk." .. name) }
end

local REQUEST, RESPONSE, CLIENT = methods("request"), methods("response"), methods("client")
local ROUTER, LOG, SERVICE = methods("router"), methods("log"), methods("service")
local SERVICE_REQUEST, SERVICE_RESPONSE = methods("service_request"), methods("service_response")

-- What a request keeps in Lua. The table and those in it that no plugin ever sees are the ctx's for good; what plugins
-- see is made anew for each request, so that who keeps it can never read what belongs to somebody else.
local function hold(ctx)
  ctx._h.touched = 1
  return ctx._state
end

--- Forgets what the request before left.
function M.forget(ctx)
  local state = ctx._state
  state.shared, state.credential = nil, nil
  clear(state.plugins)
  clear(state.chosen)
  ctx._h.stale = 0
end

--- Waits.
---@phase rewrite, access, request_body, response, body, log
---@param seconds number  0 lets everything else that is ready go first
local function ctx_sleep(self, seconds)
  enter(self, "ctx:sleep", ANY)
  if type(seconds) ~= "number" or not (seconds >= 0 and seconds <= 86400) then
    error("ctx:sleep: seconds must be a number from 0 to 86400", 2)
  end
  sleep(seconds)
end

---@class moongate.FetchRequest
---@field service? string   one of service, upstream, url
---@field upstream? string
---@field url? string       its host must stand in the configuration or in fetch.allow
---@field method? string    GET
---@field path? string      "/"; may carry a query
---@field query? string|table
---@field headers? table<string, string|number|boolean|string[]>
---@field body? string|table  a table is sent as JSON
---@field timeout? number   seconds for the whole

---@class moongate.FetchResponse
---@field ok boolean        the status is 200 to 299
---@field status integer
---@field headers table<string, string|string[]>
---@field body string
---@field json fun(self): any, string?

--- Asks a service, an upstream or an allowed URL; waits for the whole response.
---@phase rewrite, access, request_body, response, body, log
---@param request moongate.FetchRequest
---@return moongate.FetchResponse? response
---@return string? reason  why there is no response
local function ctx_fetch(self, request)
  local h = enter(self, "ctx:fetch", ANY)
  local response, reason = fetch.fetch(h, request) -- no tail call: errors count the levels
  return response, reason
end

-- ctx.plugin: a table of this request and the plugin that runs. ctx.shared: one of this request for all.
local function index(ctx, key)
  if key == "plugin" then
    local h = enter(ctx, "ctx.plugin", ANY)
    local plugins, name = hold(ctx).plugins, uses[h.use].plugin
    local own = plugins[name]
    if not own then
      own = {}
      plugins[name] = own
    end
    return own
  elseif key == "shared" then
    enter(ctx, "ctx.shared", ANY)
    local state = hold(ctx)
    local shared = state.shared
    if not shared then
      shared = {}
      state.shared = shared
    end
    return shared
  end
end

local function newindex(_, key)
  error(("ctx.%s cannot be set: use ctx.plugin or ctx.shared"):format(tostring(key)), 2)
end

local CTX = { __index = index, __newindex = newindex }

---@param pointer lightuserdata  struct gw_pdk, which outlives the table
---@return table
function M.new(pointer)
  local h = ffi.cast("struct gw_pdk *", pointer)
  local state = { plugins = {}, chosen = {} }
  local ctx = { _h = h, _state = state, _hold = hold, sleep = ctx_sleep, fetch = ctx_fetch }
  local function part(meta)
    return setmetatable({ _h = h, _ctx = ctx }, meta)
  end
  ctx.request, ctx.response, ctx.client = part(REQUEST), part(RESPONSE), part(CLIENT)
  ctx.router, ctx.log, ctx.service = part(ROUTER), part(LOG), part(SERVICE)
  ctx.service.request, ctx.service.response = part(SERVICE_REQUEST), part(SERVICE_RESPONSE)
  return setmetatable(ctx, CTX)
end

return M
