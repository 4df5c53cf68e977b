---@meta moongate.time
-- Written by ./dev docs from the sources. Do not change it here.

---What time it is, in seconds. Both stand still while a hook runs without waiting.
---@class moongate.time
local M = {}

---Since 1970, UTC.
---@return number
function M.now() end

---Of a clock that only moves forward, for durations.
---@return number
function M.monotonic() end

return M
