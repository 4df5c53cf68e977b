--- Where log plugins put their lines: a bounded queue that is emptied off the workers, to a file, a TCP, UDP, syslog or
--- HTTP receiver. Sending never waits; what finds no room is dropped and counted (`moongate_log_dropped_total`).
---
---     local sink = require("moongate.sink")
---     local audit
---     function M.init(configs) audit = sink.file { path = configs[1].path } end
---     function M.log(conf, ctx) audit:send(ctx.log:serialize()) end
---
--- Sinks are opened in `init`. One with the settings of one that is there already is that one, in every worker and over
--- reloads: lines that wait then are not lost. One that no generation uses any more delivers what it has and closes.
---
--- `queue`, which every kind takes, is Kong's record:
---     max_entries           10000     lines that wait at most
---     max_bytes             16777216  their bytes (Kong: no bound)
---     max_batch_size        1         HTTP: lines of one request; above 1 it carries a JSON array
---     max_coalescing_delay  1         seconds a batch may wait to become full
---     initial_retry_delay   0.01      seconds until what failed is tried again; doubles each time, half of it chance …
---     max_retry_delay       60        … up to this
---     max_retry_time        60        seconds after which what still fails is lost; -1: it is tried once
local core = require("moongate.core")
local json = require("moongate.json")

local C = require("moongate.cdef")
local script, put = core.script, C.gw_pdk_sink_put

local QUEUE = {
  max_entries = { 10000, 1, 1000000 },
  max_bytes = { 16777216, 1, 2 ^ 40 },
  max_batch_size = { 1, 1, 1000000 },
  max_coalescing_delay = { 1, 0, 3600 },
  initial_retry_delay = { 0.01, 0.001, 1000000 },
  max_retry_delay = { 60, 0.001, 1000000 },
  max_retry_time = { 60, -1, 31536000 },
}

local M = {}

---@class moongate.sink.Sink
local Sink = {}
Sink.__index = Sink

--- Puts a line into the queue; a table becomes JSON. Bytes that are not UTF-8 become "?".
---@phase any
---@param line string|table
---@return true? put
---@return string? reason  "full": it was dropped and counted
function Sink:send(line)
  if type(line) == "table" then
    local text, reason = json.encode(line)
    if not text then return nil, reason end
    line = text
  elseif type(line) ~= "string" then
    error("sink:send: a line is a string or a table, not " .. type(line), 2)
  end
  local outcome = put(script, self[1], line, #line)
  if outcome == 1 then return true end
  return nil, outcome == 0 and "full" or "closed"
end

-- Caught in open(), which knows who called.
local function misuse(text, ...)
  error(text:format(...), 0)
end

local function number_in(what, value, default, low, high)
  if value == nil then return default end
  if type(value) ~= "number" or not (value >= low and value <= high) then
    misuse("%s must be a number from %g to %g", what, low, high)
  end
  return value
end

local function text_in(what, value)
  if type(value) ~= "string" or value == "" or value:find("%z") then misuse("%s must be a text", what) end
  return value
end

local function read_queue(job, queue)
  queue = queue or {}
  if type(queue) ~= "table" then misuse("queue must be a table") end
  for key in pairs(queue) do
    if not QUEUE[key] and key ~= "concurrency_limit" then misuse("queue.%s means nothing", tostring(key)) end
  end
  for key, rule in pairs(QUEUE) do
    job[key] = number_in("queue." .. key, queue[key], rule[1], rule[2], rule[3])
  end
  job.max_retry_time = math.max(job.max_retry_time, 0)
end

local function read_path(job, options)
  job.path = text_in("path", options.path)
  job.reopen = options.reopen == true
end

local READERS = { file = read_path }
local KNOWN = { file = { path = true, reopen = true, queue = true } }

local function read(kind, options)
  if type(options) ~= "table" then misuse("takes a table") end
  for key in pairs(options) do
    if not KNOWN[kind][key] then misuse("%q means nothing", tostring(key)) end
  end
  local job = { kind = kind }
  READERS[kind](job, options)
  read_queue(job, options.queue)
  return job
end

local function open(kind, options)
  local fine, job = pcall(read, kind, options)
  if not fine then error(("moongate.sink.%s: %s"):format(kind, job), 3) end
  local opened, index, reason = pcall(core.sink_open, job)
  if not opened then error(("moongate.sink.%s: %s"):format(kind, index), 3) end
  if not index then error(reason, 0) end
  return setmetatable({ index }, Sink)
end

--- A file, one line after the other. It is opened again at every reload and on SIGUSR1; with `reopen` also as soon as
--- another file, or none, has its name. A pipe will do (`/dev/stdout`).
---@phase init
---@param options { path: string, reopen?: boolean, queue?: table }
---@return moongate.sink.Sink
function M.file(options)
  return open("file", options)
end

return M
