--- Lets the core's waits pass through a plugin's own coroutines: what a core function yields goes up to the core, and
--- what the core answers comes back down. Everything else a coroutine yields stays between it and who resumed it.
local M = {}

local create, resume, yield = coroutine.create, coroutine.resume, coroutine.yield
local isyieldable = coroutine.isyieldable

local WAITS = "cannot resume a coroutine that waits (ctx:sleep, ctx:fetch …): it goes on when its wait ends"

---@param token any  what the core's functions yield
function M.install(token)
  -- Coroutines in the middle of a wait. Somebody who kept one could else resume it from another request, and what it
  -- waits for would come without an answer.
  local waiting = setmetatable({}, { __mode = "k" })
  local pass

  local function go_on(co, ...)
    waiting[co] = nil
    return pass(co, ...)
  end

  local function resumed(co, ok, first, ...)
    if ok and first == token then
      waiting[co] = true
      if not isyieldable() then
        error(
          "cannot wait here: a C function that calls back is on the stack (table.sort, string.gsub, require)",
          3
        )
      end
      return go_on(co, yield(token))
    end
    return ok, first, ...
  end

  function pass(co, ...) return resumed(co, resume(co, ...)) end

  local function unwrapped(ok, first, ...)
    if not ok then error(first, 0) end
    return first, ...
  end

  local library = _G.coroutine -- the one place that changes it

  function library.resume(co, ...)
    if waiting[co] then return false, WAITS end
    return pass(co, ...)
  end

  function library.wrap(fn)
    local co = create(fn)
    return function(...)
      if waiting[co] then error(WAITS, 2) end
      return unwrapped(pass(co, ...))
    end
  end
end

return M
