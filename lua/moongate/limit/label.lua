--- What a use of a plugin that limits is called in metrics and logs.
local entities = require("moongate.entities")

local M = {}

local function name_of(entity) return entity.name or entity.username or entity.id end

--- Its name, or where it stands: "route users", "service shop, consumer ann", "everywhere".
---@param use table  of moongate.entities.uses
---@return string
function M.of(use)
  if use.instance_name then return use.instance_name end
  local scope, parts = use.scope or {}, {}
  for _, kind in ipairs { "route", "service", "consumer" } do
    local entity = scope[kind] and entities[kind .. "s"][scope[kind]]
    if entity then parts[#parts + 1] = kind .. " " .. name_of(entity) end
  end
  if scope.consumer_group then parts[#parts + 1] = "group " .. scope.consumer_group end
  return parts[1] and table.concat(parts, ", ") or "everywhere"
end

return M
