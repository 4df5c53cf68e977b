--- Which plugins run for a request, and in which order. Pure data, made once per generation.
---
--- `build(config)` → { global = PLAN, routes = { [route index] = PLAN } }. A plan is a list of entries, in order:
---
---     { name = "key-auth", priority = 1250,
---       use = 3,                          -- index into config.plugins; nil when only consumers have a use here
---       by_consumer = { [consumer's id] = 7 } }   -- that consumer's use instead; nil when there is none
---
--- One use of a plugin runs per request, the most specific one: route+service+consumer, route+service+group,
--- route+consumer, service+consumer, route+group, service+group, route+service, consumer, group, route, service,
--- global. A use for a group stands for each consumer that is in it; of two groups the consumer's first counts. Who
--- the consumer is becomes known on the way, so the runner looks into `by_consumer` at the plugin's turn. It holds only
--- uses that win over `use`.
--- Order: priority, higher first; ties by name, descending. The global plan holds the uses without any scope.
--- Plans of routes that share their uses are one table.
local M = {}

local RANKS = {
  consumer = { both = 12, route = 10, service = 9, none = 5 },
  group = { both = 11, route = 8, service = 7, none = 4 },
  anybody = { both = 6, route = 3, service = 2, none = 1 },
}

local function rank(scope)
  local whose = scope.consumer and "consumer" or scope.consumer_group and "group" or "anybody"
  local where = scope.route and scope.service and "both" or scope.route and "route" or scope.service and "service"
  return RANKS[whose][where or "none"]
end

local function put(index, key, use)
  if index[key] then
    table.insert(index[key], use)
  else
    index[key] = { use }
  end
end

-- The consumers of a group, each with the group's place among its own.
local function members(config, group)
  local name, found = config.consumer_groups[group].name, {}
  for consumer, entry in ipairs(config.consumers) do
    for place, own in ipairs(entry.groups) do
      if own == name then found[consumer] = place end
    end
  end
  return found
end

-- Sorts the uses by the scope they can be found under.
local function index_uses(config)
  local index = { global = {}, service = {}, route = {} }
  for at, use in ipairs(config.plugins) do
    if use.enabled then
      local entry = { at = at, use = use, rank = rank(use.scope) }
      if use.scope.consumer_group then entry.members = members(config, use.scope.consumer_group) end
      if use.scope.route then
        put(index.route, use.scope.route, entry)
      elseif use.scope.service then
        put(index.service, use.scope.service, entry)
      else
        index.global[#index.global + 1] = entry
      end
    end
  end
  return index
end

local function by_order(a, b)
  if a.priority ~= b.priority then return a.priority > b.priority end
  return a.name > b.name
end

local function slot_of(slots, name)
  slots[name] = slots[name] or { name = name, consumers = nil }
  return slots[name]
end

-- `place`: where the group stands among those of the consumer.
local function consider_for(slot, entry, consumer, place)
  slot.consumers = slot.consumers or {}
  local other = slot.consumers[consumer]
  if not other or other.rank < entry.rank or other.rank == entry.rank and place < other.place then
    slot.consumers[consumer] = { use = entry.use, at = entry.at, rank = entry.rank, place = place }
  end
end

local function consider(slots, entry)
  local slot, scope = slot_of(slots, entry.use.name), entry.use.scope
  if scope.consumer then
    consider_for(slot, entry, scope.consumer, 1)
  elseif scope.consumer_group then
    for consumer, place in pairs(entry.members) do
      consider_for(slot, entry, consumer, place)
    end
  elseif not slot.base or slot.base.rank < entry.rank then
    slot.base = entry
  end
end

local function by_consumer(slot, consumers)
  local result
  for consumer, entry in pairs(slot.consumers or {}) do
    if not slot.base or entry.rank > slot.base.rank then
      result = result or {}
      result[consumers[consumer].id] = entry.at
    end
  end
  return result
end

-- A use for some consumers alone has no priority of its own: its plugin's place is that of the base use.
local function finish(slots, consumers)
  local plan = {}
  for name, slot in pairs(slots) do
    local winners = by_consumer(slot, consumers)
    if slot.base or winners then
      local _, any = next(slot.consumers or {})
      plan[#plan + 1] = {
        name = name,
        priority = (slot.base or any).use.priority,
        use = slot.base and slot.base.at or nil,
        by_consumer = winners,
      }
    end
  end
  table.sort(plan, by_order)
  return plan
end

local function applies(entry, service) return entry.use.scope.service == nil or entry.use.scope.service == service end

local function make(index, consumers, service, route)
  local slots = {}
  local service_uses = service and index.service[service] or {}
  local route_uses = route and index.route[route] or {}
  for _, list in ipairs { index.global, service_uses, route_uses } do
    for _, entry in ipairs(list) do
      if applies(entry, service) then consider(slots, entry) end
    end
  end
  return finish(slots, consumers)
end

local function global_plan(index, consumers)
  local slots = {}
  for _, entry in ipairs(index.global) do
    if not (entry.use.scope.consumer or entry.use.scope.consumer_group) then consider(slots, entry) end
  end
  return finish(slots, consumers)
end

---@param config table  see moongate.config
---@return { global: table[], routes: table[][] }
function M.build(config)
  local index = index_uses(config)
  local plans = { global = global_plan(index, config.consumers), routes = {} }
  local shared = {}
  for at, route in ipairs(config.routes) do
    if index.route[at] then
      plans.routes[at] = make(index, config.consumers, route.service, at)
    else
      local key = index.service[route.service] and route.service or "none"
      shared[key] = shared[key] or make(index, config.consumers, route.service, nil)
      plans.routes[at] = shared[key]
    end
  end
  return plans
end

return M
