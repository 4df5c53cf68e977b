---@meta moongate.sink
-- Written by ./dev docs from the sources. Do not change it here.

---Where log plugins put their lines: a bounded queue that is emptied off the workers, to a file, a TCP, UDP, syslog or
---HTTP receiver. Sending never waits; what finds no room is dropped and counted (`moongate_log_dropped_total`).
---
---    local sink = require("moongate.sink")
---    local audit
---    function M.init(configs) audit = sink.file { path = configs[1].path } end
---    function M.log(conf, ctx) audit:send(ctx.log:serialize()) end
---
---Sinks are opened in `init`. One with the settings of one that is there already is that one, in every worker and over
---reloads: lines that wait then are not lost. One that no generation uses any more delivers what it has and closes.
---
---`queue`, which every kind takes, is Kong's record:
---    max_entries           10000     lines that wait at most
---    max_bytes             16777216  their bytes (Kong: no bound)
---    max_batch_size        1         HTTP: lines of one request; above 1 it carries a JSON array
---    max_coalescing_delay  1         seconds a batch may wait to become full
---    initial_retry_delay   0.01      seconds until what failed is tried again; doubles each time, half of it chance …
---    max_retry_delay       60        … up to this
---    max_retry_time        60        seconds after which what still fails is lost; -1: it is tried once
---@class moongate.sink
local M = {}

---@class moongate.sink.Sink
local Sink = {}

---Puts a line into the queue; a table becomes JSON. Bytes that are not UTF-8 become "?".
---
---In every hook.
---@param line string|table
---@return true? put
---@return string? reason # "full": it was dropped and counted
function Sink:send(line) end

---A file, one line after the other. It is opened again at every reload and on SIGUSR1; with `reopen` also as soon as
---another file, or none, has its name. A pipe will do (`/dev/stdout`).
---
---In init.
---@param options { path: string, reopen?: boolean, queue?: table }
---@return moongate.sink.Sink
function M.file(options) end

return M
