--- The clock of a gateway in a spec: everything in it reads this one, and nothing else moves it.
local M = {}

---@class moongate.spec.Clock
local Clock = {}
Clock.__index = Clock

--- Seconds since 1970, as plugins see them. It begins at 2026-01-01T00:00:00Z.
---@return number
function Clock:now() return (self.gateway.core:now()) end

--- Seconds since the gateway was made.
---@return number
function Clock:elapsed()
  local _, monotonic = self.gateway.core:now()
  return monotonic - self.start
end

--- Moves time; what is due on the way happens at its own moment, one after the other.
---@param seconds number
function Clock:advance(seconds)
  local gateway = self.gateway
  gateway:settle()
  local until_then = self:elapsed() + seconds
  while true do
    local left = until_then - self:elapsed()
    if left < 5e-7 then break end
    gateway.core:step(left)
    gateway:settle()
  end
end

---@param gateway table
---@return moongate.spec.Clock
function M.new(gateway)
  local _, start = gateway.core:now()
  return setmetatable({ gateway = gateway, start = start }, Clock)
end

return M
