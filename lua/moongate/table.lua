--- Tables: what plugins that come from Kong know as kong.table.
local clear = require("table.clear")
local new = require("table.new")

local M = {}

--- An empty table with room.
---@phase init, any
---@param array integer  elements
---@param hash integer   other keys
---@return table
function M.new(array, hash) return new(array or 0, hash or 0) end

--- Takes everything out; the table keeps its room.
---@phase init, any
---@param list table
function M.clear(list) clear(list) end

--- A new table with everything of both; of the second where both have a key.
---@phase init, any
---@param first? table
---@param second? table
---@return table
function M.merge(first, second)
  local result = {}
  for key, value in pairs(first or {}) do
    result[key] = value
  end
  for key, value in pairs(second or {}) do
    result[key] = value
  end
  return result
end

return M
