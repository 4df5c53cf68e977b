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
---     initial_retry_delay   0.01      seconds until what failed is tried again; doubles each time, half is chance …
---     max_retry_delay       60        … up to this
---     max_retry_time        60        seconds after which what still fails is lost; -1: it is tried once
local core = require("moongate.core")
local json = require("moongate.json")
local sink_url = require("moongate.sink_url")
local time = require("moongate.time")

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

-- The core writes them itself.
local FRAMING = {}
for name in
  ([[host content-length content-type transfer-encoding connection keep-alive proxy-connection te trailer
  upgrade expect]]):gmatch("%S+")
do
  FRAMING[name] = true
end

local SEVERITIES = { emerg = 0, alert = 1, crit = 2, err = 3, warning = 4, notice = 5, info = 6, debug = 7 }
local FACILITIES = {
  kern = 0,
  user = 1,
  mail = 2,
  daemon = 3,
  auth = 4,
  syslog = 5,
  lpr = 6,
  news = 7,
  uucp = 8,
  cron = 9,
  authpriv = 10,
  ftp = 11,
  local0 = 16,
  local1 = 17,
  local2 = 18,
  local3 = 19,
  local4 = 20,
  local5 = 21,
  local6 = 22,
  local7 = 23,
}

local M = {}

-- The caller's caller is who misuses it.
local function send(sink, head, line)
  if type(line) == "table" then
    local text, reason = json.encode(line)
    if not text then return nil, reason end
    line = text
  elseif type(line) ~= "string" then
    error("sink:send: a line is a string or a table, not " .. type(line), 3)
  end
  if head ~= "" then line = head .. line end
  local outcome = put(script, sink[1], line, #line)
  if outcome == 1 then return true end
  return nil, outcome == 0 and "full" or "closed"
end

---@class moongate.sink.Sink
local Sink = {}
Sink.__index = Sink

--- Puts a line into the queue; a table becomes JSON. Bytes that are not UTF-8 become "?".
---@phase any
---@param line string|table
---@return true? put
---@return string? reason  "full": it was dropped and counted
function Sink:send(line) return send(self, "", line) end

---@class moongate.sink.Syslog
local Syslog = {}
Syslog.__index = Syslog

-- "Nov  4 09:05:01", once a second.
local stamped, stamp = -1, ""
local function stamp_of(now)
  now = math.floor(now)
  if now ~= stamped then
    stamped, stamp = now, os.date("%b %e %H:%M:%S", now)
  end
  return stamp
end

--- Puts a message into the queue, in the form of the local socket (RFC 3164); a table becomes JSON.
---@phase any
---@param message string|table
---@param severity? "emerg"|"alert"|"crit"|"err"|"warning"|"notice"|"info"|"debug"  default info
---@return true? put
---@return string? reason  "full": it was dropped and counted
function Syslog:send(message, severity)
  local level = SEVERITIES[severity or "info"]
  if not level then error("sink:send: no severity " .. tostring(severity), 2) end
  return send(self, ("<%d>%s %s: "):format(self.facility * 8 + level, stamp_of(time.now()), self.tag), message)
end

-- Caught in open(), which knows who called.
local function misuse(text, ...) error(text:format(...), 0) end

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

local function read_host(job, options)
  job.host = text_in("host", options.host):gsub("^%[(.*)%]$", "%1")
  job.port = number_in("port", options.port, nil, 1, 65535)
  if not job.port then misuse("port must be a number") end
end

local function read_times(job, options)
  job.timeout = number_in("timeout", options.timeout, 10, 0.001, 86400)
  job.keepalive = number_in("keepalive", options.keepalive, 60, 0, 86400)
end

local function read_stream(job, options)
  read_host(job, options)
  read_times(job, options)
end

local function read_syslog(job, options) job.path = text_in("path", options.path or "/dev/log") end

local function read_headers(job, headers, authorization)
  local flat = { "content-type", text_in("content_type", job.content_type) }
  if authorization then
    flat[3], flat[4] = "authorization", authorization
  end
  for name, value in pairs(headers or {}) do
    local lower = text_in("a header's name", name):lower()
    if FRAMING[lower] or not lower:find("^[%w!#$%%&'*+%-.^_`|~]+$") then
      misuse("headers: %q may not stand there", name)
    elseif lower == "authorization" and authorization then
      misuse("headers: Authorization stands beside a user in the URL")
    elseif type(value) ~= "string" or value:find("[%z\1-\8\10-\31\127]") then
      misuse("headers: the value of %q must be a text without control characters", name)
    end
    flat[#flat + 1], flat[#flat + 2] = lower, value
  end
  job.headers = flat
end

local function read_http(job, options)
  local place, reason = sink_url.read(text_in("url", options.url))
  if not place then misuse("url %s", reason) end
  job.host, job.port, job.authority, job.target = place.host, place.port, place.authority, place.target
  job.tls = place.tls
  job.method = text_in("method", options.method or "POST")
  if not job.method:find("^%u+$") then misuse("method must be capital letters") end
  job.content_type = options.content_type or "application/json"
  read_headers(job, options.headers, place.authorization)
  read_times(job, options)
end

local READERS = { file = read_path, tcp = read_stream, udp = read_host, syslog = read_syslog, http = read_http }

local function words(text)
  local set = { queue = true }
  for word in text:gmatch("%S+") do
    set[word] = true
  end
  return set
end

local KNOWN = {
  file = words("path reopen"),
  tcp = words("host port timeout keepalive"),
  udp = words("host port"),
  syslog = words("path facility ident"),
  http = words("url method headers content_type timeout keepalive"),
}

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
  local made = open("file", options) -- no tail call: errors count the levels
  return made
end

--- A TCP connection that is kept, one line after the other. The receiver does not confirm lines: those on their way
--- when it dies are lost, and a delivery that was cut is sent again as a whole.
---@phase init
---@param options { host: string, port: integer, timeout?: number, keepalive?: number, queue?: table }  seconds
---@return moongate.sink.Sink
function M.tcp(options)
  local made = open("tcp", options) -- no tail call: errors count the levels
  return made
end

--- A datagram a line. What the network loses nobody hears of.
---@phase init
---@param options { host: string, port: integer, queue?: table }
---@return moongate.sink.Sink
function M.udp(options)
  local made = open("udp", options) -- no tail call: errors count the levels
  return made
end

--- The syslog of this machine.
---@phase init
---@param options? { facility?: string, ident?: string, path?: string, queue?: table }  user, moongate, /dev/log
---@return moongate.sink.Syslog
function M.syslog(options)
  options = options or {}
  local sink = open("syslog", options)
  sink.facility = FACILITIES[options.facility or "user"]
  if not sink.facility then error("moongate.sink.syslog: no facility " .. tostring(options.facility), 2) end
  sink.tag = ("%s[%d]"):format(options.ident or "moongate", C.gw_pdk_process())
  return setmetatable(sink, Syslog)
end

--- Requests to an endpoint, each with one line as its body, or with `queue.max_batch_size` above 1 with a JSON array of
--- up to so many. The receiver has them when it answers 2xx; anything else is tried again.
---@phase init
---@param options table  url, method? (POST), headers?, content_type?, timeout? (10 s), keepalive? (60 s), queue?
---@return moongate.sink.Sink
function M.http(options)
  local made = open("http", options) -- no tail call: errors count the levels
  return made
end

return M
