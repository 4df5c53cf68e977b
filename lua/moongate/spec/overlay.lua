--- Modules of one generation inside the state of the specs: each generation has its own `require`, `package.loaded`,
--- `coroutine` and `os`, so that several gateways, and reloads of one, live side by side and a plugin's module is never
--- shared between them. What is found as a Lua file is loaded anew, everything else is the state's own.
local core = require("moongate.spec.core")

local M = {}

-- What must be the state's own: declarations of the FFI, and whatever belongs to the specs.
local SHARED = { "^moongate%.cdef$", "^moongate%.spec%f[%z%.]", "^luassert%f[%z%.]", "^busted%f[%z%.]", "^say$" }

local function is_shared(name)
  for _, pattern in ipairs(SHARED) do
    if name:find(pattern) then return true end
  end
  return false
end

core.kept.chunks = core.kept.chunks or {}
local chunks = core.kept.chunks -- our own files do not change while specs run: parsed once

local function chunk_of(path)
  if path:sub(1, #core.home + 5) ~= core.home .. "/lua/" then return assert(loadfile(path)) end
  local bytes = chunks[path]
  if not bytes then
    bytes = string.dump(assert(loadfile(path)))
    chunks[path] = bytes
  end
  return assert(loadstring(bytes))
end

local function copy(library)
  local result = {}
  for name, value in pairs(library) do
    result[name] = value
  end
  return result
end

-- `os` whose time is the gateway's.
local function clocked_os(now)
  local result = copy(os)
  function result.time(date)
    if date then return os.time(date) end
    return math.floor((now()))
  end
  function result.date(format, time) return os.date(format, time or math.floor((now()))) end
  return result
end

--- An environment for the modules of one generation.
---@param now fun(): number  wall time
---@return table environment
function M.new(now)
  local loaded = {}
  local environment = setmetatable({}, { __index = _G })
  environment._G = environment
  environment.package = setmetatable(
    { path = package.path, cpath = package.cpath, loaded = loaded },
    { __index = package }
  )
  environment.coroutine = copy(coroutine)
  environment.os = clocked_os(now)

  function environment.require(name)
    if loaded[name] ~= nil then return loaded[name] end
    local path = not is_shared(name) and package.searchpath(name, environment.package.path)
    if not path then return require(name) end
    local result = setfenv(chunk_of(path), environment)(name)
    if loaded[name] == nil then loaded[name] = result == nil and true or result end
    return loaded[name]
  end

  return environment
end

--- Runs a file in the environment.
---@param path string
---@param environment table
---@return any
function M.run(path, environment, ...) return setfenv(chunk_of(path), environment)(...) end

return M
