--- The uses of plugins: their configuration checked against the plugin's schema, their scope, priority and place.
local later = require("moongate.config.later")
local report = require("moongate.config.report")
local schema = require("moongate.schema")
local when = require("moongate.when")

local M = {}

--- What a handler without a priority of its own gets.
M.DEFAULT_PRIORITY = 1000

local function index_of(item) return item and item.index or nil end

local function info_of(state, item, plugins)
  local name = item.value and item.value.name
  if type(name) ~= "string" then return nil end
  local info, reason = plugins(name)
  if not info then
    report.error(state.report, report.join(item.path, "name"), later.plugin_reason(name, reason))
  end
  return info
end

local function check_scope(state, item, seen)
  local scope = item.parents
  local key = table.concat({
    tostring(item.raw.name),
    tostring(index_of(scope.service)),
    tostring(index_of(scope.route)),
    tostring(index_of(scope.consumer)),
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
  if scope.consumer and item.raw.priority ~= nil then
    report.error(
      state.report,
      report.join(item.path, "priority"),
      "has no effect for one consumer: who it is becomes known while plugins run already"
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
  local global = not (scope.route or scope.service or scope.consumer)
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
  local scope = item.parents
  return {
    id = item.id,
    name = value.name,
    instance_name = value.instance_name,
    tags = value.tags,
    enabled = value.enabled,
    hooks = info.hooks,
    config = config,
    scope = {
      service = index_of(scope.service),
      route = index_of(scope.route),
      consumer = index_of(scope.consumer),
    },
    priority = value.priority or info.priority or M.DEFAULT_PRIORITY,
    on_error = value.on_error,
    when = value.when,
    authenticates = authenticates(info, value, config),
    path = report.path_text(item.path),
    line = report.line(state.report, item.path),
    dir = info.path,
    shown = schema.redact(info.schema, config),
  }
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
    if info and item.value then list[#list + 1] = use(state, item, info) end
  end
  return list
end

return M
