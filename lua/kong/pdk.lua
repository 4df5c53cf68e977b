--- The global `kong` of one plugin that was written for Kong: functions that ask the request which runs (kong.here),
--- made when the plugin is loaded. Each is the method of ctx with the same name.
local here = require("kong.here")
local names = require("moongate.kong.names")
local sandbox = require("moongate.sandbox")
local version = require("kong.meta")

local waiting = here.waiting

local WAITS = {
  request = { get_raw_body = true, get_body = true },
  response = { get_raw_body = true },
  service_response = { get_raw_body = true, get_body = true },
}

-- They end the hook.
local LEAVES = { response = { exit = true, error = true } }

-- Of ours alone: a function that runs when no hook does would not know its request.
local OWN = { response = { stream = true } }

local ABSENT = {
  cluster = "there is no cluster here",
  nginx = "there is no nginx here",
  configuration = "there is no kong.conf here",
}

local M = {}

local function nothing_runs(path, level) error(("kong.%s: no request runs here"):format(path), level) end

-- No closure that waits is made per request but for the wait itself; the others call straight on.
local function bind(path, method, waits, leaves, copied)
  if waits then
    return function(...)
      local ctx = here.ctx or nothing_runs(path, 3)
      return waiting(ctx, method, ...)
    end
  elseif leaves then
    return function(...)
      local ctx = here.ctx or nothing_runs(path, 3)
      method(ctx, ...)
      here.leave()
    end
  elseif copied then
    return function(...)
      local ctx = here.ctx or nothing_runs(path, 3)
      local result, reason = method(ctx, ...)
      return sandbox.copy(result), reason
    end
  end
  return function(...) return method(here.ctx or nothing_runs(path, 4), ...) end
end

local function refuse_unknown(plugin, path)
  return function(_, key)
    local name = path .. tostring(key)
    error(("not in this version: kong.%s (plugin %s)"):format(name, plugin), 2)
  end
end

local LEVELS = { debug = 0, info = 1, notice = 2, warn = 3, err = 4, error = 4, crit = 4, alert = 4, emerg = 4 }

local function write_alone(plugin, level, ...)
  local core, C = require("moongate.core"), require("moongate.cdef")
  local parts = { ... }
  for i = 1, select("#", ...) do
    parts[i] = tostring(parts[i])
  end
  local text = ("plugin %s: %s"):format(plugin, table.concat(parts))
  if level >= C.gw_pdk_log_level() then C.gw_pdk_log(core.script, nil, level, text, #text) end
end

-- In init_worker there is no request, and lines of the log all the same.
local function log_of(log, plugin, meta)
  for name, level in pairs(LEVELS) do
    local write = log[name]
    log[name] = function(...)
      if here.ctx then return write(...) end
      write_alone(plugin, level, ...)
    end
  end
  meta.__call = function(_, ...) return log.notice(...) end
end

-- The functions of one table of the PDK.
local function namespace(plugin, path, file, copied)
  local own = {}
  local waits, leaves = WAITS[file] or {}, LEAVES[file] or {}
  for key, method in pairs(require("moongate.pdk." .. file)) do
    if type(method) == "function" and not (OWN[file] and OWN[file][key]) then
      own[key] = bind(path .. "." .. key, method, waits[key], leaves[key], copied and copied[key])
    end
  end
  local meta = { __index = refuse_unknown(plugin, path .. "."), __metatable = false }
  if file == "log" then log_of(own, plugin, meta) end
  return setmetatable(own, meta)
end

-- The tables of a request that plugins keep things in.
local function tables_of_request(plugin)
  return setmetatable({}, {
    __metatable = false,
    __index = function(_, key)
      if key ~= "plugin" and key ~= "shared" then
        error(("not in this version: kong.ctx.%s (plugin %s)"):format(tostring(key), plugin), 2)
      end
      return (here.ctx or nothing_runs("ctx." .. key, 3))[key]
    end,
    __newindex = function(_, key) error(("kong.ctx.%s cannot be set"):format(tostring(key)), 2) end,
  })
end

--- `kong` for one plugin.
---@param plugin string
---@param untrusted boolean
---@return table
function M.new(plugin, untrusted)
  local copied = untrusted and require("moongate.facade").COPIED or {}
  local kong = {}
  local function make(path, file) return namespace(plugin, path, file, copied[file]) end
  for path, file in pairs(names.NAMESPACES) do
    if not path:find(".", 1, true) then rawset(kong, path, make(path, file)) end
  end
  for path, file in pairs(names.NAMESPACES) do
    local outer, inner = path:match("^(.-)%.(.+)$")
    if outer then rawset(kong[outer], inner, make(path, file)) end
  end
  kong.ctx = tables_of_request(plugin)
  kong.table = sandbox.functions_of(require("moongate.table"))
  kong.plugin = {
    get_id = function()
      local ctx = here.ctx or nothing_runs("plugin.get_id", 3)
      return ctx:get_plugin_id()
    end,
  }
  kong.version, kong.version_num = version.version, version.version_num
  kong.pdk_major_version, kong.pdk_version = 2, "2.0.0"
  local unknown = refuse_unknown(plugin, "")
  return setmetatable(kong, {
    __metatable = false,
    __index = function(self, key)
      if ABSENT[key] then error(("kong.%s: %s (plugin %s)"):format(key, ABSENT[key], plugin), 2) end
      return unknown(self, key)
    end,
  })
end

return M
