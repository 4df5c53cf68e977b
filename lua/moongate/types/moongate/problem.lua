---@meta moongate.problem
-- Written by ./dev docs from the sources. Do not change it here.

---What a problem (RFC 9457) says beside its status and detail, checked and written as JSON once: for answers that are
---given often, such as refusals.
---
---    local too_often
---
---    function M.init()
---      too_often = problem.new { type = "https://example.com/too-often", title = "Too often", limits = { "minute" } }
---    end
---
---    function M.access(conf, ctx)
---      return ctx.response:error(429, "later, please", nil, too_often)
---    end
---@class moongate.problem
local M = {}

---@class moongate.problem.Problem
local Problem = {}

---Makes one of its members.
---
---In every hook.
---@param members table<string, any> # `type`, `title` and `reason` of the problem, and members of your own
---@return moongate.problem.Problem? problem
---@return string? reason # why there can be none
function M.new(members) end

---Whether new() made it.
---
---In every hook.
---@param value any
---@return boolean
function M.is(value) end

return M
