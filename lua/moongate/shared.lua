--- Dictionaries that all workers share and that reloads keep: values by key, with times to live, in a bounded number
--- of bytes. What was not used for the longest time leaves when a dictionary is full. A plugin declares its
--- dictionaries in `init`; a restart of the process empties them.
---
---     local seen
---
---     function M.init()
---       seen = shared.dict("seen", { size = "10m" })
---     end
---
---     function M.access(conf, ctx)
---       if not seen:add(ctx.request:get_header("x-nonce"), true, 300) then
---         return ctx.response:error(409, "seen before")
---       end
---     end
local ffi = require("ffi")
local core = require("moongate.core")
local declaring = require("moongate.declaring")

local C = require("moongate.cdef")
local script = core.script

local BOOLEAN, NUMBER = tonumber(C.GW_DICT_BOOLEAN), tonumber(C.GW_DICT_NUMBER)
local ALWAYS, IF_MISSING, IF_THERE = 0, 1, 2
local KEYS_DEFAULT, KEYS_MOST = 1024, 1000000

local REASONS = {
  "not found",
  "exists",
  "another type",
  "too large",
  "the key is empty or longer than 1024 bytes",
}

local M = {}

local got = ffi.new("struct gw_dict_got") -- for the length of one call
local keys = ffi.new("struct gw_pdk_keys")
local stats = ffi.new("struct gw_zone_stats")

---@class moongate.shared.Dict
local Dict = {}
Dict.__index = Dict

-- The dictionary; what cannot be one, or has no key, is the caller's caller's mistake.
local function enter(self, key, what)
  local dict = type(self) == "table" and self[1]
  if not dict then error(("dict:%s is a method: call it with a colon"):format(what), 3) end
  if type(key) ~= "string" then
    error(("dict:%s: the key must be a string, not %s"):format(what, key == nil and "nil" or "a " .. type(key)), 3)
  end
  return dict
end

local function seconds(ttl, what)
  if ttl == nil then return 0 end
  if type(ttl) ~= "number" or ttl ~= ttl or ttl < 0 then
    error(("dict:%s: a time to live is a number of seconds, 0 or more"):format(what), 3)
  end
  return ttl
end

local function number(value, what, name)
  if type(value) ~= "number" then error(("dict:%s: %s must be a number"):format(what, name), 3) end
  return value
end

-- What `got` holds after a call that went well.
local function take()
  local kind = got.type
  if kind == NUMBER then
    return got.number
  elseif kind == BOOLEAN then
    return got.number ~= 0
  end
  local text = ffi.string(got.ptr, got.len)
  if got.blob ~= nil then C.gw_pdk_dict_release(got) end
  return text
end

-- A tail of the functions below: their caller is its own.
local function put(dict, when, key, value, ttl, what)
  local kind, code = type(value), nil
  if kind == "string" then
    code = C.gw_pdk_dict_set_text(script, dict, when, key, #key, value, #value, ttl)
  elseif kind == "number" then
    code = C.gw_pdk_dict_set_number(script, dict, when, key, #key, NUMBER, value, ttl)
  elseif kind == "boolean" then
    code = C.gw_pdk_dict_set_number(script, dict, when, key, #key, BOOLEAN, value and 1 or 0, ttl)
  else
    error(("dict:%s: a value is a string, a number or a boolean, not %s"):format(what, kind), 2)
  end
  if code == 0 then return true end
  return nil, REASONS[code]
end

--- The value of a key.
---@phase any
---@param key string
---@return string|number|boolean? value  nil: there is none
---@return string? reason  "another type": it is a list
function Dict:get(key)
  local code = C.gw_pdk_dict_get(script, enter(self, key, "get"), key, #key, got)
  if code == 0 then return take() end
  if code == 1 then return nil end
  return nil, REASONS[code]
end

--- Puts a value, whatever was there; nil deletes.
---@phase any
---@param key string
---@param value string|number|boolean|nil
---@param ttl? number  seconds; 0 or nothing: for ever
---@return boolean? done
---@return string? reason  "too large": more than a quarter of the dictionary
function Dict:set(key, value, ttl)
  local dict = enter(self, key, "set")
  if value == nil then
    C.gw_pdk_dict_remove(script, dict, key, #key)
    return true
  end
  return put(dict, ALWAYS, key, value, seconds(ttl, "set"), "set")
end

--- Puts a value where none is: of many that try at once, one succeeds.
---@phase any
---@param key string
---@param value string|number|boolean
---@param ttl? number  seconds; 0 or nothing: for ever
---@return boolean? done
---@return string? reason  "exists"
function Dict:add(key, value, ttl)
  return put(enter(self, key, "add"), IF_MISSING, key, value, seconds(ttl, "add"), "add")
end

--- Puts a value only where one is.
---@phase any
---@param key string
---@param value string|number|boolean
---@param ttl? number  seconds; 0 or nothing: for ever
---@return boolean? done
---@return string? reason  "not found"
function Dict:replace(key, value, ttl)
  return put(enter(self, key, "replace"), IF_THERE, key, value, seconds(ttl, "replace"), "replace")
end

--- Adds to a number. Without `first` the key must be there. The time to live counts from when it is put first.
---@phase any
---@param key string
---@param by? number     1 where nothing is said; negative to take away
---@param first? number  what is added to when nothing is there
---@param ttl? number    seconds, for a number that begins here
---@return number? value  after it
---@return string? reason  "not found", "another type"
function Dict:incr(key, by, first, ttl)
  local dict = enter(self, key, "incr")
  by = by == nil and 1 or number(by, "incr", "what is added")
  local has_first = first ~= nil and 1 or 0
  first = first == nil and 0 or number(first, "incr", "the first value")
  local code = C.gw_pdk_dict_incr(script, dict, key, #key, by, has_first, first, seconds(ttl, "incr"), got)
  if code == 0 then return got.number end
  return nil, REASONS[code]
end

--- Takes a key out.
---@phase any
---@param key string
---@return boolean  whether it was there
function Dict:delete(key) return C.gw_pdk_dict_remove(script, enter(self, key, "delete"), key, #key) == 0 end

--- How long a key will be there.
---@phase any
---@param key string
---@return number? seconds  0: for ever
---@return string? reason  "not found"
function Dict:ttl(key)
  local code = C.gw_pdk_dict_ttl(script, enter(self, key, "ttl"), key, #key, got)
  if code == 0 then return got.number end
  return nil, REASONS[code]
end

--- Gives a key another time to live, from now on.
---@phase any
---@param key string
---@param ttl number  seconds; 0: for ever
---@return boolean? done
---@return string? reason  "not found"
function Dict:expire(key, ttl)
  local dict = enter(self, key, "expire")
  if ttl == nil then error("dict:expire: the time to live is missing", 2) end
  local code = C.gw_pdk_dict_expire(script, dict, key, #key, seconds(ttl, "expire"))
  if code == 0 then return true end
  return nil, REASONS[code]
end

-- A tail, too.
local function push(dict, first, key, value, what)
  local kind, code = type(value), nil
  if kind == "string" then
    code = C.gw_pdk_dict_push_text(script, dict, first, key, #key, value, #value, got)
  elseif kind == "number" then
    code = C.gw_pdk_dict_push_number(script, dict, first, key, #key, NUMBER, value, got)
  elseif kind == "boolean" then
    code = C.gw_pdk_dict_push_number(script, dict, first, key, #key, BOOLEAN, value and 1 or 0, got)
  else
    error(("dict:%s: a value is a string, a number or a boolean, not %s"):format(what, kind), 2)
  end
  if code == 0 then return got.number end
  return nil, REASONS[code]
end

local function pop(dict, first, key)
  local code = C.gw_pdk_dict_pop(script, dict, key, #key, first, got)
  if code == 0 then return take() end
  if code == 1 then return nil end
  return nil, REASONS[code]
end

--- Puts a value at the beginning of a list, which is made if there is none.
---@phase any
---@param key string
---@param value string|number|boolean
---@return integer? length  of the list after it
---@return string? reason  "another type", "too large"
function Dict:lpush(key, value) return push(enter(self, key, "lpush"), 1, key, value, "lpush") end

--- Puts a value at the end of a list, which is made if there is none.
---@phase any
---@param key string
---@param value string|number|boolean
---@return integer? length  of the list after it
---@return string? reason  "another type", "too large"
function Dict:rpush(key, value) return push(enter(self, key, "rpush"), 0, key, value, "rpush") end

--- Takes the first value off a list.
---@phase any
---@param key string
---@return string|number|boolean? value  nil: there is none
---@return string? reason  "another type"
function Dict:lpop(key) return pop(enter(self, key, "lpop"), 1, key) end

--- Takes the last value off a list.
---@phase any
---@param key string
---@return string|number|boolean? value  nil: there is none
---@return string? reason  "another type"
function Dict:rpop(key) return pop(enter(self, key, "rpop"), 0, key) end

--- How long a list is.
---@phase any
---@param key string
---@return integer? length  0: there is none
---@return string? reason  "another type"
function Dict:llen(key)
  local code = C.gw_pdk_dict_length(script, enter(self, key, "llen"), key, #key, got)
  if code == 0 or code == 1 then return got.number end
  return nil, REASONS[code]
end

--- Some of the keys, in no order. For people and for cleaning up, not for every request: it looks at everything.
---@phase any
---@param most? integer  1024 where nothing is said
---@return string[]
function Dict:keys(most)
  local dict = enter(self, "", "keys")
  most = most == nil and KEYS_DEFAULT or number(most, "keys", "the number of keys")
  if not (most >= 0 and most <= KEYS_MOST) then
    error(("dict:keys: 0 to %d keys can be listed"):format(KEYS_MOST), 2)
  end
  C.gw_pdk_dict_keys(script, dict, most, keys)
  local list, at = {}, ffi.cast("const char *", keys.data)
  for i = 1, tonumber(keys.count) do
    local len = ffi.cast("const uint32_t *", at)[0]
    list[i] = ffi.string(at + 4, len)
    at = at + 4 + len
  end
  C.gw_pdk_keys_free(keys)
  return list
end

--- Takes everything out.
---@phase any
function Dict:flush() C.gw_pdk_dict_flush(enter(self, "", "flush")) end

--- How full it is.
---@phase any
---@return { bytes: integer, size: integer, entries: integer, evicted: integer }  evicted: left before their time
function Dict:stats()
  C.gw_pdk_dict_stats(enter(self, "", "stats"), stats)
  return {
    bytes = tonumber(stats.bytes),
    size = tonumber(stats.max_bytes),
    entries = tonumber(stats.entries),
    evicted = tonumber(stats.evicted),
  }
end

-- Of this worker: { [zone's name] = { dict, bytes } }.
local declared = {}

--- Declares a dictionary of this plugin; other plugins do not see it. In `init` only. The configuration may give it
--- another size under the top-level key `zones`.
---@phase init
---@param name string  letters, digits and _
---@param options { size: string|integer }  "10m"; at least 64k
---@return moongate.shared.Dict
function M.dict(name, options)
  local what = "shared.dict"
  local plugin = declaring.plugin(what)
  declaring.name(name, what, "^[%w_]+$", 64)
  options = declaring.options(options, { size = true }, what)
  local zone = ("%s/%s"):format(plugin, name)
  if options.size == nil then error(('%s: say how large %q may get: { size = "10m" }'):format(what, name), 2) end
  local bytes = declaring.size(options.size, what)
  local known = declared[zone]
  if known and known.bytes ~= bytes then
    error(("%s: %q is declared with another size already"):format(what, name), 2)
  elseif known then
    return known.dict
  end
  local other_kind = ffi.new("const char *[1]")
  local configured = core.zones[zone]
  core.declared_zones[zone] = true
  local dict = C.gw_pdk_dict(script, zone, #zone, configured and configured.size or bytes, other_kind)
  if dict == nil then error(("%s: %q: %s"):format(what, name, declaring.no_zone(other_kind)), 2) end
  declared[zone] = { dict = declaring.keep(setmetatable({ dict }, Dict)), bytes = bytes }
  return declared[zone].dict
end

return M
