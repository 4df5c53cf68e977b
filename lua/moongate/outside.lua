--- Memory that Lua objects hold outside of Lua's heap. Its collector does not see those bytes, so they are counted
--- here: garbage is collected once they have doubled, and there is an end to them.
local M = {}

local FIRST, MOST = 4 * 1024 * 1024, 256 * 1024 * 1024

local held, next_collection = 0, FIRST

--- Before something is made. Misuse, when too much is alive, is an error of the caller's caller.
---@param bytes integer
---@param what string  the function that was called
function M.take(bytes, what)
  if held + bytes > next_collection then
    collectgarbage("collect")
    next_collection = math.min(MOST, math.max(FIRST, 2 * (held + bytes)))
    if held + bytes > MOST then
      error(
        ("%s: objects of this worker hold %d bytes outside of Lua already (at most %d)"):format(what, held, MOST),
        3
      )
    end
  end
  held = held + bytes
end

--- After it was freed.
---@param bytes integer
function M.give(bytes) held = held - bytes end

return M
