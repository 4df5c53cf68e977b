--- Redis for plugins: any command, several at once, transactions and scripts, without blocking anybody. All commands of
--- a worker share a few connections (pipelining), which are made again by themselves when they break.
---
---     local redis = require("moongate.redis")
---     local cache
---
---     function M.init()
---       cache = redis.connect("cache") -- the name of a connection of the top-level `redis`
---     end
---
---     function M.access(conf, ctx)
---       local seen, reason = cache:get("seen:" .. ctx.client:get_ip())
---       if reason then ctx.log:warn("redis: ", reason) end
---       if not seen then cache:set("seen:" .. ctx.client:get_ip(), 1, "EX", 60) end
---     end
---
--- Every command is a method: `cache:hset(key, field, value)`, `cache:call("HSET", key, field, value)`. It waits as
--- `ctx:sleep` does and returns what Redis answered: strings, numbers, lists, nil for null; or nil and why not, which
--- is Redis' own text ("WRONGTYPE …") or one of `redis.REASONS`. Inside of lists null is `redis.null`, and an error is
--- `{ error = "…" }`. Commands that a shared connection cannot have (SUBSCRIBE, BLPOP, WATCH, SELECT …) are misuse.
---
--- A command is sent once: when the connection breaks before its reply nobody knows whether Redis ran it, and that is
--- what you are told. For plugins that are trusted.
local core = require("moongate.core")
local crypto = require("moongate.crypto")
local json = require("moongate.json")

local ffi = require("ffi")
local C = require("moongate.cdef")
local wait, take = core.redis_wait, core.redis_take

local M = { null = json.null }

local ANSWERED = 0

-- By enum gw_redis_end.
local reasons = {}
for code = 1, 10 do
  reasons[code] = ffi.string(C.gw_pdk_redis_reason(code))
end

--- Why a command has no answer, beside what Redis says.
---@type string[]
M.REASONS = reasons

-- What changes the connection for everybody on it, or keeps it.
local UNFIT = {}
for name in
  ([[AUTH HELLO SELECT QUIT RESET MONITOR SYNC PSYNC REPLCONF WATCH UNWATCH MULTI EXEC DISCARD SUBSCRIBE PSUBSCRIBE
  SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE BLPOP BRPOP BRPOPLPUSH BLMOVE BLMPOP BZPOPMIN BZPOPMAX BZMPOP WAIT
  WAITAOF SHUTDOWN ASKING READONLY READWRITE FAILOVER]]):gmatch("%S+")
do
  UNFIT[name] = true
end

local known_fit = {} -- names as they were written

local function has_block(...)
  for i = 1, select("#", ...) do
    local part = select(i, ...)
    if type(part) == "string" and part:upper() == "BLOCK" then return true end
  end
  return false
end

-- Misuse is that of who called the method.
local function check_name(name, ...)
  if type(name) ~= "string" then error("redis: the name of a command is a string", 4) end
  local upper, second = name:upper(), (...)
  local unfit = UNFIT[upper]
  if upper == "CLIENT" then
    unfit = type(second) == "string" and second:upper() == "REPLY"
  elseif upper == "XREAD" or upper == "XREADGROUP" then
    unfit = has_block(...)
  elseif not unfit then
    known_fit[name] = true
  end
  if unfit then error(("redis: %s cannot be used on a connection that others share"):format(upper), 4) end
end

---@class moongate.redis.Redis
local Redis = {}

local function send(self, name, ...)
  if not known_fit[name] then check_name(name, ...) end
  local code = wait(self.server, self.timeout, true, name, ...)
  if code ~= ANSWERED then return nil, reasons[code] end
  return take()
end

--- Any command.
---@phase rewrite, access, response, tasks
---@param name string  "GET"
---@param ... string|number
---@return any reply   nil: null, or there is none
---@return string? reason
function Redis:call(name, ...) return send(self, name, ...) end

-- Each command of a list is checked before any is sent.
local function check_list(commands, what)
  if type(commands) ~= "table" or #commands == 0 then
    error(('redis:%s: give it a list of commands: { { "GET", key }, … }'):format(what), 3)
  end
  for _, command in ipairs(commands) do
    if type(command) ~= "table" then error(("redis:%s: each command is a list"):format(what), 3) end
    if not known_fit[command[1]] then check_name(unpack(command)) end
  end
end

--- Several commands in one go. Others' commands may run in between.
---@phase rewrite, access, response, tasks
---@param commands table[]  { { "GET", "a" }, { "INCR", "b" } }
---@return table? replies   one for each; null is `redis.null`, an error `{ error = "…" }`
---@return string? reason
function Redis:pipeline(commands)
  check_list(commands, "pipeline")
  local code = wait(self.server, self.timeout, true, commands)
  if code ~= ANSWERED then return nil, reasons[code] end
  return take(true)
end

--- Several commands, between which nothing else runs (MULTI, EXEC).
---@phase rewrite, access, response, tasks
---@param commands table[]
---@return table? replies  as of `pipeline`
---@return string? reason  Redis' own, too: then none of them ran
function Redis:transaction(commands)
  check_list(commands, "transaction")
  local all = { { "MULTI" } }
  for i, command in ipairs(commands) do
    all[i + 1] = command
  end
  all[#all + 1] = { "EXEC" }
  local code = wait(self.server, self.timeout, true, all)
  if code ~= ANSWERED then return nil, reasons[code] end
  local replies = take(true)
  local last = replies[#replies]
  if type(last) == "table" and last.error then
    for i = 2, #replies - 1 do
      if type(replies[i]) == "table" and replies[i].error then return nil, replies[i].error end
    end
    return nil, last.error
  end
  return last
end

local function with_arguments(keys, ...)
  local all, count = {}, #keys
  for i = 1, count do
    all[i] = keys[i]
  end
  for i = 1, select("#", ...) do
    all[count + i] = (select(i, ...))
  end
  return all, count, count + select("#", ...)
end

--- Runs a script: by its hash, and with its text where Redis does not know it yet.
---@phase rewrite, access, response, tasks
---@param script moongate.redis.Script  from `redis.script`
---@param keys string[]
---@param ... string|number  its ARGV
---@return any reply
---@return string? reason
function Redis:run(script, keys, ...)
  local all, count, last = with_arguments(keys, ...)
  local reply, reason = send(self, "EVALSHA", script.sha, count, unpack(all, 1, last))
  if reason and reason:sub(1, 8) == "NOSCRIPT" then
    return send(self, "EVAL", script.text, count, unpack(all, 1, last))
  end
  return reply, reason
end

--- Sends a command and does not wait: nobody hears what became of it.
---@phase any
---@param name string
---@param ... string|number
function Redis:post(name, ...)
  if not known_fit[name] then check_name(name, ...) end
  wait(self.server, self.timeout, false, name, ...)
end

--- The same connection with another timeout.
---@phase any
---@param options { timeout: number }  seconds a command may wait
---@return moongate.redis.Redis
function Redis:with(options)
  local timeout = type(options) == "table" and options.timeout
  if type(timeout) ~= "number" or not (timeout > 0 and timeout <= 600) then
    error("redis:with: timeout must be seconds, up to 600", 2)
  end
  return setmetatable({ server = self.server, timeout = timeout, name = self.name }, getmetatable(self))
end

-- Whatever is no method above is a command.
local meta = {
  __index = function(_, name)
    local method = Redis[name]
    if method then return method end
    if type(name) ~= "string" or name:sub(1, 1) == "_" then return nil end
    local upper = name:upper()
    method = function(self, ...)
      if type(self) ~= "table" or not self.server then
        error(("redis:%s is a method: call it with a colon"):format(name), 2)
      end
      return send(self, upper, ...)
    end
    Redis[name] = method
    return method
  end,
}

local DEFAULTS = {
  port = 6379,
  database = 0,
  timeout = 1000,
  connect_timeout = 1000,
  idle_timeout = 60000,
  pool_size = 1,
  max_commands = 1000,
  max_queued = 4 * 2 ^ 20,
  max_reply = 16 * 2 ^ 20,
}

local RECORD = { host = true, unix_socket = true, username = true, password = true, server_name = true, ca = true }

-- Kong's names of ours.
local KONG = { ssl = "tls", ssl_verify = "tls_verify", keepalive_pool_size = "pool_size" }

local function read_record(record)
  local own = { tls = false, tls_verify = true }
  for name, value in pairs(DEFAULTS) do
    own[name] = value
  end
  for name, value in pairs(record) do
    local ours = KONG[name] or name
    if DEFAULTS[ours] == nil and not RECORD[ours] and own[ours] == nil then
      error(("redis.connect: %q means nothing"):format(tostring(name)), 3)
    end
    own[ours] = value
  end
  if not own.host and not own.unix_socket then error("redis.connect: host or unix_socket is missing", 3) end
  own.name = record.name or own.unix_socket or ("%s:%d"):format(own.host, own.port)
  return own
end

local function open(settings)
  if C.gw_pdk_redis_available() == 0 then
    error("redis.connect: this moongate was built without hiredis, so it cannot speak to Redis", 3)
  end
  local index, why = core.redis_open(settings)
  if not index then error(("redis.connect: %s: %s"):format(settings.name, why), 3) end
  return setmetatable({ server = index, timeout = settings.timeout / 1000, name = settings.name }, meta)
end

local opened = {} -- by name

--- A Redis: one of the top-level `redis` by its name, or where it is, as Kong writes it (`host`, `port`, `timeout` in
--- milliseconds, `username`, `password`, `database`, `ssl`, `ssl_verify`, `server_name`; also `unix_socket`). In `init`
--- only; nothing is connected before the first command.
---@phase init
---@param which string|table
---@return moongate.redis.Redis
function M.connect(which)
  if type(which) == "table" then return open(read_record(which)) end
  if type(which) ~= "string" then error("redis.connect: give it a name, or a table with host and port", 2) end
  if not opened[which] then
    local settings = core.redis and core.redis[which]
    if not settings then
      local names = {}
      for name in pairs(core.redis or {}) do
        names[#names + 1] = name
      end
      table.sort(names)
      local known = #names > 0 and table.concat(names, ", ") or "none"
      error(("redis.connect: the top-level redis has no %q (known: %s)"):format(which, known), 2)
    end
    opened[which] = open(settings)
  end
  return opened[which]
end

---@class moongate.redis.Script
---@field text string
---@field sha string

--- A script for `run`; its hash is computed here.
---@phase any
---@param text string  Lua, as Redis runs it
---@return moongate.redis.Script
function M.script(text)
  if type(text) ~= "string" then error("redis.script: give it the text of a script", 2) end
  return { text = text, sha = crypto.hex_encode(crypto.sha1(text)) }
end

return setmetatable(M, { __call = function(_, which) return M.connect(which) end })
