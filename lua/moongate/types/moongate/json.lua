---@meta moongate.json
-- Written by ./dev docs from the sources. Do not change it here.

---JSON, by lua-cjson. What can happen is nil and a reason. `json.null` stands for null. An empty table is an object
---unless it came from `[]` or went through json.array(): empty arrays stay what they are from decoding to encoding.
---@class moongate.json
local M = {}

---Marks a table as an array, so that it is one also when it is empty.
---@param list? table
---@return table
function M.array(list) end

---True for what json.array() marked and for empty arrays that were decoded.
function M.is_array(value) end

---The value of a JSON text.
---@param text string
---@return any value
---@return string? reason
function M.decode(text) end

---A value as JSON text.
---@param value any
---@return string? text
---@return string? reason
function M.encode(value) end

return M
