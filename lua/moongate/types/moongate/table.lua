---@meta moongate.table
-- Written by ./dev docs from the sources. Do not change it here.

---Tables: what plugins that come from Kong know as kong.table.
---@class moongate.table
local M = {}

---An empty table with room.
---
---In init and every hook.
---@param array integer # elements
---@param hash integer # other keys
---@return table
function M.new(array, hash) end

---Takes everything out; the table keeps its room.
---
---In init and every hook.
---@param list table
function M.clear(list) end

---A new table with everything of both; of the second where both have a key.
---
---In init and every hook.
---@param first? table
---@param second? table
---@return table
function M.merge(first, second) end

return M
