--- The ctx a plugin gets. A slot of the pool serves one request after the other, so what plugins see is made anew for
--- each: a small table that carries the serial of its request, and its parts (ctx.request …), made where they are used.
--- Compiled code does not even allocate a part that nobody keeps. C counts the serial up when a request is over;
--- whatever was kept of it then differs from the slot and is refused (moongate.pdk.check), also while the slot serves
--- somebody else.
---
--- ctx and its parts are arrays: 1 the handle, 2 the serial, 3 what the request keeps in Lua.
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

local function refuse_to_set(name)
  return function(_, key)
    error(("%s.%s cannot be set: use ctx.plugin or ctx.shared"):format(name, tostring(key)), 2)
  end
end

local function methods(name)
  return { __index = require("moongate.pdk." .. name), __newindex = refuse_to_set("ctx." .. name:gsub("_", ".")) }
end

-- `self` with other methods. No tail calls here and where it is called: the compiler gives up a trace with more than a
-- few of them, and with it the hook that makes several parts.
local function part(self, meta)
  local made = setmetatable({ self[1], self[2], self[3] }, meta)
  return made
end

-- What the request keeps in Lua. The table and those in it that no plugin ever sees are the slot's for good; what
-- plugins see (shared, one for each plugin) is made anew for each request.
local function hold(ctx)
  local state = ctx[3]
  state.touched = true
  return state
end

-- A part that has parts itself.
local function nested(name, parts)
  local own = require("moongate.pdk." .. name)
  return {
    __index = function(self, key)
      local meta = parts[key]
      if not meta then return own[key] end
      local made = part(self, meta)
      return made
    end,
    __newindex = refuse_to_set("ctx." .. name),
  }
end

local PARTS = {
  request = methods("request"), response = methods("response"), client = methods("client"),
  router = methods("router"), log = methods("log"),
  service = nested("service", { request = methods("service_request"), response = methods("service_response") }),
}

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

local METHODS = { sleep = ctx_sleep, fetch = ctx_fetch }

-- ctx.plugin: a table of this request and the plugin that runs. ctx.shared: one of this request for all.
local function index(ctx, key)
  local meta = PARTS[key]
  if meta then
    local made = part(ctx, meta)
    return made
  end
  local method = METHODS[key]
  if method then return method end
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

local CTX = { __index = index, __newindex = refuse_to_set("ctx") }

M.hold = hold

--- The handle and the ctx of the request that the slot serves now.
---@param slot table
---@return table h
---@return table ctx
function M.begin(slot)
  local h = slot.h
  local serial = h.serial
  local ctx = slot.ctx
  if ctx[2] ~= serial then
    local state = slot.state
    if state.touched then
      state.touched, state.shared, state.credential = false, nil, nil
      state.serialize, state.pipes, state.stream = nil, nil, nil
      clear(state.plugins)
      clear(state.chosen)
    end
    ctx = setmetatable({ h, serial, state }, CTX)
    slot.ctx = ctx
  end
  return h, ctx
end

--- A slot of the pool.
---@param pointer lightuserdata  struct gw_pdk, which outlives the table
---@return table
function M.new_slot(pointer)
  local state = {
    touched = false, shared = nil, credential = nil, serialize = nil, pipes = nil, stream = nil,
    plugins = {}, chosen = {},
  }
  return { h = ffi.cast("struct gw_pdk *", pointer), state = state, ctx = { false, false, state } }
end

return M
