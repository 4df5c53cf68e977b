--- What plugins that are not trusted get instead of ctx and the modules: objects that hold nothing. The real ones carry
--- the handle of the request, with which a plugin could write anywhere; they stand behind, in a table that only this
--- file knows. What comes out is copied where somebody else has it, too.
local core = require("moongate.core")
local sandbox = require("moongate.sandbox")

local copy = sandbox.copy

local M = {}

local real_of = setmetatable({}, { __mode = "k" }) -- by what the plugin has

local function refuse_to_set(name)
  return function(_, key)
    error(("%s.%s cannot be set: use ctx.plugin or ctx.shared"):format(name, tostring(key)), 2)
  end
end

local function show(real, meta)
  local shown = setmetatable({}, meta)
  real_of[shown] = real
  return shown
end

-- --- methods --------------------------------------------------------------------------------------------------------

local function pass(method)
  return function(self, ...) return method(real_of[self], ...) end
end

local function pass_copy(method)
  return function(self, ...)
    local result, reason = method(real_of[self], ...)
    return copy(result), reason
  end
end

-- Those whose results belong to somebody else as well.
M.COPIED = {
  client = {
    get_consumer = true,
    load_consumer = true,
    get_credential = true,
    get_consumer_groups = true,
    get_consumer_group = true,
    authenticate_consumer_group_by_consumer_id = true,
  },
  router = { get_route = true, get_service = true },
  log = { serialize = true },
}

local function methods_of(name)
  local copied, methods = M.COPIED[name] or {}, {}
  for key, method in pairs(require("moongate.pdk." .. name)) do
    if type(method) == "function" then methods[key] = (copied[key] and pass_copy or pass)(method) end
  end
  return methods
end

-- A part of ctx stands for ctx itself: its methods look for the handle alone, and both have it in the same place.
local function part_meta(name, parts)
  local methods = methods_of(name)
  local function index(self, key)
    local meta = parts and parts[key]
    if not meta then return methods[key] end
    local part = show(real_of[self], meta)
    rawset(self, key, part)
    return part
  end
  return {
    __metatable = false,
    __index = parts and index or methods,
    __newindex = refuse_to_set("ctx." .. name:gsub("_", ".")),
  }
end

local PARTS = {
  request = part_meta("request"),
  response = part_meta("response"),
  router = part_meta("router"),
  log = part_meta("log"),
  node = part_meta("node"),
  ip = part_meta("ip"),
  client = part_meta("client", { tls = part_meta("client_tls") }),
  service = part_meta("service", {
    request = part_meta("service_request"),
    response = part_meta("service_response"),
  }),
}
PARTS.log.__call = PARTS.log.__index.notice

-- --- ctx ------------------------------------------------------------------------------------------------------------

local CTX, TASK

-- A function of the plugin's that the core calls with a ctx.
local function taking(fn, meta)
  if type(fn) ~= "function" then return fn end
  return function(ctx, ...) return fn(show(ctx, meta), ...) end
end

local function taking_all(values, meta)
  local taken = {}
  for key, value in next, values do
    taken[key] = taking(value, meta)
  end
  return taken
end

local STREAM_FIELDS = { status = true, headers = true, ok = true, trailers = true }
local STREAM

local function fetched(response, reason)
  if type(response) == "table" and response._id then return show(response, STREAM) end
  return response, reason
end

local function method_of(key)
  return function(self, ...)
    local real = real_of[self]
    if not real then error(("ctx:%s is a method: call it with a colon"):format(key), 2) end
    return real[key](real, ...)
  end
end

local METHODS = { sleep = method_of("sleep"), get_plugin_id = method_of("get_plugin_id") }
local fetch, fetch_all, race, after =
  method_of("fetch"), method_of("fetch_all"), method_of("race"), method_of("after")

function METHODS:fetch(request) return fetched(fetch(self, request)) end

METHODS.fetch_all = fetch_all

function METHODS:race(...)
  local real = real_of[self]
  local meta = real and real[3].is_task and TASK or CTX
  if select("#", ...) == 1 and type((...)) == "table" then return race(self, taking_all((...), meta)) end
  return race(self, unpack(taking_all({ ... }, meta), 1, select("#", ...)))
end

function METHODS:after(fn) return after(self, taking(fn, CTX)) end

local function index(self, key)
  local meta = PARTS[key]
  if meta then
    local part = show(real_of[self], meta)
    rawset(self, key, part)
    return part
  end
  local method = METHODS[key]
  if method then return method end
  if type(key) == "string" then return real_of[self][key] end -- ctx.plugin, ctx.shared, and why others are not there
end

CTX = { __metatable = false, __index = index, __newindex = refuse_to_set("ctx") }

TASK = {
  __metatable = false,
  __index = function(self, key)
    if key == "log" then return show(real_of[self], PARTS.log) end
    return key ~= "after" and METHODS[key] or nil
  end,
  __newindex = refuse_to_set("t"),
}

local function stream_method(name)
  return function(self, ...)
    local real = real_of[self]
    if not real or not real._id then error(("res:%s is a method: call it with a colon"):format(name), 2) end
    return real[name](real, ...)
  end
end

local STREAM_METHODS = { read = stream_method("read"), close = stream_method("close") }

function STREAM_METHODS:chunks()
  local next_piece, real = stream_method("chunks")(self)
  return function() return next_piece(real) end
end

STREAM = {
  __metatable = false,
  __index = function(self, key) return STREAM_METHODS[key] or STREAM_FIELDS[key] and real_of[self][key] or nil end,
  __newindex = refuse_to_set("res"),
}

--- A hook that is called with what such a plugin may have.
---@param hook function
---@return function
function M.hook(hook)
  return function(conf, ctx, chunk, last) return hook(conf, show(ctx, CTX), chunk, last) end
end

--- Whether a hook of the phase answered the request.
---@param ctx table  the real one, or what stands for it
---@return boolean
function M.has_answer(ctx) return (real_of[ctx] or ctx)[1].replied ~= 0 end

-- --- modules --------------------------------------------------------------------------------------------------------

-- Objects of a module: their methods, and nothing else of them.
local kinds = setmetatable({}, { __mode = "k" }) -- by the class

local function object_meta(class)
  local meta = kinds[class]
  if meta then return meta end
  local methods = {}
  for name, method in next, class do
    if type(method) == "function" then
      methods[name] = function(self, ...)
        local real = real_of[self]
        if not real then error(("%s is a method: call it with a colon"):format(name), 2) end
        return method(real, ...)
      end
    end
  end
  meta = { __metatable = false, __index = methods, __newindex = refuse_to_set("object") }
  kinds[class] = meta
  return meta
end

local function making(make)
  return function(...)
    local object, reason = make(...)
    if type(object) ~= "table" then return object, reason end
    return show(object, object_meta(getmetatable(object).__index))
  end
end

local function with(module, names, change)
  local functions = sandbox.functions_of(require(module))
  for _, name in ipairs(names) do
    functions[name] = functions[name] and change(functions[name])
  end
  return functions
end

local function plain(module)
  return function() return sandbox.functions_of(require(module)) end
end

local function task(declare)
  return function(...)
    local values = {}
    for i = 1, select("#", ...) do
      values[i] = taking((select(i, ...)), TASK)
    end
    return declare(unpack(values, 1, select("#", ...)))
  end
end

local MODULES = {
  ["bit"] = plain("bit"),
  ["moongate.functions"] = plain("moongate.functions"), -- of pre-function and post-function
  ["moongate.json"] = plain("moongate.json"),
  ["moongate.time"] = plain("moongate.time"),
  ["moongate.uuid"] = plain("moongate.uuid"),
  ["moongate.table"] = plain("moongate.table"),
  ["moongate.version"] = plain("moongate.version"),
  ["moongate.crypto"] = function()
    return with("moongate.crypto", { "hash", "hmac_hash", "new_hash", "new_hmac" }, making)
  end,
  ["moongate.breaker"] = function() return with("moongate.breaker", { "new" }, making) end,
  ["moongate.health"] = function() -- to look, not to decide for everybody
    local functions = sandbox.functions_of(require("moongate.health"))
    functions.set = nil
    return functions
  end,
  ["moongate.limit"] = function() return require("moongate.limit.facade").module(show, real_of) end,
  ["moongate.shared"] = function() return with("moongate.shared", { "dict" }, making) end,
  ["moongate.metrics"] = function() return with("moongate.metrics", { "counter", "gauge", "histogram" }, making) end,
  ["moongate.task"] = function() return with("moongate.task", { "every", "once" }, task) end,
}

local function names()
  local list = {}
  for name in pairs(MODULES) do
    list[#list + 1] = name
  end
  table.sort(list)
  return table.concat(list, ", ")
end

--- `require` of one such plugin, for what is not its own.
---@return fun(name: string): any
function M.require()
  local loaded = {}
  return function(name)
    local module = MODULES[name]
    if not module then
      error(("require: a plugin that is not trusted has no %q (it has: %s)"):format(tostring(name), names()), 2)
    end
    loaded[name] = loaded[name] or module()
    return loaded[name]
  end
end

--- The environment of one such plugin.
---@return table
function M.environment() return sandbox.environment(core.capped) end

return M
