--- The uses of plugins that limit: which one a configuration belongs to, what it is called in metrics and logs, and the
--- numbers that a group of consumers has there.
local entities = require("moongate.entities")

local M = {}

local function name_of(entity) return entity.name or entity.username or entity.id end

--- The use that has the configuration.
---@param conf table
---@return table
function M.of(conf)
  for _, use in ipairs(entities.uses) do
    if use.conf == conf then return use end
  end
  return { id = "?" }
end

--- Its name, or where it stands: "route users", "service shop, consumer ann", "everywhere".
---@param use table  of moongate.entities.uses
---@return string
function M.label(use)
  if use.instance_name then return use.instance_name end
  local scope, parts = use.scope or {}, {}
  for _, kind in ipairs { "route", "service", "consumer" } do
    local entity = scope[kind] and entities[kind .. "s"][scope[kind]]
    if entity then parts[#parts + 1] = kind .. " " .. name_of(entity) end
  end
  if scope.consumer_group then parts[#parts + 1] = "group " .. scope.consumer_group end
  return parts[1] and table.concat(parts, ", ") or "everywhere"
end

--- Of the groups of who asks the first one that has numbers of its own under `tiers`, and its name; else the
--- configuration itself.
---@param conf table
---@param ctx table
---@return table numbers
---@return string? group
function M.tier(conf, ctx)
  local groups = ctx.client:get_consumer_groups()
  for i = 1, #groups do
    local tier = conf.tiers[groups[i].name]
    if tier then return tier, groups[i].name end
  end
  return conf
end

return M
