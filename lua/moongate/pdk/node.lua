--- ctx.node: this gateway.
local ffi = require("ffi")
local check = require("moongate.pdk.check")
local core = require("moongate.core")

local C = require("moongate.cdef")
local enter, ANY = check.enter, check.ANY

local UNITS = { b = { 1, "B" }, k = { 1024, "KiB" }, m = { 1024 ^ 2, "MiB" }, g = { 1024 ^ 3, "GiB" } }

local M = {}

--- A UUID of this process: all workers and generations tell the same one, a restart makes another.
---@phase rewrite, access, request_body, response, body, log
---@return string
function M:get_id()
  enter(self, "ctx.node:get_id", ANY)
  return ffi.string(C.gw_pdk_node_id())
end

--- The name of the machine.
---@phase rewrite, access, request_body, response, body, log
---@return string
function M:get_hostname()
  enter(self, "ctx.node:get_hostname", ANY)
  local out = ffi.new("char[256]")
  return C.gw_pdk_hostname(out, 256) ~= 0 and ffi.string(out) or "localhost"
end

--- The memory of this worker's Lua: bytes, or text where a unit is given. There are no shared dictionaries of nginx's.
---@phase rewrite, access, request_body, response, body, log
---@param unit? "b"|"k"|"m"|"g"
---@param scale? integer  digits behind the point (2; 0 to 10)
---@return table stats  { workers_lua_vms = { { http_allocated_gc, pid, worker } }, lua_shared_dicts = {} }
function M:get_memory_stats(unit, scale)
  local what = "ctx.node:get_memory_stats"
  enter(self, what, ANY)
  local bytes = collectgarbage("count") * 1024
  if unit ~= nil then
    local by = UNITS[type(unit) == "string" and unit:lower()]
    if not by then error(what .. ": the unit must be one of b, k, m, g", 2) end
    bytes = ("%." .. check.integer(scale, what, "scale", 0, 10, 2) .. "f %s"):format(bytes / by[1], by[2])
  end
  return {
    workers_lua_vms = { { http_allocated_gc = bytes, pid = C.gw_pdk_process(), worker = core.worker } },
    lua_shared_dicts = {},
  }
end

return M
