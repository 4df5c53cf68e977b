--- Which request runs: what the global `kong` of plugins that were written for Kong means. A hook says it when it
--- begins, and whatever waits says it again when it goes on, so that requests in flight at once never see each other's.
local EXIT = setmetatable({}, { __tostring = function() return "kong.response.exit" end, __metatable = false })

local raw_error, raw_pcall, raw_xpcall = error, pcall, xpcall

local M = {
  ctx = false, -- of the hook that runs; false: none does
}

--- Ends the hook that runs, as an answer does in Kong. Not to be caught by the plugin.
function M.leave() raw_error(EXIT, 0) end

local function settle(ctx, ok, reason, ...)
  M.ctx = ctx
  if not ok and reason == EXIT then raw_error(EXIT, 0) end
  return ok, reason, ...
end

local function back(ctx, ...)
  M.ctx = ctx
  return ...
end

--- A function that waits, called for the request that runs. Meanwhile none is known: what else runs says its own.
function M.waiting(ctx, fn, ...)
  M.ctx = false
  return back(ctx, fn(ctx, ...))
end

--- A hook as the runner calls it: (conf, ctx) becomes (self, conf), once, when the plugin is loaded.
---@param plugin table  the handler, Kong's `self`
---@param hook function
---@param second? function  runs behind it (header_filter behind response)
---@return function
function M.hook(plugin, hook, second)
  return function(conf, ctx)
    M.ctx = ctx
    local ok, reason = raw_pcall(hook, plugin, conf)
    if ok and second then
      M.ctx = ctx
      ok, reason = raw_pcall(second, plugin, conf)
    end
    M.ctx = false
    if not ok and reason ~= EXIT then raw_error(reason, 0) end
  end
end

--- Calls a function of the plugin outside of hooks: init_worker, timers.
function M.call(ctx, fn, ...)
  M.ctx = ctx
  local ok, reason = raw_pcall(fn, ...)
  M.ctx = false
  if not ok and reason ~= EXIT then raw_error(reason, 0) end
end

--- Puts into an environment what catches errors, so that it does not catch an answer, and knows the request afterwards.
---@param env table
function M.install(env)
  env.pcall = function(fn, ...) return settle(M.ctx, raw_pcall(fn, ...)) end
  env.xpcall = function(fn, handler, ...)
    local function handle(reason)
      if reason == EXIT then return reason end
      return handler(reason)
    end
    return settle(M.ctx, raw_xpcall(fn, type(handler) == "function" and handle or handler, ...))
  end
  local library = {}
  for name, fn in pairs(env.coroutine) do
    library[name] = fn
  end
  local resume = library.resume
  library.resume = function(co, ...) return settle(M.ctx, resume(co, ...)) end
  env.coroutine = library
end

return M
