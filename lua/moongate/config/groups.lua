--- Which consumers are in which groups. Membership may be written at the consumer (`groups`, or `consumer_groups` as
--- Kong's own files say it), at the group (`consumers`), or between them (`consumer_group_consumers`); they add up.
local collect = require("moongate.config.collect")
local report = require("moongate.config.report")

local M = {}

-- The entries of a list of names, where what is written is one; decK writes { name = … } for a name.
local function entries(rep, list, path, what)
  if list == nil then
    return {}
  elseif type(list) ~= "table" or rep.kind_of(list) ~= "array" then
    report.error(rep, path, "expected an array of names")
    return {}
  end
  local found = {}
  for i, entry in ipairs(list) do
    local at = report.join(path, i - 1)
    local name = entry
    if type(entry) == "table" then name = entry.name or entry.username or entry.id end
    if type(name) ~= "string" or name == "" then
      report.error(rep, at, "expected the name of a " .. what)
    else
      found[#found + 1] = { name = name, path = at }
    end
  end
  return found
end

-- The name of a group by name or id. Where no groups are declared, any name is one.
local function group_name(state, entry)
  if #state.items.consumer_groups == 0 then return entry.name end
  local group = collect.resolve(state, "consumer_groups", entry.name, entry.path)
  return group and group.name
end

local function join(members, consumer, name)
  local groups = members[consumer.index]
  if not groups then
    groups = {}
    members[consumer.index] = groups
  end
  for _, known in ipairs(groups) do
    if known == name then return end
  end
  groups[#groups + 1] = name
end

local function join_from_consumers(state, members)
  for _, item in ipairs(state.items.consumers) do
    for _, key in ipairs { "groups", "consumer_groups" } do
      for _, entry in ipairs(entries(state.report, item.raw[key], report.join(item.path, key), "group")) do
        local name = group_name(state, entry)
        if name then join(members, item, name) end
      end
    end
  end
end

local function join_from_groups(state, members)
  for _, item in ipairs(state.items.consumer_groups) do
    local path = report.join(item.path, "consumers")
    for _, entry in ipairs(entries(state.report, item.raw.consumers, path, "consumer")) do
      local consumer = collect.resolve(state, "consumers", entry.name, entry.path)
      if consumer and item.name then join(members, consumer, item.name) end
    end
  end
end

local function join_from_pairs(state, members)
  local root = state.report.doc.root or {}
  local list = root.consumer_group_consumers
  if type(list) ~= "table" then return end
  for i, pair in ipairs(list) do
    if type(pair) == "table" and pair.consumer ~= nil and pair.consumer_group ~= nil then
      local path = { "consumer_group_consumers", i - 1 }
      local consumer = collect.resolve(state, "consumers", pair.consumer, report.join(path, "consumer"))
      local group =
        collect.resolve(state, "consumer_groups", pair.consumer_group, report.join(path, "consumer_group"))
      if consumer and group then join(members, consumer, group.name) end
    end
  end
end

--- The names of the groups of each consumer, by the consumer's index. Their order counts: of two that differ, the
--- first is taken.
---@param state table  from collect.lua
---@return table<integer, string[]>
function M.members(state)
  local members = {}
  join_from_consumers(state, members)
  join_from_groups(state, members)
  join_from_pairs(state, members)
  return members
end

--- The groups that are declared.
---@param state table  from collect.lua
---@return { id: string, name: string, tags: string[]? }[]
function M.declared(state)
  local list = {}
  for i, item in ipairs(state.items.consumer_groups) do
    list[i] = { id = item.id, name = item.name, tags = item.value and item.value.tags }
  end
  return list
end

return M
