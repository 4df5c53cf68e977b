--- Every hook that a plain request meets, with nothing in it.
local M = { version = "1.0.0", priority = 1000 }

function M.rewrite() end
function M.access() end
function M.response() end
function M.log() end

return M
