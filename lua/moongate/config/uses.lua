--- The uses of plugins: their configuration checked against the plugin's schema, their scope, priority and place.
local later = require("moongate.config.later")
local report = require("moongate.config.report")
local schema = require("moongate.schema")
local when = require("moongate.when")

local M = {}

--- What a handler without a priority of its own gets.
M.DEFAULT_PRIORITY = 1000

local function index_of(item) return item and item.index or nil end

--- Whether the code of a plugin may be run while the configuration is read: not where every use of it, or the one that
--- is asked for, says that it is not trusted.
---@param state table
---@param name string
---@param own boolean?  what the use says; nil: nobody's in particular
---@return boolean
function M.is_trusted(state, name, own)
  if own ~= nil then return own end
  local said_no = false
  for _, item in ipairs(state.items.plugins) do
    local value = item.value
    if value and value.name == name then
      if value.trusted ~= false then return true end
      said_no = true
    end
  end
  return not said_no
end

local function info_of(state, item, plugins)
  local name = item.value and item.value.name
  if type(name) ~= "string" then return nil end
  local info, reason = plugins(name, M.is_trusted(state, name, item.value.trusted))
  if not info then
    report.error(state.report, report.join(item.path, "name"), later.plugin_reason(name, reason))
  end
  return info
end

-- Whether it becomes known on the way only that a use is meant.
local function of_consumers(scope) return scope.consumer or scope.consumer_group end

local function check_scope(state, item, seen)
  local scope = item.parents
  local key = table.concat({
    tostring(item.raw.name),
    tostring(index_of(scope.service)),
    tostring(index_of(scope.route)),
    tostring(index_of(scope.consumer)),
    tostring(index_of(scope.consumer_group)),
  }, "\0")
  if seen[key] then
    report.error(
      state.report,
      item.path,
      ("%s is used in this scope already (line %d)"):format(
        tostring(item.raw.name),
        report.line(state.report, seen[key].path)
      )
    )
  end
  seen[key] = seen[key] or item
  if scope.consumer and scope.consumer_group then
    report.error(
      state.report,
      report.join(item.path, "consumer_group"),
      "cannot stand beside consumer: a use is for one of them"
    )
  elseif of_consumers(scope) and item.raw.priority ~= nil then
    report.error(
      state.report,
      report.join(item.path, "priority"),
      "has no effect for some consumers: who it is becomes known while plugins run already"
    )
  end
end

local function check_names(state, item, seen)
  local name = item.value and item.value.instance_name
  if not name then
    return
  elseif seen[name] then
    report.error(
      state.report,
      report.join(item.path, "instance_name"),
      ('"%s" is taken (line %d)'):format(name, report.line(state.report, seen[name].path))
    )
  end
  seen[name] = seen[name] or item
end

-- rewrite comes before anybody knows these.
local function check_when(state, item, info)
  local names, scope = item.value.when and when.check(item.value.when), item.parents
  if not names or not info.hooks or not info.hooks.rewrite then return end
  local global = not (scope.route or scope.service or of_consumers(scope))
  for _, name in ipairs { "consumer", global and "route" or nil } do
    if names[name] then
      report.warn(
        state.report,
        report.join(item.path, "when"),
        ("%s is nil in rewrite, where %s begins%s"):format(
          name,
          item.value.name,
          name == "route" and " (a global use)" or ""
        )
      )
    end
  end
end

-- "sometimes": with a condition nobody can say that it will ask.
local function authenticates(info, value, config)
  if info.authenticates ~= true or type(config) == "table" and config.anonymous ~= nil then return false end
  return value.when and "sometimes" or true
end

local function use(state, item, info)
  local value = item.value
  local config = report.check(state.report, info.schema, item.raw.config, report.join(item.path, "config"))
  if value.on_error == "skip" and info.authenticates then
    report.error(
      state.report,
      report.join(item.path, "on_error"),
      ("skip is refused: %s authenticates, and an error of it would let everybody in"):format(value.name)
    )
  end
  check_when(state, item, info)
  local scope, trusted = item.parents, value.trusted
  if trusted == nil then trusted = info.trusted ~= false end
  return {
    id = item.id,
    name = value.name,
    instance_name = value.instance_name,
    tags = value.tags,
    enabled = value.enabled,
    hooks = info.hooks,
    kong = info.kong,
    config = config,
    scope = {
      service = index_of(scope.service),
      route = index_of(scope.route),
      consumer = index_of(scope.consumer),
      consumer_group = index_of(scope.consumer_group),
    },
    priority = value.priority or info.priority or M.DEFAULT_PRIORITY,
    on_error = value.on_error,
    when = value.when,
    trusted = trusted,
    authenticates = authenticates(info, value, config),
    path = report.path_text(item.path),
    line = report.line(state.report, item.path),
    dir = info.path,
    shown = schema.redact(info.schema, config),
  }
end

-- Which use a consumer has is known while the plugin's turn comes: its functions are chosen before.
local function check_trust(state, list)
  local first = {}
  for _, made in ipairs(list) do
    local other = first[made.name]
    if other and other.trusted ~= made.trusted and (of_consumers(other.scope) or of_consumers(made.scope)) then
      report.error(
        state.report,
        report.join(made.at, "trusted"),
        ("must be the same at every use of %s, because a consumer has one of its own (line %d)"):format(
          made.name,
          other.line
        )
      )
    end
    first[made.name] = other or made
    if of_consumers(made.scope) then first[made.name] = made end
  end
end

--- Every use of a plugin; those nested in services come first, then routes', consumers', and the top's.
---@param state table  from collect.lua
---@param plugins fun(name: string): table?, string?
---@return table[]
function M.run(state, plugins)
  local list, scopes, names = {}, {}, {}
  for _, item in ipairs(state.items.plugins) do
    local info = info_of(state, item, plugins)
    if not item.dangling then check_scope(state, item, scopes) end
    check_names(state, item, names)
    if info and item.value then
      list[#list + 1] = use(state, item, info)
      list[#list].at = item.path
    end
  end
  check_trust(state, list)
  for _, made in ipairs(list) do
    made.at = nil
  end
  return list
end

return M
