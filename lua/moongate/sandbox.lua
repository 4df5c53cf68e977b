--- What code that is not trusted (`trusted: false`) sees of Lua: an environment without ffi, jit, debug, io, os beyond
--- the time, bytecode, other functions' environments, and without any table that somebody else uses, too. Its functions
--- are never compiled, so that its budget always holds; string functions count their steps and bytes, because nothing
--- interrupts C.
local jit = require("jit")

local M = {}

local getmetatable, setmetatable, type, error, load, loadfile =
  getmetatable, setmetatable, type, error, load, loadfile
local select, tostring, concat = select, tostring, table.concat

--- Bytes of source that load() takes.
local SOURCE_MAX = 1024 * 1024

local PLAIN = {
  "assert",
  "error",
  "ipairs",
  "next",
  "pairs",
  "pcall",
  "rawequal",
  "rawget",
  "rawlen",
  "rawset",
  "select",
  "tonumber",
  "tostring",
  "type",
  "unpack",
  "xpcall",
  "_VERSION",
}

local LIBRARIES = {
  string = {
    "byte",
    "char",
    "find",
    "format",
    "gmatch",
    "gsub",
    "len",
    "lower",
    "match",
    "rep",
    "reverse",
    "sub",
    "upper",
  },
  table = { "concat", "getn", "insert", "maxn", "pack", "remove", "sort", "unpack" },
  math = {
    "abs",
    "acos",
    "asin",
    "atan",
    "atan2",
    "ceil",
    "cos",
    "cosh",
    "deg",
    "exp",
    "floor",
    "fmod",
    "frexp",
    "huge",
    "ldexp",
    "log",
    "log10",
    "max",
    "min",
    "modf",
    "pi",
    "pow",
    "rad",
    "random",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
  },
  bit = {
    "arshift",
    "band",
    "bnot",
    "bor",
    "bswap",
    "bxor",
    "lshift",
    "rol",
    "ror",
    "rshift",
    "tobit",
    "tohex",
  },
  coroutine = { "create", "isyieldable", "resume", "status", "wrap", "yield" },
  os = { "clock", "date", "difftime", "time" },
}

-- --- metatables: those that such code has set, and no other

local own = setmetatable({}, { __mode = "k" })

local function sandbox_getmetatable(value)
  if type(value) ~= "table" then return nil end
  local meta = getmetatable(value)
  return own[meta or own] and meta or nil
end

local function sandbox_setmetatable(value, meta)
  if type(value) ~= "table" then
    error(("bad argument #1 to 'setmetatable' (table expected, got %s)"):format(type(value)), 2)
  elseif meta ~= nil and type(meta) ~= "table" then
    error("bad argument #2 to 'setmetatable' (nil or table expected)", 2)
  end
  local before = getmetatable(value)
  if before ~= nil and not own[before] then error("cannot change a protected metatable", 2) end
  if meta then own[meta] = true end
  return setmetatable(value, meta)
end

-- --- code

-- Not compiled, nor are the functions in it.
local function interpreted(chunk, reason)
  if chunk then jit.off(chunk, true) end
  return chunk, reason
end

-- What load() is given: a text, or a function that gives one bit by bit.
local function source_of(source)
  if type(source) ~= "function" then return source end
  local pieces, bytes = {}, 0
  while true do
    local piece = source()
    if piece == nil or piece == "" then return concat(pieces) end
    if type(piece) ~= "string" then return nil, "reader function must return a string" end
    pieces[#pieces + 1], bytes = piece, bytes + #piece
    if bytes > SOURCE_MAX then return nil, "the source is too long" end
  end
end

local function loader(env)
  return function(source, name, mode, own_env)
    local text, reason = source_of(source)
    if type(text) ~= "string" then return nil, reason or "load: the source must be a string or a function" end
    if #text > SOURCE_MAX then return nil, "the source is too long" end
    if mode ~= nil and not tostring(mode):find("t", 1, true) then return nil, "bytecode is not taken" end
    if type(own_env) ~= "table" then own_env = env end
    return interpreted(load(text, type(name) == "string" and name or text, "t", own_env))
  end
end

--- Reads a file as such code.
---@param path string
---@return function?
---@return string? reason
function M.loadfile(path) return interpreted(loadfile(path, "t")) end

-- --- the environment

-- Sorting without a function of Lua's would be C alone, and there are lists that take it for ever.
local function before(a, b) return a < b end
interpreted(before)

local function sandbox_sort(list, less) return table.sort(list, less == nil and before or less) end

-- A place far outside of the list would keep C moving nothing about.
local function sandbox_insert(list, ...)
  if select("#", ...) ~= 2 then return table.insert(list, ...) end
  local place = ...
  if type(list) == "table" and type(place) == "number" and (place < 1 or place > #list + 1) then
    error("bad argument #2 to 'insert' (position out of bounds)", 2)
  end
  return table.insert(list, ...)
end

-- Only such code's own coroutines are in anybody's hands: the one that a hook runs in is the core's.
local function coroutines(library)
  local mine = setmetatable({}, { __mode = "k" })
  local create, wrap, running = library.create, library.wrap, coroutine.running
  function library.create(fn)
    local co = create(fn)
    mine[co] = true
    return co
  end
  function library.wrap(fn)
    if type(fn) ~= "function" then return wrap(fn) end
    return wrap(function(...)
      local co = running()
      if co then mine[co] = true end
      return fn(...)
    end)
  end
  function library.running()
    local co = running()
    return mine[co or mine] and co or nil
  end
end

local function library_of(name, names)
  local from, library = name == "bit" and require("bit") or _G[name], {}
  for _, key in ipairs(names) do
    library[key] = from[key]
  end
  return library
end

--- A new environment, without `require`.
---@param capped? table<string, function>  find, match, gmatch, gsub and rep that count their steps
---@return table
function M.environment(capped)
  local env = {}
  for _, name in ipairs(PLAIN) do
    env[name] = _G[name]
  end
  for name, names in pairs(LIBRARIES) do
    env[name] = library_of(name, names)
  end
  for name, fn in pairs(capped or {}) do
    env.string[name] = fn
  end
  env.table.sort, env.table.insert = sandbox_sort, sandbox_insert
  coroutines(env.coroutine)
  env.getmetatable, env.setmetatable = sandbox_getmetatable, sandbox_setmetatable
  env.load = loader(env)
  env.loadstring = function(text, name)
    if type(text) ~= "string" then return nil, "loadstring: the source must be a string" end
    return env.load(text, name)
  end
  env._G = env
  return env
end

--- A copy that shares no table with what it was made of.
function M.copy(value, seen)
  if type(value) ~= "table" then return value end
  seen = seen or {}
  if seen[value] then return seen[value] end
  local copied = {}
  seen[value] = copied
  for key, inner in next, value do
    copied[key] = M.copy(inner, seen)
  end
  return copied
end

--- The functions of a module, in a table of the plugin's own.
---@param module table
---@return table
function M.functions_of(module)
  local copied = {}
  for key, value in next, module do
    if type(value) ~= "table" then copied[key] = value end
  end
  return copied
end

return M
