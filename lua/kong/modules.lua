--- What `require` gives to plugins that were written for Kong, besides their own modules.
local M = {}

local function crypto() return require("moongate.crypto") end

-- cjson, whose functions raise errors; cjson.safe, whose functions do not.
local function cjson(safe, untrusted)
  local json = require("moongate.json")
  local made = { null = json.null, empty_array = json.array() }
  if not untrusted then made.array_mt = getmetatable(json.array()) end
  for _, name in ipairs { "decode", "encode" } do
    made[name] = function(value)
      local result, reason = json[name](value)
      if not reason then return result end -- one value: what is joined to a line must not end in nil
      if not safe then error(reason, 2) end
      return nil, reason
    end
  end
  made.new = function() return cjson(safe, untrusted) end
  for _, name in ipairs { "decode_array_with_array_mt", "encode_empty_table_as_object", "encode_number_precision" } do
    made[name] = function() end
  end
  return made
end

local states = setmetatable({}, { __mode = "k" }) -- of digests: not in the plugin's hands

-- resty.sha256 and such: new, update, final.
local function digest(name)
  return function()
    local methods = {}
    local meta = { __index = methods, __metatable = false }
    function methods:update(data)
      states[self]:update(data)
      return true
    end
    function methods:final() return states[self]:final() end
    function methods:reset()
      states[self] = crypto().digest(name)
      return true
    end
    return {
      new = function()
        local made = setmetatable({}, meta)
        states[made] = crypto().digest(name)
        return made
      end,
    }
  end
end

-- From both ends, each byte once: no text may take long.
local function trim(text)
  local first, last = text:match("^%s*()"), #text
  while last >= first and text:find("^%s", last) do
    last = last - 1
  end
  return text:sub(first, last)
end

local function split(text, by)
  local parts, from = {}, 1
  while true do
    local first, last = text:find(by, from, true)
    parts[#parts + 1] = text:sub(from, (first or 0) - 1)
    if not first or by == "" then return parts end
    from = last + 1
  end
end

local function deep_copy(value) return require("moongate.sandbox").copy(value) end

local TOOLS = {
  uuid = function()
    local uuid = require("moongate.uuid")
    return { uuid = uuid.v4, is_valid_uuid = uuid.is_valid }
  end,
  string = function()
    return {
      strip = trim,
      split = split,
      to_hex = function(bytes) return crypto().hex_encode(bytes) end,
      from_hex = function(text) return crypto().hex_decode(text) end,
      replace_dashes = function(text) return (text:gsub("-", "_")) end,
    }
  end,
  table = function()
    local function contains(list, value)
      for i = 1, list and #list or 0 do
        if list[i] == value then return true end
      end
      return false
    end
    return {
      table_contains = contains,
      cycle_aware_deep_copy = deep_copy,
      deep_copy = deep_copy,
      table_merge = require("moongate.table").merge,
      shallow_copy = function(list) return require("moongate.table").merge(list) end,
      is_array = function(list) return type(list) == "table" and (next(list) == nil or #list > 0) end,
    }
  end,
  rand = function()
    return {
      get_rand_bytes = function(count) return crypto().random(count) end,
      random_string = function() return crypto().hex_encode(crypto().random(16)) end,
    }
  end,
  sha256 = function()
    return {
      sha256_bin = function(data) return crypto().sha256(data) end,
      sha256_hex = function(data) return crypto().hex_encode(crypto().sha256(data)) end,
    }
  end,
}

local function utils()
  local all = {}
  for _, make in pairs(TOOLS) do
    for name, fn in pairs(make()) do
      all[name] = fn
    end
  end
  return all
end

local CONSTANTS = {
  HEADERS = {
    CONSUMER_ID = "X-Consumer-ID",
    CONSUMER_CUSTOM_ID = "X-Consumer-Custom-ID",
    CONSUMER_USERNAME = "X-Consumer-Username",
    CREDENTIAL_IDENTIFIER = "X-Credential-Identifier",
    ANONYMOUS = "X-Anonymous-Consumer",
    CONSUMER_GROUPS = "X-Consumer-Groups",
    AUTHENTICATED_GROUPS = "X-Authenticated-Groups",
    FORWARDED_HOST = "X-Forwarded-Host",
    FORWARDED_PATH = "X-Forwarded-Path",
    FORWARDED_PREFIX = "X-Forwarded-Prefix",
  },
}

-- BasePlugin:extend(), until Kong 2: a class whose hooks do nothing.
local function base_plugin()
  local Base = {}
  local function nothing() end
  for _, name in ipairs { "new", "init_worker", "rewrite", "access", "header_filter", "body_filter", "log" } do
    Base[name] = nothing
  end
  function Base.extend(base)
    local class = { super = base }
    class.__index = class
    return setmetatable(class, { __index = base })
  end
  return Base
end

local MODULES = {
  ["cjson"] = function(untrusted) return cjson(false, untrusted) end,
  ["cjson.safe"] = function(untrusted) return cjson(true, untrusted) end,
  ["resty.sha1"] = digest("sha1"),
  ["resty.sha256"] = digest("sha256"),
  ["resty.sha512"] = digest("sha512"),
  ["resty.md5"] = digest("md5"),
  ["resty.random"] = function()
    return { bytes = function(count) return crypto().random(count) end }
  end,
  ["resty.string"] = function()
    return { to_hex = function(bytes) return crypto().hex_encode(bytes) end }
  end,
  ["kong.meta"] = function() return require("moongate.table").merge(require("kong.meta")) end,
  ["kong.constants"] = function() return deep_copy(CONSTANTS) end,
  ["kong.plugins.base_plugin"] = base_plugin,
  ["kong.tools.utils"] = utils,
  ["kong.db.schema.typedefs"] = function(untrusted)
    return not untrusted and require("moongate.kong.typedefs") or nil
  end,
  ["resty.http"] = function() return require("kong.http").module() end,
}
for name, make in pairs(TOOLS) do
  MODULES["kong.tools." .. name] = make
end
for _, name in ipairs { "new", "clear" } do
  MODULES["table." .. name] = function() return require("moongate.table")[name] end
end

--- Needs no gateway: also there while a plugin is only looked at.
M.PURE = {
  ["kong.meta"] = true,
  ["kong.constants"] = true,
  ["kong.plugins.base_plugin"] = true,
}

---@param name any
---@return boolean
function M.has(name) return MODULES[name] ~= nil end

--- A module for one plugin: nothing of it is shared with another. Nil when there is none.
---@param name string
---@param untrusted? boolean
---@return any
function M.make(name, untrusted) return MODULES[name] and MODULES[name](untrusted) end

local HOSTED = { "^kong%.", "^resty%.", "^socket", "^pl%.", "^lua_", "^ngx%." }

--- Why a module of Kong's world is not there; nil: it is none.
---@param name any
---@return string?
function M.absent(name)
  for _, pattern in ipairs(HOSTED) do
    if type(name) == "string" and name:find(pattern) then
      return ("not in this version: require %q (docs/kong.md says what is there)"):format(name)
    end
  end
end

return M
