--- Expressions that people write into a plugin's configuration, in the language of `when:`: one Lua expression over
--- `request`, `client`, `consumer` and `route`, without functions and globals, so that it ends whatever it is. They are
--- compiled in `init`, and looking makes no garbage.
---
---     local quota_key
---
---     function M.init(configs)
---       quota_key = expression.compile(configs[1].key) -- 'request.query.region'
---     end
---
---     function M.access(conf, ctx)
---       local key = quota_key(ctx)
---     end
local check = require("moongate.pdk.check")
local views = require("moongate.views")
local when = require("moongate.when")

local enter, ANY, value = check.enter, check.ANY, views.value

local M = {}

--- What is wrong with a text that should be an expression.
---@phase any
---@param text string
---@return boolean? ok
---@return string? reason
function M.check(text)
  local names, reason = when.check(text)
  if names then return true end
  return nil, reason
end

--- A function that says what the expression is for a request. Errors in the expression are errors of its caller.
---@phase any
---@param text string  that check() lets pass
---@return fun(ctx: moongate.Ctx): any
function M.compile(text)
  local names, reason = when.check(text)
  if not names then error("expression.compile: the expression " .. reason, 2) end
  local expression = when.compile(text)
  return function(ctx) return value(expression, enter(ctx, "expression", ANY)) end
end

return M
