---@meta moongate.expression
-- Written by ./dev docs from the sources. Do not change it here.

---Expressions that people write into a plugin's configuration, in the language of `when:`: one Lua expression over
---`request`, `client`, `consumer` and `route`, without functions and globals, so that it ends whatever it is. They are
---compiled in `init`, and looking makes no garbage.
---
---    local quota_key
---
---    function M.init(configs)
---      quota_key = expression.compile(configs[1].key) -- 'request.query.region'
---    end
---
---    function M.access(conf, ctx)
---      local key = quota_key(ctx)
---    end
---@class moongate.expression
local M = {}

---What is wrong with a text that should be an expression.
---
---In every hook.
---@param text string
---@return boolean? ok
---@return string? reason
function M.check(text) end

---A function that says what the expression is for a request. Errors in the expression are errors of its caller.
---
---In every hook.
---@param text string # that check() lets pass
---@return fun(ctx: moongate.Ctx): any
function M.compile(text) end

return M
