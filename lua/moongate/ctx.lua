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
local race = require("moongate.race").race
local clear = require("table.clear")

local C = require("moongate.cdef")
local ANY, ANYWHERE = check.ANY, check.ANYWHERE
local enter = check.enter
local sleep = core.sleep
local uses = entities.uses

local AFTER_MAX = 16

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
  request = methods("request"),
  response = methods("response"),
  router = methods("router"),
  log = methods("log"),
  node = methods("node"),
  ip = methods("ip"),
  client = nested("client", { tls = methods("client_tls") }),
  service = nested("service", { request = methods("service_request"), response = methods("service_response") }),
}

PARTS.log.__call = PARTS.log.__index.notice -- ctx.log("…")

--- The id of the use that runs, as written in the configuration or made from its place; nil where it has none.
---@phase rewrite, access, request_body, response, body, log
---@return string?
local function ctx_get_plugin_id(self) return uses[enter(self, "ctx:get_plugin_id", ANY).use].id end

--- Waits.
---@phase rewrite, access, request_body, response, body, log, task
---@param seconds number  0 lets everything else that is ready go first
local function ctx_sleep(self, seconds)
  enter(self, "ctx:sleep", ANYWHERE)
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
---@field body? string|table|fun(): string?  a table is sent as JSON; a function gives one piece after the other and nil
---  at the end, may wait, and is asked for the next when there is room
---@field timeout? number   seconds for the whole
---@field stream? boolean   the response is read piece by piece; for fetch alone

---@class moongate.FetchResponse
---@field ok boolean        the status is 200 to 299; false when there was no response (fetch_all)
---@field status integer?   nil when there was no response (fetch_all)
---@field headers table<string, string|string[]>
---@field trailers table<string, string|string[]>?
---@field body string       not of a stream
---@field reason string?    why there was no response (fetch_all)
---@field json fun(self): any, string?                not of a stream
---@field read fun(self): string?, string?            of a stream: the next piece; nil at the end; nil, reason
---@field chunks fun(self): (fun(): string?)          of a stream: all pieces, for a loop; an error when it is cut
---@field close fun(self)                             of a stream: wants no more of it

--- Asks a service, an upstream or an allowed URL; waits for the whole response, or with `stream` for its head.
---@phase rewrite, access, request_body, response, body, log, task
---@param request moongate.FetchRequest
---@return moongate.FetchResponse? response
---@return string? reason  why there is no response
local function ctx_fetch(self, request)
  enter(self, "ctx:fetch", ANYWHERE)
  local response, reason = fetch.fetch(self, request) -- no tail call: errors count the levels
  return response, reason
end

--- Asks several at once; waits for all of them. What failed is `{ ok = false, reason = "…" }`.
---@phase rewrite, access, request_body, response, body, log, task
---@param requests table<any, moongate.FetchRequest>  at most 64
---@return table<any, moongate.FetchResponse> responses  by the same names
local function ctx_fetch_all(self, requests)
  enter(self, "ctx:fetch_all", ANYWHERE)
  local responses = fetch.fetch_all(requests)
  return responses
end

--- Runs functions and requests at once; the first that comes back wins, the others are cancelled. A function gets ctx,
--- may do what the hook may, wins when it returns and loses when it raises an error; a request wins with any response.
--- When none wins: the first error of a function is raised; of requests alone nil and the first reason are returned.
---@phase rewrite, access, request_body, response, body, log, task
---@param ... function|moongate.FetchRequest|table  at most 16, or one table of them, by name
---@return any? name  which one won: its name in the table, or its place
---@return any ...    what it returned, or the response
local function ctx_race(self, ...)
  enter(self, "ctx:race", ANYWHERE)
  return race(self, ...)
end

--- Keeps work for after the response: when the client has it and its connection is free, behind the log hooks, with
--- their rights and within their time (10 s for all together). Runs too when the request was cut off.
---@phase rewrite, access, request_body, response, body, log
---@param fn fun(ctx: moongate.Ctx)  at most 16 a request; an error in it is a line of the log
local function ctx_after(self, fn)
  local h = enter(self, "ctx:after", ANY)
  if type(fn) ~= "function" then error("ctx:after takes a function", 2) end
  local state = hold(self)
  local after = state.after or { n = 0, uses = {} }
  local n = after.n + 1
  if n > AFTER_MAX then error(("ctx:after takes at most %d functions a request"):format(AFTER_MAX), 2) end
  state.after, after.n, after[n], after.uses[n] = after, n, fn, h.use
  C.gw_pdk_after(h)
end

-- What plugins from elsewhere may look for.
local ABSENT = {
  cache = "not in this version",
  vault = "not in this version",
  db = "not in this version",
  dns = "not in this version",
  tracing = "not in this version",
  telemetry = "not in this version",
  websocket = "not in this version",
  cluster = "there is no cluster here",
  nginx = "there is no nginx here",
  configuration = "has no meaning here (conf is what the use was configured with)",
  timer = "use moongate.task",
  table = 'use require("moongate.table")',
  version = 'use require("moongate.version")',
}

local METHODS = {
  sleep = ctx_sleep,
  fetch = ctx_fetch,
  fetch_all = ctx_fetch_all,
  race = ctx_race,
  after = ctx_after,
  get_plugin_id = ctx_get_plugin_id,
}

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
  local why = ABSENT[key]
  if why then error(("ctx.%s: %s"):format(key, why), 2) end
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
      state.touched, state.shared, state.credential, state.client_verify = false, nil, nil, nil
      state.serialize, state.pipes, state.stream, state.groups, state.after = nil, nil, nil, nil, nil
      state.kept, state.client_verify = nil, nil
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
    touched = false,
    shared = nil,
    credential = nil,
    client_verify = nil,
    serialize = nil,
    pipes = nil,
    stream = nil,
    groups = nil,
    chunk = nil,
    last = nil,
    out = nil,
    kept = nil,
    plugins = {},
    chosen = {},
  }
  return { h = ffi.cast("struct gw_pdk *", pointer), state = state, ctx = { false, false, state } }
end

local TASK = {
  __index = function(t, key)
    if key == "log" then
      local made = part(t, PARTS.log)
      return made
    end
    return key ~= "after" and METHODS[key] or nil
  end,
  __newindex = refuse_to_set("t"),
}

--- What a background task gets.
---@param pointer lightuserdata  struct gw_pdk, which outlives the table
---@return table
function M.new_task(pointer)
  return setmetatable({ ffi.cast("struct gw_pdk *", pointer), 0, { is_task = true } }, TASK)
end

return M
