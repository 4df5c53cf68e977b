---@meta moongate.redis
-- Written by ./dev docs from the sources. Do not change it here.

---Redis for plugins: any command, several at once, transactions and scripts, without blocking anybody. All commands of
---a worker share a few connections (pipelining), which are made again by themselves when they break.
---
---    local redis = require("moongate.redis")
---    local cache
---
---    function M.init()
---      cache = redis.connect("cache") -- the name of a connection of the top-level `redis`
---    end
---
---    function M.access(conf, ctx)
---      local seen, reason = cache:get("seen:" .. ctx.client:get_ip())
---      if reason then ctx.log:warn("redis: ", reason) end
---      if not seen then cache:set("seen:" .. ctx.client:get_ip(), 1, "EX", 60) end
---    end
---
---Every command is a method: `cache:hset(key, field, value)`, `cache:call("HSET", key, field, value)`. It waits as
---`ctx:sleep` does and returns what Redis answered: strings, numbers, lists, nil for null; or nil and why not, which
---is Redis' own text ("WRONGTYPE …") or one of `redis.REASONS`. Inside of lists null is `redis.null`, and an error is
---`{ error = "…" }`. Commands that a shared connection cannot have (SUBSCRIBE, BLPOP, WATCH, SELECT …) are misuse.
---
---A command is sent once: when the connection breaks before its reply nobody knows whether Redis ran it, and that is
---what you are told. For plugins that are trusted.
---@class moongate.redis
local M = {}

---@class moongate.redis.Redis
local Redis = {}

---@class moongate.redis.Script
---@field text string
---@field sha string

---Any command.
---
---In rewrite, access, response, tasks.
---@param name string # "GET"
---@param ... string|number
---@return any reply # nil: null, or there is none
---@return string? reason
function Redis:call(name, ...) end

---Several commands in one go. Others' commands may run in between.
---
---In rewrite, access, response, tasks.
---@param commands table[] # { { "GET", "a" }, { "INCR", "b" } }
---@return table? replies # one for each; null is `redis.null`, an error `{ error = "…" }`
---@return string? reason
function Redis:pipeline(commands) end

---Several commands, between which nothing else runs (MULTI, EXEC).
---
---In rewrite, access, response, tasks.
---@param commands table[]
---@return table? replies # as of `pipeline`
---@return string? reason # Redis' own, too: then none of them ran
function Redis:transaction(commands) end

---Runs a script: by its hash, and with its text where Redis does not know it yet.
---
---In rewrite, access, response, tasks.
---@param script moongate.redis.Script # from `redis.script`
---@param keys string[]
---@param ... string|number # its ARGV
---@return any reply
---@return string? reason
function Redis:run(script, keys, ...) end

---Sends a command and does not wait: nobody hears what became of it.
---
---In every hook.
---@param name string
---@param ... string|number
function Redis:post(name, ...) end

---The same connection with another timeout.
---
---In every hook.
---@param options { timeout: number } # seconds a command may wait
---@return moongate.redis.Redis
function Redis:with(options) end

---A Redis: one of the top-level `redis` by its name, or where it is, as Kong writes it (`host`, `port`, `timeout` in
---milliseconds, `username`, `password`, `database`, `ssl`, `ssl_verify`, `server_name`; also `unix_socket`). In `init`
---only; nothing is connected before the first command.
---
---In init.
---@param which string|table
---@return moongate.redis.Redis
function M.connect(which) end

---A script for `run`; its hash is computed here.
---
---In every hook.
---@param text string # Lua, as Redis runs it
---@return moongate.redis.Script
function M.script(text) end

return M
