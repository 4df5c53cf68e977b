--- Keeps error handlers from being a hiding place. A hook that computes for too long is stopped by an error at every
--- instruction, but Lua calls no hook while the function of a hook is at work, and the error handlers of xpcall() run
--- inside it. So a handler is not called any more once its run is being stopped.
local C = require("moongate.cdef")

local M = {}

---@param script any  whose thread may be told to stop
function M.install(script)
  local xpcall = xpcall

  _G.xpcall = function(fn, handler, ...) -- luacheck: ignore 122
    if type(handler) ~= "function" then return xpcall(fn, handler, ...) end
    return xpcall(fn, function(why)
      if C.gw_pdk_is_stopping(script) ~= 0 then return why end
      return handler(why)
    end, ...)
  end
end

return M
