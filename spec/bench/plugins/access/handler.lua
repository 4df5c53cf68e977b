--- One hook with nothing in it: what a plugin costs before it does something.
local M = { version = "1.0.0", priority = 1000 }

function M.access() end

return M
