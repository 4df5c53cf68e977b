--- `default_access: deny`: nothing is open by accident. A route needs a plugin that authenticates, or `public: true`.
local plan = require("moongate.plan")
local report = require("moongate.config.report")

local M = {}

local function guard_of(config, entries)
  for _, entry in ipairs(entries) do
    local use = entry.use and config.plugins[entry.use]
    if use and use.authenticates then
      return use
    end
  end
end

--- Checks every route of a normalised configuration.
---@param state table   from collect.lua
---@param config table
function M.run(state, config)
  local plans = plan.build(config)
  for index, item in ipairs(state.items.routes) do
    local guard = guard_of(config, plans.routes[index])
    local route = config.routes[index]
    if guard and route.public then
      report.warn(state.report, report.join(item.path, "public"), ("says that nobody need be known, yet %s (%s) "
        .. "asks every client who it is"):format(guard.name, guard.path))
    elseif not guard and not route.public and config.default_access == "deny" then
      local name = route.name and "the route " .. route.name or "the route"
      report.error(state.report, item.path, name .. " is open to everybody: use a plugin that authenticates "
        .. "(key-auth …) or write public: true (default_access is deny)")
    end
  end
end

return M
