--- What the core calls to read a configuration: reads and checks it, freezes it into the core's structs, and says
--- everything in lines for people. Runs in Lua states of its own that are closed afterwards.
local config = require("moongate.config")
local plugins = require("moongate.config.plugins")

local M = {}

local function lines(list)
  local out = {}
  for i, entry in ipairs(list or {}) do
    out[i] = type(entry) == "table" and config.format(entry) or tostring(entry)
  end
  return out
end

-- The file and the folders whose change means a reload.
local function watched(path, home, normal)
  local out = { path }
  for _, folder in ipairs(normal.plugin_paths) do
    out[#out + 1] = folder
  end
  out[#out + 1] = home .. "/plugins"
  for _, folder in ipairs(normal.tls_files or {}) do
    out[#out + 1] = folder
  end
  return out
end

local function load(path, home)
  local normal, errors = config.load(path, { bundled = home .. "/plugins" })
  if not normal then return { errors = lines(errors), warnings = {}, watched = {} } end
  local frozen, problems = require("moongate.config.freeze").freeze(normal)
  local result = { config = frozen, errors = lines(problems), warnings = lines(normal.warnings), watched = {} }
  if frozen then result.watched = watched(path, home, normal) end
  return result, normal
end

--- Reads a configuration.
---@param path string  its file, as it was named
---@param home string  the folder that holds lua/ and plugins/
---@return { config: number?, errors: string[], warnings: string[], watched: string[] }  config: a struct's address
function M.load(path, home) return (load(path, home)) end

local function scope_text(scope)
  if scope.route and scope.service then return "on the route and its service" end
  return scope.route and "on the route" or scope.service and "on the service" or "everywhere"
end

local function hooks_text(hooks)
  local names = {}
  for _, name in ipairs(plugins.HOOKS) do
    if hooks[name] then names[#names + 1] = name end
  end
  return #names > 0 and table.concat(names, ", ") or "no hooks"
end

-- "key-auth: access (priority 1250, on the route, line 12)"
local function use_text(normal, entry)
  local own = normal.plugins[entry.use]
  local _, other = next(entry.by_consumer or {})
  local use = own or normal.plugins[other]
  local facts =
    { ("priority %d"):format(entry.priority), own and scope_text(use.scope) or "for some consumers only" }
  if own and entry.by_consumer then facts[#facts + 1] = "some consumers have a configuration of their own" end
  if type(use.when) == "string" then facts[#facts + 1] = "when " .. use.when:gsub("%s+", " ") end
  if use.kong then facts[#facts + 1] = "written for Kong" end
  if use.line then facts[#facts + 1] = ("line %d"):format(use.line) end
  return ("%s: %s (%s)"):format(entry.name, hooks_text(use.hooks or {}), table.concat(facts, ", "))
end

local function plan_lines(normal, plan)
  local out = {}
  for i, entry in ipairs(plan or {}) do
    out[i] = use_text(normal, entry)
  end
  return table.concat(out, "\n")
end

--- The same with the plugins of every request, in their order, as lines: `global` without a route, `plans` by route.
---@return table
function M.explain(path, home)
  local result, normal = load(path, home)
  if result.config then
    local plans = require("moongate.plan").build(normal)
    result.global = plan_lines(normal, plans.global)
    result.plans = {}
    for i = 1, #normal.routes do
      result.plans[i] = plan_lines(normal, plans.routes[i])
    end
  end
  return result
end

-- What stands there, when the rest of the file is wrong: asking a running gateway must work all the same.
local function admin_of_wrong_file(path)
  local files = require("moongate.config.files")
  local reader = require(path:find("%.json$") and "moongate.config.json" or "moongate.config.yaml")
  local text = files.read(path)
  local doc = text and reader.read(text, os.getenv)
  local admin = doc and type(doc.root) == "table" and doc.root.admin
  if type(admin) ~= "table" or type(admin.address) ~= "string" then return nil end
  local folder = files.absolute(files.folder(path)) or files.folder(path)
  local place = require("moongate.config.address").parse(admin.address, folder)
  return place and place.text, type(admin.token) == "string" and admin.token or nil
end

--- Where the admin listener of a configuration is, and its token; nil: at the usual place.
---@param path string
---@param home string
---@return string? address
---@return string? token
function M.admin(path, home)
  local normal = config.load(path, { bundled = home .. "/plugins" })
  if not normal then return admin_of_wrong_file(path) end
  return normal.admin.address and normal.admin.address.text, normal.admin.token
end

return M
