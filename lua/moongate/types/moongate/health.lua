---@meta moongate.health
-- Written by ./dev docs from the sources. Do not change it here.

---How the targets of upstreams are: what health checks, ejection and traffic found, and the operator's word. One for
---all workers; `GET /upstreams` on the admin listener shows the same. Who wants to hear of each move has an `event`
---hook.
---
---    function M.access(conf, ctx)
---      if not health.is_available("search") then
---        return ctx.response:exit(200, { results = {}, degraded = true })
---      end
---    end
---@class moongate.health
local M = {}

---@class moongate.health.Target
---@field target string # as configured: host and port
---@field address string # of it, with the port
---@field state "healthy"|"unhealthy"|"unchecked"|"ejected" # `unchecked`: it waits for its first check (`before_use`)
---@field by? "check"|"traffic"|"operator" # who found that
---@field why? string # the report (`http_failure`, `tcp_failure`, `timeout`) or the rule of ejection
---@field since? number # when it last changed, in seconds since 1970
---@field ejected_for? number # seconds until it is back
---@field weight integer
---@field priority integer
---@field in_flight integer # requests on their way to it, of all workers
---@field successes integer # in a row, as what follows
---@field http_failures integer
---@field tcp_failures integer
---@field timeouts integer

---@class moongate.health.Upstream
---@field chooses "chosen"|"backup"|"panic"|"none" # among whom: those of the best priority, backups, all, nobody
---@field panic_requests integer # that were sent while too few were left
---@field refused integer # requests that found no target
---@field targets moongate.health.Target[]

---The names of the upstreams that are configured.
---
---In every hook.
---@return string[]
function M.upstreams() end

---Whether an upstream has a target that is neither unhealthy, ejected nor unchecked. Cheap enough for each request.
---
---In every hook.
---@param upstream string # its name
---@return boolean? available
---@return string? reason # where it is nil
function M.is_available(upstream) end

---All that is known of an upstream. Not for each request: it is as long as the list of targets.
---
---In every hook.
---@param name string # the upstream's
---@return moongate.health.Upstream?
---@return string? reason # where it is nil
function M.upstream(name) end

---Takes a target out, or brings it back, as the operator does on the admin listener: for all workers, at once, also
---out of an ejection. What checks and traffic find afterwards counts anew from there. Code that is not trusted has no
---such function.
---
---In every hook.
---@param upstream string # its name
---@param target string # as configured (`host:port`), or its address
---@param state "healthy"|"unhealthy"
---@return integer? targets # how many were meant
---@return string? reason # where it is nil
function M.set(upstream, target, state) end

return M
