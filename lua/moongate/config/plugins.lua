--- Finds plugins: a folder with handler.lua and schema.lua in one of `plugin_paths`, else among the bundled ones.
--- Reads what the configuration needs to know about them: their schema, priority, hooks and whether they authenticate.
local C = require("moongate.cdef")
local adapt = require("kong.adapt")
local files = require("moongate.config.files")
local later = require("moongate.config.later")
local kong_schema = require("moongate.kong.schema")
local sandbox = require("moongate.sandbox")
local schema = require("moongate.schema")
local words = require("moongate.schema.words")

local M = {}

M.HOOKS = { "init", "rewrite", "access", "request_body", "response", "body", "log", "event" }

local FIELDS = { "version", "priority", "authenticates", "trusted" }

-- What people who come from Kong write, and what it is called here.
local KONG_NAMES = {
  PRIORITY = "priority",
  VERSION = "version",
  header_filter = "response",
  body_filter = "body",
  init_worker = "init",
  configure = "init",
}

local PARAMETERS = { init = "configs", request_body = "conf, ctx, chunk, last", body = "conf, ctx, chunk, last" }

local IS_HOOK = {}
for _, name in ipairs(M.HOOKS) do
  IS_HOOK[name] = true
end

local function known_names()
  local names = {}
  for _, list in ipairs { M.HOOKS, FIELDS } do
    for _, name in ipairs(list) do
      names[#names + 1] = name
    end
  end
  return names
end

-- The folder of a plugin, and whether it is a bundled one.
local function find(paths, name)
  for i, path in ipairs(paths) do
    local folder = path .. "/" .. name
    if files.is_folder(folder) then return folder, i == #paths end
  end
end

local function every_name(paths)
  local seen = {}
  for _, path in ipairs(paths) do
    for _, name in ipairs(files.list(path) or {}) do
      if files.is_folder(path .. "/" .. name) then seen[name] = true end
    end
  end
  return words.keys(seen)
end

-- A plugin's own modules are `require("<plugin>.<module>")`; they are loaded once per finder and seen by it alone.
local function private_require(folder, name, environment, loaded, other, open)
  return function(module)
    local own = type(module) == "string" and module:gsub("^kong%.plugins%.", "") -- as Kong's plugins say it
    local rest = own and own:sub(1, #name + 1) == name .. "." and own:sub(#name + 2)
    if not rest then return other(module) end
    if loaded[own] == nil then
      local path = folder .. "/" .. rest:gsub("%.", "/")
      local file = files.exists(path .. ".lua") and path .. ".lua" or path .. "/init.lua"
      if not files.exists(file) then error(("module '%s' not found (no %s.lua)"):format(module, path), 2) end
      local chunk, reason = open(file)
      if not chunk then error(reason, 0) end -- it names the file and the line
      local result = setfenv(chunk, environment)(module)
      loaded[own] = result == nil and true or result
    end
    return loaded[own]
  end
end

-- Stands for the functions of the PDK while a handler is only looked at: there is no gateway behind them yet. Whatever
-- is done with it gives it back.
local absent = {}
do
  local function itself() return absent end
  local meta = { __newindex = function() end, __tostring = function() return "(nothing yet)" end }
  for _, event in ipairs { "index", "call", "add", "sub", "mul", "div", "mod", "pow", "unm", "concat" } do
    meta["__" .. event] = itself
  end
  setmetatable(absent, meta)
end

-- What schemas are written with: it needs no gateway.
local function is_there(module)
  return module:find("^moongate%.schema")
    or module:find("^moongate%.functions")
    or module == "moongate.regex"
    or module == "moongate.when"
    or module == "moongate.limit.keys"
end

local function modules_of_moongate()
  local names = {}
  for _, file in ipairs(files.list(files.folder(package.searchpath("moongate.schema", package.path))) or {}) do
    names[#names + 1] = file:match("^(.+)%.lua$")
  end
  return names
end

local function look_only(module)
  if module == "kong.db.schema.typedefs" then return require("moongate.kong.typedefs") end
  local own = type(module) == "string" and module:match("^moongate%.(.+)")
  if not own or is_there(module) then return require(module) end
  if package.preload[module] or package.loaded[module] or package.searchpath(module, package.path) then
    return absent
  end
  local meant = words.suggest(own, modules_of_moongate())
  error(
    ("module '%s' not found%s"):format(module, meant and (" (did you mean 'moongate.%s'?)"):format(meant) or ""),
    2
  )
end

--- Runs a file of a plugin and returns what it returns.
---@param path string
---@param folder string
---@param name string
---@param loaded table
---@param other? fun(module: string): any  `require` for everything that is not the plugin's own
---@param box? table  the environment, of code that is not trusted (moongate.sandbox)
---@param globals? table  of plugins that were written for Kong (kong.layer): what they see besides
---@return boolean ok
---@return any result  or the error
function M.run_file(path, folder, name, loaded, other, box, globals)
  local open = box and sandbox.loadfile or loadfile
  local chunk, reason = open(path)
  if not chunk then return false, reason end
  local environment = box or setmetatable({}, { __index = _G })
  environment._G = environment
  for key, value in pairs(globals or {}) do
    environment[key] = value
  end
  environment.require = private_require(folder, name, environment, loaded, other or require, open)
  C.gw_pdk_loading(name, path:match("[^/]*$")) -- who is named when it does not come to its end
  local ok, result = pcall(setfenv(chunk, environment))
  C.gw_pdk_loading(nil, nil)
  return ok, result
end

local function function_problem(key)
  if type(key) ~= "string" or IS_HOOK[key] or key:sub(1, 1) == "_" then
    return nil
  elseif KONG_NAMES[key] then
    return ("%s is %s here"):format(key, KONG_NAMES[key])
  end
  return ("%s is no hook%s; helpers are local functions"):format(
    words.quote(key),
    words.did_you_mean(key, M.HOOKS)
  )
end

local function field_problem(key)
  if type(key) ~= "string" or key:sub(1, 1) == "_" then
    return nil
  elseif KONG_NAMES[key] then
    return ("%s is written %s here"):format(key, KONG_NAMES[key])
  end
  for _, name in ipairs(known_names()) do
    if key == name then return nil end
  end
  local meant = words.suggest(key, known_names())
  return meant and ("%s means nothing (did you mean %s?)"):format(words.quote(key), words.quote(meant)) or nil
end

-- `function M:access(conf, ctx)` would get conf as self and ctx as conf.
local function colon_problem(key, hook)
  if debug.getlocal(hook, 1) ~= "self" then return nil end
  return ("%s is written with a colon, hooks have a dot: function M.%s(%s)"):format(
    key,
    key,
    PARAMETERS[key] or "conf, ctx"
  )
end

--- What is wrong with a handler, or nil.
---@param handler any
---@return string?
function M.handler_problem(handler)
  if adapt.is_kong(handler) then return adapt.problem(handler) end
  if handler == nil then
    return "must return a table of hooks, returned nothing (its last line is: return M)"
  elseif type(handler) ~= "table" then
    return ("must return a table of hooks, returned %s"):format(words.value(handler))
  end
  for _, key in ipairs(words.keys(handler)) do
    local problem = type(handler[key]) == "function" and function_problem(key)
      or type(handler[key]) ~= "function" and field_problem(key)
    if problem then return problem end
    if IS_HOOK[key] and type(handler[key]) ~= "function" then
      return ("%s must be a function, got %s"):format(key, words.value(handler[key]))
    end
    local colon = IS_HOOK[key] and colon_problem(key, handler[key])
    if colon then return colon end
  end
  local priority = handler.priority
  if priority ~= nil and (type(priority) ~= "number" or priority % 1 ~= 0 or math.abs(priority) > 2 ^ 31) then
    return ("priority must be a whole number, got %s"):format(words.value(priority))
  elseif handler.version ~= nil and not tostring(handler.version):find("^%d+%.%d+%.%d+$") then
    return ('version must be of the form "1.0.0", got %s'):format(words.value(handler.version))
  elseif handler.authenticates ~= nil and type(handler.authenticates) ~= "boolean" then
    return ("authenticates must be true or false, got %s"):format(words.value(handler.authenticates))
  elseif handler.trusted ~= nil and type(handler.trusted) ~= "boolean" then
    return ("trusted must be true or false, got %s"):format(words.value(handler.trusted))
  end
end

-- The same for code that is not trusted.
local function look_from_sandbox(module)
  if type(module) ~= "string" or not module:find("^moongate%.") and module ~= "kong.db.schema.typedefs" then
    error(("require: a plugin that is not trusted has no %q"):format(tostring(module)), 2)
  end
  local found, own = look_only(module), {}
  if found == absent then return absent end
  for key, value in pairs(found) do
    own[key] = value
  end
  return own
end

local kong_modules = require("kong.modules")

-- The same for plugins that were written for Kong.
local function look_from_kong(other)
  return function(module)
    if module == "kong.db.schema.typedefs" then return other(module) end
    if kong_modules.has(module) then return kong_modules.PURE[module] and kong_modules.make(module) or absent end
    local reason = kong_modules.absent(module)
    if reason then error(reason, 0) end
    return other(module)
  end
end

local function is_for_kong(folder)
  local text = files.read(folder .. "/handler.lua")
  return text ~= nil and adapt.may_be(text)
end

-- Lua shortens long paths in its messages ("...plugins/say/handler.lua:1: …"): the folder is known, and is put back.
local function whole(reason, folder)
  local tail = reason:match("^%.%.%.([^:]+):%d+: ")
  if not tail then return reason end
  for at = 1, #folder do
    if tail:find(folder:sub(at) .. "/", 1, true) == 1 then return folder:sub(1, at - 1) .. reason:sub(4) end
  end
  return reason
end

local function load(name, folder, trusted)
  local loaded = {}
  local for_kong = is_for_kong(folder)
  local function run(file)
    local other, box = look_only, nil
    if not trusted then
      other, box = look_from_sandbox, sandbox.environment()
    end
    local globals
    if for_kong then
      other, globals = look_from_kong(other), { kong = absent, ngx = absent }
    end
    local ok, result = M.run_file(folder .. "/" .. file, folder, name, loaded, other, box, globals)
    -- A module that is not found comes with every place that was tried; the first line says enough.
    local reason = tostring(result):gsub(":?\n\t[^\n]*", ""):gsub("^moongate%.schema: ", "")
    reason = whole(reason, folder)
    local names_file = reason:find(folder, 1, true) == 1
    return ok and result or nil, not ok and (names_file and reason or ("%s: %s"):format(file, reason)) or nil
  end
  for _, file in ipairs { "handler.lua", "schema.lua" } do
    if not files.exists(folder .. "/" .. file) then
      return nil, ("the plugin %s has no %s (in %s)"):format(words.quote(name), file, folder)
    end
  end
  local kind, schema_error = run("schema.lua")
  if kong_schema.is_kong(kind) then
    local ok, result = pcall(kong_schema.convert, kind)
    kind, schema_error = ok and result or nil, not ok and "schema.lua: " .. tostring(result) or nil
  end
  if schema_error or not schema.is_type(kind) or kind.kind ~= "record" then
    return nil,
      ("the plugin %s cannot be loaded: %s"):format(
        words.quote(name),
        schema_error or "schema.lua must return t.record { … }"
      )
  end
  local handler, handler_error = run("handler.lua")
  local problem = not handler_error and M.handler_problem(handler)
  if handler_error or problem then
    return nil,
      ("the plugin %s cannot be loaded: %s"):format(words.quote(name), handler_error or "handler.lua: " .. problem)
  end
  local is_kong = adapt.is_kong(handler)
  if is_kong then handler = adapt.adapt(handler) end
  local credentials, credentials_error
  if files.exists(folder .. "/credentials.lua") then
    credentials, credentials_error = run("credentials.lua")
    if credentials_error or not schema.is_type(credentials) or credentials.kind ~= "record" then
      return nil,
        ("the plugin %s cannot be loaded: %s"):format(
          words.quote(name),
          credentials_error or "credentials.lua must return t.record { … }"
        )
    end
  end
  local hooks = {}
  for _, hook in ipairs(M.HOOKS) do
    hooks[hook] = handler[hook] ~= nil or nil
  end
  return {
    name = name,
    path = folder,
    schema = kind,
    credentials = credentials,
    priority = handler.priority,
    version = handler.version,
    hooks = hooks,
    authenticates = handler.authenticates == true,
    trusted = handler.trusted ~= false,
    kong = is_kong or nil,
  }
end

--- A function that knows plugins by name, for `moongate.config.load`. It answers each name once.
---@param opts { paths: string[], bundled: string }  folders; `bundled` is looked at last
---@return fun(name: string, trusted?: boolean): table?, string?  `trusted` false: run nothing of it out of the sandbox
function M.finder(opts)
  local paths, answers_of = {}, { [true] = {}, [false] = {} }
  for i, path in ipairs(opts.paths) do
    paths[i] = files.absolute(path) or path
  end
  paths[#paths + 1] = files.absolute(opts.bundled) or opts.bundled
  return function(name, trusted)
    local answers = answers_of[trusted ~= false]
    if not answers[name] then
      local folder, bundled = find(paths, name)
      local info, reason
      if folder then
        info, reason = load(name, folder, trusted ~= false)
      else
        reason = later.plugin_reason(
          name,
          ("no plugin named %s%s"):format(words.quote(name), words.did_you_mean(name, every_name(paths)))
        )
      end
      if info then info.bundled = bundled end
      answers[name] = { info, reason }
    end
    return answers[name][1], answers[name][2]
  end
end

return M
