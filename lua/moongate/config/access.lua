--- `default_access: deny`: nothing is open by accident. A route needs a plugin that authenticates, or `public: true`.
local plan = require("moongate.plan")
local report = require("moongate.config.report")
local words = require("moongate.schema.words")

local M = {}

local function guard_of(config, entries)
  for _, entry in ipairs(entries) do
    local use = entry.use and config.plugins[entry.use]
    if use and use.authenticates == true then return use end
  end
end

-- Who reads that a route is open, although it has a plugin for that, wants to know why.
local function but_sometimes(config, entries)
  for _, entry in ipairs(entries) do
    local use = entry.use and config.plugins[entry.use]
    if use and use.authenticates == "sometimes" then
      return ("; %s (%s) does not count, because it has a condition (when)"):format(use.name, use.path)
    end
  end
  return ""
end

-- In Kong's files everybody may pass by default. Who never wrote that down is told which routes it concerns.
local function warn_of_open(state, open)
  if #open > 0 and state.report.doc.root.default_access == nil then
    report.warn(
      state.report,
      {},
      (
        "%d of %d routes are open to everybody, because default_access is allow in a file "
        .. "with _format_version (%s)"
      ):format(#open, #state.items.routes, words.list(open))
    )
  end
end

--- Checks every route of a normalised configuration.
---@param state table   from collect.lua
---@param config table
function M.run(state, config)
  local plans, open = plan.build(config), {}
  for index, item in ipairs(state.items.routes) do
    local guard = guard_of(config, plans.routes[index])
    local route = config.routes[index]
    if guard and route.public then
      report.warn(
        state.report,
        report.join(item.path, "public"),
        ("says that nobody need be known, yet %s (%s) " .. "asks every client who it is"):format(
          guard.name,
          guard.path
        )
      )
    elseif not guard and not route.public and config.default_access == "deny" then
      local name = route.name and "the route " .. route.name or "the route"
      report.error(
        state.report,
        item.path,
        name
          .. " is open to everybody: use a plugin that authenticates "
          .. "(key-auth …) or write public: true (default_access is deny)"
          .. but_sometimes(config, plans.routes[index])
      )
    elseif not guard and not route.public then
      open[#open + 1] = route.name or report.path_text(item.path)
    end
  end
  warn_of_open(state, open)
end

return M
