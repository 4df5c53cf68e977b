--- Who hears of targets and breakers: the `event` hooks, called one after the other, each as a run of its own
--- (core/script/event.c).
local M = {}

-- What an event is to plugins.
local function table_of(kind, name, target, address, state, by, why, seconds, time)
  local event = { type = kind, state = state, why = why ~= "" and why or nil, time = time }
  if seconds > 0 then event.seconds = seconds end
  if kind == "breaker" then
    event[by == "route" and "route" or "service"] = name
    return event
  end
  event.upstream, event.target, event.address, event.by = name, target, address, by
  return event
end

--- The uses whose plugins hear, by index, and the plugins' names; and the function that calls one of them.
---@param plan table
---@param handler_of fun(use: table): table?
---@return integer[] hears
---@return string names     one a line
---@return function call    of a use's index, `t`, and what table_of takes
function M.build(plan, handler_of)
  local hears, names, seen = {}, {}, {}
  for index, use in ipairs(plan.uses) do
    local handler = handler_of(use)
    if handler and handler.event then
      hears[#hears + 1] = index
      if not seen[use.plugin] then names[#names + 1] = use.plugin end
      seen[use.plugin] = true
    end
  end
  local function call(index, t, ...)
    local use = plan.uses[index]
    return handler_of(use).event(use.conf, table_of(...), not use.untrusted and t or nil)
  end
  return hears, table.concat(names, "\n"), call
end

return M
