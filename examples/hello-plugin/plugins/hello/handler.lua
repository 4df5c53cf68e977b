--- Greets the visitor by name, in a header.
local M = { version = "1.0.0", priority = 1000 }

function M.access(_, ctx) ctx.plugin.visitor = ctx.request:get_query_arg("name") or "stranger" end

function M.response(conf, ctx)
  ctx.response:set_header("x-greeting", conf.greeting .. ", " .. tostring(ctx.plugin.visitor))
end

return M
