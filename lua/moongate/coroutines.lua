--- Lets the core's waits pass through a plugin's own coroutines: what a core function yields goes up to the core, and
--- what the core answers comes back down. Everything else a coroutine yields stays between it and who resumed it.
local M = {}

local create, resume, yield = coroutine.create, coroutine.resume, coroutine.yield
local isyieldable = coroutine.isyieldable

---@param token any  what the core's functions yield
function M.install(token)
  local pass

  local function resumed(co, ok, first, ...)
    if ok and first == token then
      if not isyieldable() then
        error("cannot wait here: a C function that calls back is on the stack (table.sort, string.gsub, require)", 3)
      end
      return pass(co, yield(token))
    end
    return ok, first, ...
  end

  function pass(co, ...)
    return resumed(co, resume(co, ...))
  end

  local function unwrapped(ok, first, ...)
    if not ok then error(first, 0) end
    return first, ...
  end

  local library = _G.coroutine -- the one place that changes it
  library.resume = pass

  function library.wrap(fn)
    local co = create(fn)
    return function(...)
      return unwrapped(pass(co, ...))
    end
  end
end

return M
