--- Makes a configuration of what a spec gave: its tables become a document as a file would, so that the very checks of
--- `moongate check` run over it, and plugins may be tables and functions instead of folders.
local config = require("moongate.config")
local core = require("moongate.spec.core")
local files = require("moongate.config.files")
local freeze = require("moongate.config.freeze")
local plugins = require("moongate.config.plugins")
local schema = require("moongate.schema")

local M = {}

-- What gateway.new() takes beside the keys of a configuration.
local OWN = {
  config = true,
  upstreams = true,
  wire = true,
  auto_advance = true,
  network = true,
  seed = true,
  log_level = true,
  service = true,
  route = true,
}

local IS_HOOK = {}
for _, hook in ipairs(plugins.HOOKS) do
  IS_HOOK[hook] = true
end

-- ── plugins that stand in the spec ──────────────────────────────────────────────

local function handler_of(entry)
  if entry.handler then return entry.handler end
  local handler
  for key, value in pairs(entry) do
    if IS_HOOK[key] and type(value) == "function" then
      handler = handler or { priority = entry.priority }
      handler[key] = value
    end
  end
  return handler
end

local function schema_of(kind)
  if kind == nil then return schema.any { by_reference = true, default = {} } end
  if schema.is_type(kind) then return kind end
  return schema.record(kind)
end

-- Takes plugins given as tables and functions out of a list of uses.
local function take_inline(list, inline)
  local uses = {}
  for i, entry in ipairs(list) do
    if type(entry) == "string" then
      entry = { name = entry }
    elseif type(entry) == "function" then
      entry = { access = entry }
    end
    local handler = type(entry) == "table" and handler_of(entry)
    if handler then
      local name = entry.name or ("inline-%d"):format(i)
      local problem = plugins.handler_problem(handler)
      if problem then error(("plugin %s: its handler %s"):format(name, problem), 0) end
      inline[name] = { handler = handler, schema = schema_of(entry.schema) }
      local use = { name = name }
      for key, value in pairs(entry) do
        if key ~= "handler" and key ~= "schema" and not IS_HOOK[key] then use[key] = value end
      end
      entry = use
    end
    uses[i] = entry
  end
  return uses
end

local SCOPES = { services = { "routes" }, routes = {}, consumers = {} }

local function take_nested(document, inline)
  if document.plugins then document.plugins = take_inline(document.plugins, inline) end
  for key in pairs(SCOPES) do
    for _, entity in ipairs(type(document[key]) == "table" and document[key] or {}) do
      take_nested(entity, inline)
    end
  end
end

local function info_of(name, given)
  local hooks = {}
  for _, hook in ipairs(plugins.HOOKS) do
    hooks[hook] = given.handler[hook] ~= nil or nil
  end
  return {
    name = name,
    path = "(in the spec)",
    schema = given.schema,
    hooks = hooks,
    priority = given.handler.priority,
    version = given.handler.version,
    authenticates = given.handler.authenticates == true,
  }
end

-- ── where plugins are ───────────────────────────────────────────────────────────

-- The folder and those above it, up to where a project begins.
local function parents(folder)
  local list, here = {}, files.absolute(".")
  while folder and folder ~= "" do
    list[#list + 1] = folder
    if folder == here or files.exists(folder .. "/moongate.yaml") or files.exists(folder .. "/.git") then break end
    folder = folder:match("^(.+)/[^/]+$")
  end
  return list
end

--- Folders with plugins, seen from a spec's file: the folder its own plugin lies in, `plugins/` of every folder above
--- it in its project, and ./plugins.
---@param place string  the spec's folder, absolute
---@return string[]
function M.plugin_paths(place)
  local paths, seen = {}, {}
  local function add(path)
    local real = files.absolute(path)
    if real and not seen[real] and files.is_folder(real) then
      seen[real] = true
      paths[#paths + 1] = real
    end
  end
  for _, folder in ipairs(parents(place)) do
    if files.exists(folder .. "/handler.lua") then add(folder .. "/..") end
    add(folder .. "/plugins")
  end
  add("./plugins")
  return paths
end

-- ── the document ────────────────────────────────────────────────────────────────

-- A copy, with the marks a reader leaves. An empty table is what its place wants.
local function mark(document, value)
  if type(value) ~= "table" then return value end
  local copied, kind = {}, #value > 0 and "array" or next(value) ~= nil and "map" or nil
  document.marks[copied] = { kind = kind, lines = {}, keys = {} }
  for key, item in pairs(value) do
    copied[key] = mark(document, item)
  end
  return copied
end

local function document_of(value)
  local document = { marks = {}, errors = {}, unresolved = {}, nodes = 0 }
  document.root = mark(document, value)
  document.marks[document.root].kind = "map"
  return document
end

local function shallow(value)
  local result = {}
  for key, item in pairs(value) do
    result[key] = item
  end
  return result
end

local function deep(value)
  if type(value) ~= "table" then return value end
  local result = {}
  for key, item in pairs(value) do
    result[key] = deep(item)
  end
  return result
end

-- Entities among `upstreams`, where functions and replies stand by name.
local function entity_upstreams(upstreams)
  local list = {}
  for i, entry in ipairs(upstreams or {}) do
    list[i] = entry
  end
  return #list > 0 and list or nil
end

local function with(base, more)
  for key, value in pairs(more or {}) do
    base[key] = value
  end
  return base
end

-- Routes need somewhere to go, and plugins alone a route.
local function complete(root, options)
  root.default_access = root.default_access or "allow"
  root.upstreams = entity_upstreams(options.upstreams)
  if not root.services and not root.routes then
    root.services = { with({ name = "service", host = "service.test" }, options.service) }
    root.routes =
      { with({ name = "all", paths = { "/" }, service = "service", strip_path = false }, options.route) }
  end
  for _, service in ipairs(root.services or {}) do
    if type(service) == "table" and not service.host and not service.url then service.host = service.name end
  end
end

local function root_of(options)
  local root
  if type(options.config) == "table" then
    root = deep(options.config)
  else
    root = {}
    for key, value in pairs(options) do
      if not OWN[key] then root[key] = value end
    end
    -- Handlers are taken out before anything is copied: a spec may hold on to them.
    for _, key in ipairs { "services", "routes", "consumers" } do
      root[key] = root[key] and deep(root[key])
    end
    complete(root, options)
  end
  return root
end

-- The configuration as config.load() wants it: path, options.
local function source_of(options, place)
  if type(options.config) ~= "string" then
    return "gateway.new", { doc = true, folder = place }
  elseif options.config:find("\n", 1, true) then
    return "gateway.new", { text = options.config, folder = place }
  end
  local path = options.config
  if not files.exists(path) and path:sub(1, 1) ~= "/" then path = place .. "/" .. path end
  return path, {}
end

local function lines(list)
  local out = {}
  for i, entry in ipairs(list or {}) do
    out[i] = type(entry) == "table" and config.format(entry) or tostring(entry)
  end
  return table.concat(out, "\n")
end

---@param options table  of gateway.new()
---@param place string   the folder of the spec
---@return table? made    { normal, address (of the struct gw_config), inline }
---@return string? reason
function M.make(options, place)
  local inline, paths = {}, M.plugin_paths(place)
  local path, how = source_of(options, place)
  if how.doc then
    local root = root_of(options)
    take_nested(root, inline)
    for i, folder in ipairs(root.plugin_paths or {}) do
      table.insert(paths, i, folder:sub(1, 1) == "/" and folder or place .. "/" .. folder)
    end
    how.doc = document_of(root)
  end
  local known = plugins.finder { paths = paths, bundled = core.home .. "/plugins" }
  if how.doc or how.text then
    function how.plugins(name)
      if inline[name] then return info_of(name, inline[name]) end
      return known(name)
    end
  end
  how.bundled = core.home .. "/plugins"
  local normal, errors = config.load(path, how)
  if not normal then return nil, lines(errors) end
  local address, problems = freeze.freeze(normal)
  if not address then return nil, lines(problems) end
  return { normal = normal, address = address, inline = inline }
end

-- ── who answers for whom ────────────────────────────────────────────────────────

local function at(host, port)
  if host:find("^unix:") then return host end
  host = host:lower()
  return (host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(host, port)
end

--- The names under which an address is known: { ["host:port"] = { "upstream or service", … } }.
---@param normal table
---@return table<string, string[]>
function M.names(normal)
  local names = {}
  local function add(host, port, name)
    local key = at(host, port)
    names[key] = names[key] or {}
    table.insert(names[key], name)
  end
  for _, upstream in ipairs(normal.upstreams) do
    for _, target in ipairs(upstream.targets) do
      add(target.host, target.port, upstream.name)
    end
  end
  for _, service in ipairs(normal.services) do
    if service.name then add(service.host, service.port, service.name) end
  end
  return names
end

M.shallow = shallow

return M
