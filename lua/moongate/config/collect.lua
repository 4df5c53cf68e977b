--- Finds every entity of a document, nested or flat, and settles who belongs to whom.
--- An item: { kind, raw, path, parents = { service = item, … }, value = normal form, id, name, index }.
local entities = require("moongate.config.entities")
local report = require("moongate.config.report")
local uuid = require("moongate.config.uuid")
local words = require("moongate.schema.words")

local M = {}

local KINDS = {
  "services",
  "routes",
  "upstreams",
  "targets",
  "consumers",
  "consumer_groups",
  "plugins",
  "certificates",
  "ca_certificates",
  "snis",
}
local ONE = {
  services = "service",
  routes = "route",
  upstreams = "upstream",
  targets = "target",
  consumers = "consumer",
  consumer_groups = "consumer group",
  plugins = "plugin",
  certificates = "certificate",
  ca_certificates = "CA certificate",
  snis = "SNI",
}

local add_list

local function add_item(state, kind, raw, path, parents)
  if type(raw) ~= "table" or state.report.kind_of(raw) == "array" then
    report.error(
      state.report,
      path,
      ("expected a %s (a map), got %s"):format(ONE[kind], words.value(raw, state.report.kind_of(raw)))
    )
    return
  end
  local item = { kind = kind, raw = raw, path = path, parents = {} }
  for key, parent in pairs(parents) do
    item.parents[key] = parent
  end
  state.items[kind][#state.items[kind] + 1] = item
  local key = entities.PARENT_KEY[kind]
  for name, child in pairs(entities.CHILDREN[kind] or {}) do
    add_list(state, child, raw[name], report.join(path, name), { [key] = item })
  end
end

function add_list(state, kind, list, path, parents)
  if type(list) ~= "table" or state.report.kind_of(list) ~= "array" then
    return -- not there, or the schema has said that it is no list
  end
  for i, raw in ipairs(list) do
    add_item(state, kind, raw, report.join(path, i - 1), parents)
  end
end

local function name_of(item)
  local name = item.raw.name or item.raw.username
  if type(name) ~= "string" then return nil end
  -- host names, which people write as they like
  return (item.kind == "upstreams" or item.kind == "snis") and name:lower() or name
end

local function register(state, item)
  local names, ids = state.names[item.kind], state.ids[item.kind]
  local name, id = item.name, item.raw.id
  if item.kind ~= "plugins" and item.kind ~= "targets" and type(name) == "string" then
    local other = names[name]
    if other then
      report.error(
        state.report,
        report.join(item.path, item.raw.name and "name" or "username"),
        ("%s %s named %s is already there (line %d)"):format(
          item.kind == "snis" and "an" or "a",
          ONE[item.kind],
          words.quote(name),
          report.line(state.report, other.path)
        )
      )
    else
      names[name] = item
    end
  end
  if type(id) == "string" then
    id = id:lower()
    if ids[id] then
      report.error(
        state.report,
        report.join(item.path, "id"),
        ("another %s has this id (line %d)"):format(ONE[item.kind], report.line(state.report, ids[id].path))
      )
    end
    ids[id] = ids[id] or item
  end
end

local function known_names(state, kind) return words.keys(state.names[kind]) end

--- The item a foreign key points to; nil, with an error, when there is none.
---@param state table
---@param kind string
---@param value any  a name, an id or a table with one
---@param path (string|integer)[]
---@return table? item
function M.resolve(state, kind, value, path)
  if type(value) == "table" then value = value.id or value.name or value.username end
  if type(value) ~= "string" then
    return nil -- the schema has said so
  end
  local item = state.names[kind][value] or state.ids[kind][value:lower()]
  if not item then
    local names = known_names(state, kind)
    report.error(
      state.report,
      path,
      ("no %s named %s%s"):format(ONE[kind], words.quote(value), words.did_you_mean(value, names))
    )
  end
  return item
end

local PARENTS = {
  routes = { service = "services" },
  targets = { upstream = "upstreams" },
  plugins = {
    service = "services",
    route = "routes",
    consumer = "consumers",
    consumer_group = "consumer_groups",
  },
  snis = { certificate = "certificates" },
}

-- A foreign key that is written, and the place an entity stands in, must not contradict each other.
local function settle_parents(state, item)
  for key, kind in pairs(PARENTS[item.kind] or {}) do
    local written = item.raw[key]
    if written ~= nil then
      local path = report.join(item.path, key)
      local found = M.resolve(state, kind, written, path)
      if found and item.parents[key] and item.parents[key] ~= found then
        report.error(state.report, path, ("contradicts the %s this stands in"):format(ONE[kind]))
      end
      item.parents[key] = item.parents[key] or found
      item.dangling = item.dangling or not found
    end
  end
end

local function parent_name(item, key)
  local parent = item.parents[key]
  return parent and (parent.id or "") or ""
end

-- What names an entity that has no name, independent of its place in the file.
local function content_key(value)
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  for _, key in ipairs(words.keys(value)) do
    if key ~= "plugins" and key ~= "routes" then
      parts[#parts + 1] = tostring(key) .. "=" .. content_key(value[key])
    end
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function identity(item)
  if item.kind == "targets" then
    return parent_name(item, "upstream") .. ":" .. tostring(item.raw.target)
  elseif item.kind == "plugins" then
    return table.concat({
      tostring(item.raw.name),
      parent_name(item, "route"),
      parent_name(item, "service"),
      parent_name(item, "consumer"),
      tostring(item.raw.instance_name or ""),
      item.parents.consumer_group and parent_name(item, "consumer_group") or nil,
    }, ":")
  end
  return item.name or item.raw.custom_id or parent_name(item, "service") .. content_key(item.raw)
end

local function give_id(state, item)
  local id = type(item.raw.id) == "string" and item.raw.id:lower() or nil
  if not id then
    local name, count = identity(item), 1
    id = uuid.of(item.kind, name)
    while state.ids[item.kind][id] do
      count = count + 1
      id = uuid.of(item.kind, name .. "#" .. count)
    end
    state.ids[item.kind][id] = item
  end
  item.id = id
end

--- Finds and checks every entity of the document.
---@param rep table  report
---@return table state  { items = { services = {…}, … }, names, ids, report, resolve = M.resolve }
function M.run(rep)
  local root = rep.doc.root or {}
  local state = { report = rep, resolve = M.resolve, items = {}, names = {}, ids = {} }
  for _, kind in ipairs(KINDS) do
    state.items[kind], state.names[kind], state.ids[kind] = {}, {}, {}
  end
  for _, kind in ipairs(KINDS) do
    add_list(state, kind, root[kind], { kind }, {})
  end
  for _, kind in ipairs(KINDS) do
    for index, item in ipairs(state.items[kind]) do
      item.index, item.name = index, name_of(item)
      register(state, item)
    end
  end
  for _, kind in ipairs(KINDS) do
    for _, item in ipairs(state.items[kind]) do
      settle_parents(state, item)
      give_id(state, item)
      item.value, item.good = report.check(rep, entities[kind], item.raw, item.path)
    end
  end
  return state
end

return M
