--- A body hook that looks at every chunk and changes none.
local M = { version = "1.0.0", priority = 1000 }

function M.body() end

return M
