---@meta moongate.shared
-- Written by ./dev docs from the sources. Do not change it here.

---Dictionaries that all workers share and that reloads keep: values by key, with times to live, in a bounded number
---of bytes. What was not used for the longest time leaves when a dictionary is full. A plugin declares its
---dictionaries in `init`; a restart of the process empties them.
---
---    local seen
---
---    function M.init()
---      seen = shared.dict("seen", { size = "10m" })
---    end
---
---    function M.access(conf, ctx)
---      if not seen:add(ctx.request:get_header("x-nonce"), true, 300) then
---        return ctx.response:error(409, "seen before")
---      end
---    end
---@class moongate.shared
local M = {}

---@class moongate.shared.Dict
local Dict = {}

---The value of a key.
---
---In every hook.
---@param key string
---@return string|number|boolean? value # nil: there is none
---@return string? reason # "another type": it is a list
function Dict:get(key) end

---Puts a value, whatever was there; nil deletes.
---
---In every hook.
---@param key string
---@param value string|number|boolean|nil
---@param ttl? number # seconds; 0 or nothing: for ever
---@return boolean? done
---@return string? reason # "too large": more than a quarter of the dictionary
function Dict:set(key, value, ttl) end

---Puts a value where none is: of many that try at once, one succeeds.
---
---In every hook.
---@param key string
---@param value string|number|boolean
---@param ttl? number # seconds; 0 or nothing: for ever
---@return boolean? done
---@return string? reason # "exists"
function Dict:add(key, value, ttl) end

---Puts a value only where one is.
---
---In every hook.
---@param key string
---@param value string|number|boolean
---@param ttl? number # seconds; 0 or nothing: for ever
---@return boolean? done
---@return string? reason # "not found"
function Dict:replace(key, value, ttl) end

---Adds to a number. Without `first` the key must be there. The time to live counts from when it is put first.
---
---In every hook.
---@param key string
---@param by? number # 1 where nothing is said; negative to take away
---@param first? number # what is added to when nothing is there
---@param ttl? number # seconds, for a number that begins here
---@return number? value # after it
---@return string? reason # "not found", "another type"
function Dict:incr(key, by, first, ttl) end

---Takes a key out.
---
---In every hook.
---@param key string
---@return boolean _ # whether it was there
function Dict:delete(key) end

---How long a key will be there.
---
---In every hook.
---@param key string
---@return number? seconds # 0: for ever
---@return string? reason # "not found"
function Dict:ttl(key) end

---Gives a key another time to live, from now on.
---
---In every hook.
---@param key string
---@param ttl number # seconds; 0: for ever
---@return boolean? done
---@return string? reason # "not found"
function Dict:expire(key, ttl) end

---Puts a value at the beginning of a list, which is made if there is none.
---
---In every hook.
---@param key string
---@param value string|number|boolean
---@return integer? length # of the list after it
---@return string? reason # "another type", "too large"
function Dict:lpush(key, value) end

---Puts a value at the end of a list, which is made if there is none.
---
---In every hook.
---@param key string
---@param value string|number|boolean
---@return integer? length # of the list after it
---@return string? reason # "another type", "too large"
function Dict:rpush(key, value) end

---Takes the first value off a list.
---
---In every hook.
---@param key string
---@return string|number|boolean? value # nil: there is none
---@return string? reason # "another type"
function Dict:lpop(key) end

---Takes the last value off a list.
---
---In every hook.
---@param key string
---@return string|number|boolean? value # nil: there is none
---@return string? reason # "another type"
function Dict:rpop(key) end

---How long a list is.
---
---In every hook.
---@param key string
---@return integer? length # 0: there is none
---@return string? reason # "another type"
function Dict:llen(key) end

---Some of the keys, in no order. For people and for cleaning up, not for every request: it looks at everything.
---
---In every hook.
---@param most? integer # 1024 where nothing is said
---@return string[]
function Dict:keys(most) end

---Takes everything out.
---
---In every hook.
function Dict:flush() end

---How full it is.
---
---In every hook.
---@return { bytes: integer, size: integer, entries: integer, evicted: integer } _ # evicted: left before their time
function Dict:stats() end

---Declares a dictionary of this plugin; other plugins do not see it. In `init` only. The configuration may give it
---another size under the top-level key `zones`.
---
---In init.
---@param name string # letters, digits and _
---@param options { size: string|integer } # "10m"; at least 64k
---@return moongate.shared.Dict
function M.dict(name, options) end

return M
