--- The same small work in four phases as the nginx configuration in proxy.sh does.
local M = { version = "1.0.0", priority = 1000 }

function M.rewrite(_, ctx) ctx.shared.start = ctx.request:get_header("user-agent") or "none" end

function M.access(_, ctx) ctx.service.request:set_header("x-bench", "1") end

function M.response(_, ctx) ctx.response:set_header("x-served-by", "moongate") end

function M.log(_, ctx) ctx.shared.done = ctx.response:get_status() end

return M
