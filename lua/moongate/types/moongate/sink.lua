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
---    initial_retry_delay   0.01      seconds until what failed is tried again; doubles each time, half is chance …
---    max_retry_delay       60        … up to this
---    max_retry_time        60        seconds after which what still fails is lost; -1: it is tried once
---@class moongate.sink
local M = {}

---@class moongate.sink.Sink
local Sink = {}

---@class moongate.sink.Syslog
local Syslog = {}

---Puts a line into the queue; a table becomes JSON. Bytes that are not UTF-8 become "?".
---
---In every hook.
---@param line string|table
---@return true? put
---@return string? reason # "full": it was dropped and counted
function Sink:send(line) end

---Puts a message into the queue, in the form of the local socket (RFC 3164); a table becomes JSON.
---
---In every hook.
---@param message string|table
---@param severity? "emerg"|"alert"|"crit"|"err"|"warning"|"notice"|"info"|"debug" # default info
---@return true? put
---@return string? reason # "full": it was dropped and counted
function Syslog:send(message, severity) end

---A file, one line after the other. It is opened again at every reload and on SIGUSR1; with `reopen` also as soon as
---another file, or none, has its name. A pipe will do (`/dev/stdout`).
---
---In init.
---@param options { path: string, reopen?: boolean, queue?: table }
---@return moongate.sink.Sink
function M.file(options) end

---A TCP connection that is kept, one line after the other. The receiver does not confirm lines: those on their way
---when it dies are lost, and a delivery that was cut is sent again as a whole.
---
---In init.
---@param options { host: string, port: integer, timeout?: number, keepalive?: number, queue?: table } # seconds
---@return moongate.sink.Sink
function M.tcp(options) end

---A datagram a line. What the network loses nobody hears of.
---
---In init.
---@param options { host: string, port: integer, queue?: table }
---@return moongate.sink.Sink
function M.udp(options) end

---The syslog of this machine.
---
---In init.
---@param options? { facility?: string, ident?: string, path?: string, queue?: table } # user, moongate, /dev/log
---@return moongate.sink.Syslog
function M.syslog(options) end

---Requests to an endpoint, each with one line as its body, or with `queue.max_batch_size` above 1 with a JSON array of
---up to so many. The receiver has them when it answers 2xx; anything else is tried again.
---
---In init.
---@param options table # url, method? (POST), headers?, content_type?, timeout? (10 s), keepalive? (60 s), queue?
---@return moongate.sink.Sink
function M.http(options) end

return M
