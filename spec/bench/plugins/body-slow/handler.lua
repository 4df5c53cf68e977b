--- Body hooks that wait with every chunk, in both directions.
local M = { version = "1.0.0", priority = 1000 }

function M.request_body(conf, ctx) ctx:sleep(conf.seconds) end

function M.body(conf, ctx) ctx:sleep(conf.seconds) end

return M
