--- Fake upstreams: what answers when the gateway connects somewhere. A Lua function gets each request and answers,
--- late, in pieces, wrongly or not at all; it runs in a coroutine, so that it can wait on the gateway's clock.
local http1 = require("moongate.spec.http1")

local M = {}

---@class moongate.spec.Request: a request as an upstream sees it
---@field method string
---@field target string             as it was sent
---@field path string
---@field query table<string, string|true|string[]>
---@field query_string string
---@field headers table<string, string>  lower-case names; several of one are joined by ", "
---@field lines { [1]: string, [2]: string }[]  headers as they came, in order
---@field body string
---@field trailers? table<string, string>
---@field json fun(self): any       the body, decoded
---@field host string               "name:port" that the gateway connected to

---@class moongate.spec.Reply
---@field status? integer           200
---@field headers? table<string, any>
---@field body? string|table        a table is JSON
---@field chunks? string[]          in the place of body: sent one by one, chunked
---@field every? number             seconds between chunks
---@field delay? number             seconds before the head
---@field trailers? table<string, string>
---@field close? boolean            ends the connection after it

-- ── one connection ──────────────────────────────────────────────────────────────

---@class moongate.spec.UpstreamConnection
---@field gone boolean  the gateway ended the connection
local Up = {}
Up.__index = Up

local function write(self, bytes)
  if self.wire and not self.gone then self.gateway.core:write(self.wire, bytes) end
end

--- Waits so many seconds of the gateway's clock.
---@param seconds number
function Up:sleep(seconds)
  self.gateway:alarm(seconds, self.resume)
  coroutine.yield()
end

--- Never answers.
function Up.never() -- luacheck: no self
  coroutine.yield()
end

--- Waits for the whole body of a request whose function was called at its head (`early`).
---@return string
function Up:body()
  while not self.request.body do
    if self.gone then return "" end
    self.awaiting = true
    coroutine.yield()
  end
  return self.request.body
end

--- Sends bytes as they are.
---@param bytes string
function Up:send(bytes)
  self.spoke = true
  self.gateway.story:add("upstream", self.name, ("sends %d bytes of its own"):format(#bytes))
  write(self, bytes)
end

--- Begins an answer whose body is sent piece by piece.
---@param status? integer
---@param headers? table<string, any>
function Up:head(status, headers)
  local lines = http1.lines(headers)
  self.spoke, self.status = true, status or 200
  if not http1.has(lines, "content-length") then
    self.chunked = true
    lines[#lines + 1] = { "transfer-encoding", "chunked" }
  end
  self.gateway.story:add("upstream", self.name, ("answers %d"):format(self.status))
  write(self, http1.head(("HTTP/1.1 %d OK"):format(self.status), lines))
end

--- A head before the answer's: 100, 103.
---@param status integer
---@param headers? table<string, any>
function Up:interim(status, headers)
  write(self, http1.head(("HTTP/1.1 %d Interim"):format(status), http1.lines(headers)))
end

--- A piece of the body.
---@param text string
function Up:chunk(text)
  if not self.status then self:head() end
  if text ~= "" then write(self, self.chunked and http1.chunk(text) or text) end
end

--- Ends a body sent piece by piece.
---@param trailers? table<string, string>
function Up:finish(trailers)
  if self.chunked then write(self, http1.head("0", http1.lines(trailers))) end
end

--- Ends the connection, in the middle of an answer too.
function Up:close()
  self.spoke = true
  self.gateway.story:add("upstream", self.name, "closes the connection")
  self:drop(false)
end

--- Breaks the connection: the gateway sees a reset.
function Up:reset()
  self.spoke = true
  self.gateway.story:add("upstream", self.name, "resets the connection")
  self:drop(true)
end

function Up:drop(reset)
  if not self.wire then return end
  self.gateway.core:close(self.wire, reset)
  self.gateway.wires[self.wire] = nil
  self.wire, self.gone = nil, true
end

-- ── answering ───────────────────────────────────────────────────────────────────

local function send_whole(self, reply)
  local lines = http1.lines(reply.headers)
  local body = http1.body(reply.body, lines) or ""
  local status = reply.status or 200
  local bodyless = status < 200 or status == 204 or status == 304
  local framed = http1.has(lines, "content-length") or http1.has(lines, "transfer-encoding")
  if not bodyless and not framed then lines[#lines + 1] = { "content-length", tostring(#body) } end
  if reply.close then lines[#lines + 1] = { "connection", "close" } end
  self.gateway.story:add("upstream", self.name, ("answers %d, %d bytes"):format(status, #body))
  if bodyless or self.request.method == "HEAD" then body = "" end
  write(self, http1.head(("HTTP/1.1 %d OK"):format(status), lines) .. body)
end

local function send_pieces(self, reply)
  self:head(reply.status, reply.headers)
  for i, text in ipairs(reply.chunks or { reply.body }) do
    if i > 1 and reply.every then self:sleep(reply.every) end
    self:chunk(text)
  end
  self:finish(reply.trailers)
end

local function send(self, reply)
  if reply.delay then self:sleep(reply.delay) end
  if self.gone then return end
  if reply.chunks or reply.trailers then
    send_pieces(self, reply)
  else
    send_whole(self, reply)
  end
  if reply.close then self:drop(false) end
end

local function answer(self)
  local fn = self.upstream.fn
  local first, body, headers = fn, nil, nil
  if type(fn) == "function" then
    first, body, headers = fn(self.request, self)
  end
  if self.spoke then return end
  if first == nil then
    first = { body = "ok" }
  elseif type(first) == "number" then
    first = { status = first, body = body, headers = headers }
  elseif type(first) == "string" then
    first = { body = first }
  end
  send(self, first)
end

local next_request

local function run(self)
  self.thread = coroutine.create(function()
    answer(self)
    self.thread = nil
    next_request(self)
  end)
  self.resume()
end

function next_request(self)
  local request = table.remove(self.waiting, 1)
  if not request or self.gone then return end
  self.request, self.spoke, self.status, self.chunked = request, false, nil, false
  run(self)
end

local function on_head(self, request)
  local upstream = self.gateway:upstream_of(self.host) -- the connection may be older than who answers now
  self.upstream, self.name = upstream, upstream.name
  request.host = self.host
  upstream.requests[#upstream.requests + 1] = request
  upstream.last_request = request
  self.gateway.story:add("upstream", self.name, ("gets %s %s"):format(request.method, request.target))
  if upstream.early then
    self.waiting[#self.waiting + 1] = request
    if not self.thread then next_request(self) end
  end
end

local function on_message(self, request)
  if not self.upstream.early then
    self.waiting[#self.waiting + 1] = request
    if not self.thread then next_request(self) end
  elseif self.awaiting then
    self.awaiting = false
    self.resume()
  end
end

--- The gateway has connected; `wire` is our end.
---@param gateway table
---@param wire integer
---@param host string  "name:port"
---@return table connection
function M.connection(gateway, wire, host)
  local self = setmetatable({
    gateway = gateway,
    upstream = gateway:upstream_of(host),
    wire = wire,
    host = host,
    waiting = {},
    gone = false,
  }, Up)
  function self.resume()
    local thread = self.thread
    if not thread or coroutine.status(thread) ~= "suspended" then return end
    local ok, reason = coroutine.resume(thread)
    if not ok then
      gateway:fail(("the upstream %s raised an error: %s"):format(self.name, tostring(reason)))
      self:drop(true)
    end
  end
  self.parser = http1.parser(true, {
    on_head = function(request) on_head(self, request) end,
    on_message = function(request) on_message(self, request) end,
    on_failed = function(reason)
      gateway:fail(
        ("the gateway sent no HTTP to %s: %s"):format(self.name, reason)
          .. " (upstream:raw() takes whatever comes)"
      )
    end,
  })
  return self
end

function Up:on_bytes(bytes)
  local upstream = self.upstream
  if upstream.received then
    upstream.received = upstream.received .. bytes
    return
  end
  self.parser:feed(bytes)
end

function Up:on_end()
  self:drop(false)
  if self.awaiting then
    self.awaiting = false
    self.resume()
  end
end

-- ── upstreams ───────────────────────────────────────────────────────────────────

---@class moongate.spec.Upstream
---@field requests moongate.spec.Request[]  what came, since the last forget()
---@field last_request? moongate.spec.Request
---@field received? string                after raw(): the bytes that came
---@field connections integer               how many were opened
local Upstream = {}
Upstream.__index = Upstream

--- How it answers from now on: a table, a status, a body, or a function of the request and the connection, which
--- returns one of these (or a status, a body and headers, or nothing for a plain 200) or speaks for itself through
--- the connection. Nothing: as at first, 200 and "ok".
---@param how moongate.spec.Reply|integer|string|fun(request: moongate.spec.Request, up: table): any
---@param options? { early: boolean }  early: called at the head of the request, up:body() waits for the rest
---@return moongate.spec.Upstream
function Upstream:reply(how, options)
  local kind = type(how)
  if kind == "number" then
    how = { status = how }
  elseif kind == "string" then
    how = { body = how }
  elseif how == nil then
    how = { body = "ok" } -- as it was made
  elseif kind ~= "function" and kind ~= "table" then
    error("reply() takes a table, a function, a status or a body", 2)
  end
  self.fn, self.early = how, options and options.early or false
  return self
end

--- Takes whatever comes from now on, also what is no HTTP, and answers nothing: the bytes of all connections stand in
--- `received`. Datagrams (udp-log, syslog) come here too, a line each.
---@return moongate.spec.Upstream
function Upstream:raw()
  self.received = ""
  return self
end

--- Nobody listens there any more: connecting fails. `false`: somebody does again.
---@param on? boolean
function Upstream:refuse(on)
  self.refuses = on ~= false
  if not self.refuses then return end
  local idle = {}
  for _, wire in pairs(self.gateway.wires) do
    if wire.upstream == self and not wire.thread then idle[#idle + 1] = wire end
  end
  for _, wire in ipairs(idle) do
    wire:drop(false)
  end
  self.gateway:settle()
end

--- Connecting takes so many seconds from now on; nil: it never succeeds.
---@param seconds number?
function Upstream:connect_after(seconds) self.connect_delay = seconds or math.huge end

--- Forgets the requests that came.
function Upstream:forget()
  self.requests, self.last_request = {}, nil
  self.received = self.received and ""
end

---@param gateway table
---@param name string
---@return moongate.spec.Upstream
function M.new(gateway, name)
  return setmetatable({
    gateway = gateway,
    name = name,
    requests = {},
    connections = 0,
    fn = { body = "ok" },
    early = false,
  }, Upstream)
end

return M
