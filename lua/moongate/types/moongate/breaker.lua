---@meta moongate.breaker
-- Written by ./dev docs from the sources. Do not change it here.

---Circuit breakers for calls that a plugin makes by itself: after too many failures it is not called for a while, then
---a few probes find out whether it may be again. One for all workers, kept over reloads. A plugin declares its
---breakers in `init`. (What services have needs no plugin: `circuit_breaker` in the configuration, which `ctx:fetch`
---obeys.)
---
---    local guard
---
---    function M.init()
---      guard = breaker.new("directory", { failure_threshold = 5, half_open_after = 30 })
---    end
---
---    function M.access(conf, ctx)
---      local pass, wait = guard:allow()
---      if not pass then
---        ctx.response:set_header("retry-after", math.ceil(wait))
---        return ctx.response:error(503, "the directory is not there")
---      end
---      local user = look_up(ctx)
---      if user then guard:success(pass) else guard:failure(pass) end
---    end
---@class moongate.breaker
local M = {}

---@class moongate.breaker.Breaker
local Breaker = {}

---Asks whether it may be called. What is allowed must be ended, by success, failure or cancel: a probe that is not
---counts as failed after `half_open_timeout`.
---
---In every hook.
---@return string? pass # for the end of the call
---@return number? wait # where there is none: seconds until it makes sense to ask again
function Breaker:allow() end

---It was called, and went well.
---
---In every hook.
---@param given string # what `allow` gave
function Breaker:success(given) end

---It was called, and failed.
---
---In every hook.
---@param given string # what `allow` gave
function Breaker:failure(given) end

---It was not called after all, or what came of it says nothing about it.
---
---In every hook.
---@param given string # what `allow` gave
function Breaker:cancel(given) end

---How it stands: an open one says so until somebody asks after its time.
---
---In every hook.
---@return "closed"|"open"|"half_open"
function Breaker:state() end

---Declares a breaker of this plugin; other plugins do not see it. In `init` only. Times are seconds.
---
---In init.
---@param name string # letters, digits and _
---@param options? table<string, number> # as `circuit_breaker` of a service has them, but for `failure_statuses`
---@return moongate.breaker.Breaker
function M.new(name, options) end

return M
