---@meta moongate.inspect
-- Written by ./dev docs from the sources. Do not change it here.

---Values as text for people.
---@class moongate.inspect
local M = {}

---Any value as Lua would write it: tables with their keys in order, cut where they are deep or long.
---
---In init and every hook.
---@param value any
---@return string
function M.text(value) end

return M
