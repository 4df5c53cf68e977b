--- How texts and times come into the core's structs (core/config/build.h).
local native = require("moongate.config.native")

local C = native.available and require("moongate.cdef") or nil

local M = {}

--- A copy that lives as long as the configuration; nil leaves the field as it is.
---@param build ffi.cdata*   struct gw_build *
---@param struct ffi.cdata*  a pointer
---@param field string       a struct gw_slice in it
---@param text? string|number
function M.text(build, struct, field, text)
  if text == nil then return end
  text = tostring(text)
  struct[field].ptr, struct[field].len = C.gw_build_text(build, text, #text), #text
end

--- Several of them, by their fields.
---@param build ffi.cdata*
---@param struct ffi.cdata*
---@param values table<string, string|number>
function M.texts(build, struct, values)
  for field, text in pairs(values) do
    M.text(build, struct, field, text)
  end
end

--- The core's unit of time.
---@param milliseconds? number
---@return number
function M.us(milliseconds) return (milliseconds or 0) * 1000 end

--- A struct gw_capacity, where something is said.
function M.capacity(capacity, given)
  if not given then return end
  capacity.max_requests = given.max_requests or 0
  capacity.max_requests_per_target = given.max_requests_per_target or 0
  capacity.max_pending, capacity.pending_timeout_us = given.max_pending, M.us(given.pending_timeout)
  local adaptive = given.adaptive
  if not adaptive then return end
  capacity.adaptive = true
  capacity.adaptive_least, capacity.adaptive_most = adaptive.min, adaptive.max
  capacity.adaptive_initial, capacity.adaptive_tolerance = adaptive.initial, adaptive.tolerance
  capacity.adaptive_interval_us = M.us(adaptive.interval)
  capacity.adaptive_probe_every_us = M.us(adaptive.probe_interval)
end

return M
