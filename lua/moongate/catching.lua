--- pcall() and xpcall() as plugins have them. Two things differ from Lua's own.
---
--- Error handlers are no hiding place. A hook that computes for too long is stopped by an error at every instruction,
--- but Lua calls no hook while the function of a hook is at work, and the error handlers of xpcall() run inside it. So
--- a handler is not called any more once its run is being stopped.
---
--- They are never part of compiled code. A compiled loop keeps the frames of a pcall() in it in registers; when the
--- memory of the state ends there, LuaJIT (2.1 as Debian has it) unwinds to a frame that was never written, and the
--- process crashes. What is called through them is compiled as ever, and the loop around them is not.
local C = require("moongate.cdef")

local M = {}

---@param script any  whose thread may be told to stop
function M.install(script)
  local pcall, xpcall = pcall, xpcall

  local function catch(...) return pcall(...) end

  local function catch_with(fn, handler, ...)
    if type(handler) ~= "function" then return xpcall(fn, handler, ...) end
    return xpcall(fn, function(why)
      if C.gw_pdk_is_stopping(script) ~= 0 then return why end
      return handler(why)
    end, ...)
  end

  jit.off(catch)
  jit.off(catch_with)
  _G.pcall, _G.xpcall = catch, catch_with -- luacheck: ignore 122
end

return M
