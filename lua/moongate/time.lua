--- What time it is, in seconds. Both stand still while a hook runs without waiting.
local core = require("moongate.core")

local C = require("moongate.cdef")

local M = {}

--- Since 1970, UTC.
---@return number
function M.now() return C.gw_pdk_time(core.script) end

--- Of a clock that only moves forward, for durations.
---@return number
function M.monotonic() return C.gw_pdk_monotonic(core.script) end

return M
