--- How the targets of upstreams are: what health checks, ejection and traffic found, and the operator's word. One for
--- all workers; `GET /upstreams` on the admin listener shows the same. Who wants to hear of each move has an `event`
--- hook.
---
---     function M.access(conf, ctx)
---       if not health.is_available("search") then
---         return ctx.response:exit(200, { results = {}, degraded = true })
---       end
---     end
local ffi = require("ffi")
local core = require("moongate.core")
local cjson = require("cjson")

local C = require("moongate.cdef")
local script = core.script

local UNKNOWN = -1 -- as in script/modules.h

local M = {}

local length = ffi.new("size_t[1]")
local room, size = ffi.new("char[?]", 4096), 4096

local function text(value, what, which)
  if type(value) ~= "string" then
    error(
      ("%s: the %s must be a string, not %s"):format(what, which, value == nil and "nil" or "a " .. type(value)),
      3
    )
  end
end

local function reason(code)
  return code == UNKNOWN and "there is no such upstream" or "nothing serves yet: not in init"
end

---@class moongate.health.Target
---@field target string  as configured: host and port
---@field address string  of it, with the port
---@field state "healthy"|"unhealthy"|"unchecked"|"ejected"  `unchecked`: it waits for its first check (`before_use`)
---@field by? "check"|"traffic"|"operator"  who found that
---@field why? string  the report (`http_failure`, `tcp_failure`, `timeout`) or the rule of ejection
---@field since? number  when it last changed, in seconds since 1970
---@field ejected_for? number  seconds until it is back
---@field weight integer
---@field priority integer
---@field in_flight integer  requests on their way to it, of all workers
---@field successes integer  in a row, as what follows
---@field http_failures integer
---@field tcp_failures integer
---@field timeouts integer

---@class moongate.health.Upstream
---@field chooses "chosen"|"backup"|"panic"|"none"  among whom: those of the best priority, backups, all, nobody
---@field panic_requests integer  that were sent while too few were left
---@field refused integer  requests that found no target
---@field targets moongate.health.Target[]

--- The names of the upstreams that are configured.
---@phase any
---@return string[]
function M.upstreams()
  local names = {}
  local name = C.gw_pdk_upstream_name(script, 0, length)
  while name ~= nil do
    names[#names + 1] = ffi.string(name, length[0])
    name = C.gw_pdk_upstream_name(script, #names, length)
  end
  return names
end

--- Whether an upstream has a target that is neither unhealthy, ejected nor unchecked. Cheap enough for each request.
---@phase any
---@param upstream string  its name
---@return boolean? available
---@return string? reason  where it is nil
function M.is_available(upstream)
  text(upstream, "health.is_available", "upstream")
  local found = C.gw_pdk_upstream_usable(script, upstream, #upstream)
  if found < 0 then return nil, reason(found) end
  return found == 1
end

--- All that is known of an upstream. Not for each request: it is as long as the list of targets.
---@phase any
---@param name string  the upstream's
---@return moongate.health.Upstream?
---@return string? reason  where it is nil
function M.upstream(name)
  text(name, "health.upstream", "name")
  local found = C.gw_pdk_upstream_look(script, name, #name, room, size)
  while found > size do
    size = tonumber(found) * 2
    room = ffi.new("char[?]", size)
    found = C.gw_pdk_upstream_look(script, name, #name, room, size)
  end
  if found < 0 then return nil, reason(found) end
  return cjson.decode(ffi.string(room, found))
end

--- Takes a target out, or brings it back, as the operator does on the admin listener: for all workers, at once, also
--- out of an ejection. What checks and traffic find afterwards counts anew from there. Code that is not trusted has no
--- such function.
---@phase any
---@param upstream string  its name
---@param target string  as configured (`host:port`), or its address
---@param state "healthy"|"unhealthy"
---@return integer? targets  how many were meant
---@return string? reason  where it is nil
function M.set(upstream, target, state)
  text(upstream, "health.set", "upstream")
  text(target, "health.set", "target")
  if state ~= "healthy" and state ~= "unhealthy" then
    error('health.set: the state must be "healthy" or "unhealthy"', 2)
  end
  local found =
    C.gw_pdk_upstream_order(script, upstream, #upstream, target, #target, state == "unhealthy" and 1 or 0)
  if found < 0 then return nil, reason(found) end
  if found == 0 then return nil, "the upstream has no such target" end
  return found
end

return M
