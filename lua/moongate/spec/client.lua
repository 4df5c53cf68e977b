--- Clients: one request on a connection of its own, or a connection whose bytes the spec writes itself.
local http1 = require("moongate.spec.http1")

local M = {}

---@class moongate.spec.RequestOptions
---@field headers? table<string, string|string[]>|{ [1]: string, [2]: string }[]
---@field body? string|table       a table is sent as JSON
---@field form? table<string, any> sent as application/x-www-form-urlencoded
---@field chunks? string[]         the body in pieces, chunked
---@field every? number            seconds between the pieces
---@field query? string|table<string, any>
---@field host? string             the Host header ("gateway.test")
---@field from? string             the client's address, "192.0.2.1" or with a port

---@class moongate.spec.Response
---@field status? integer          nil when none came: see error
---@field headers table<string, string>  lower-case names; several of one are joined by ", " (Set-Cookie: a list)
---@field lines { [1]: string, [2]: string }[]
---@field body string
---@field pieces { text: string, at: number }[]  as they came, `at` in seconds since the request began
---@field trailers? table<string, string>
---@field interim table[]          heads below 200 that came before
---@field took number              seconds of the gateway's clock
---@field cut? boolean             the body broke off before its end
---@field error? string            why there is no (whole) response
---@field json fun(self): any      the body, decoded

---@class moongate.spec.Handle: a request in flight
---@field done boolean
---@field response? moongate.spec.Response
---@field gateway table
local Handle = {}
Handle.__index = Handle

local function target_of(path, options)
  local query = options.query and http1.query(options.query)
  if not query or query == "" then return path end
  return path .. (path:find("?", 1, true) and "&" or "?") .. query
end

local function compose(method, path, options)
  local lines = http1.lines(options.headers)
  if not http1.has(lines, "host") then table.insert(lines, 1, { "host", options.host or "gateway.test" }) end
  local body = http1.body(options.body, lines)
  if options.form then
    body = http1.query(options.form)
    if not http1.has(lines, "content-type") then
      lines[#lines + 1] = { "content-type", "application/x-www-form-urlencoded" }
    end
  end
  if options.chunks then
    lines[#lines + 1] = { "transfer-encoding", "chunked" }
  elseif body and not http1.has(lines, "content-length") and not http1.has(lines, "transfer-encoding") then
    lines[#lines + 1] = { "content-length", tostring(#body) }
  end
  return http1.head(("%s %s HTTP/1.1"):format(method, target_of(path, options)), lines), body
end

local function address(from)
  from = from or "192.0.2.1"
  if from:find("^[^:]+$") then return from .. ":40000" end
  if from:find(":.*:") and not from:find("^%[") then return "[" .. from .. "]:40000" end
  if from:find("^%[.*%]$") then return from .. ":40000" end
  return from
end

local function finish(self, response, reason)
  local gateway = self.gateway
  response = response
    or setmetatable({ headers = {}, lines = {}, body = "" }, { __index = { json = function() end } })
  response.interim, response.pieces = self.interim, self.pieces
  response.took = gateway.clock:elapsed() - self.began
  response.error, response.cut = reason, reason and response.status and true or nil
  self.response, self.done = response, true
  gateway.story:add("client", self.what, reason or ("gets %d, %d bytes"):format(response.status, #response.body))
  self:drop()
end

function Handle:drop(reset)
  if not self.wire then return end
  self.gateway.core:close(self.wire, reset or false)
  self.gateway.wires[self.wire] = nil
  self.wire = nil
end

function Handle:on_bytes(bytes) self.parser:feed(bytes) end

function Handle:on_end(reason)
  if self.done or (self.parser:close() and self.done) then return end
  local partial = self.parser:partial()
  finish(
    self,
    partial,
    partial and "the answer broke off"
      or reason and ("the connection broke: " .. reason)
      or "the connection was closed without an answer"
  )
end

--- Lets the gateway work until the response is there.
---@return moongate.spec.Response
function Handle:wait()
  self.gateway:drive(function() return self.done end, self.what)
  return self.response
end

--- The client goes away.
function Handle:cancel()
  if self.done then return end
  self.gateway.story:add("client", self.what, "goes away")
  self.done = true
  self:drop()
  self.gateway:settle()
end

local function send_pieces(self, chunks, every, at)
  if not self.wire then return end
  self.gateway.core:write(self.wire, http1.chunk(chunks[at]))
  if at == #chunks then
    self.gateway.core:write(self.wire, "0\r\n\r\n")
  elseif every then
    self.gateway:alarm(every, function() send_pieces(self, chunks, every, at + 1) end)
  else
    send_pieces(self, chunks, every, at + 1)
  end
end

--- Sends a request and does not wait.
---@return moongate.spec.Handle
function M.start(gateway, method, path, options)
  options = options or {}
  local head, body = compose(method, path, options)
  local self = setmetatable({
    gateway = gateway,
    what = method .. " " .. path,
    done = false,
    interim = {},
    pieces = {},
    began = gateway.clock:elapsed(),
    wire = gateway.core:connect(address(options.from)),
  }, Handle)
  self.parser = http1.parser(false, {
    on_piece = function(_, bytes)
      self.pieces[#self.pieces + 1] = { text = bytes, at = gateway.clock:elapsed() - self.began }
    end,
    on_message = function(response)
      if response.status < 200 and response.status ~= 101 then
        self.interim[#self.interim + 1] = response
      else
        finish(self, response)
      end
    end,
    on_failed = function(reason) finish(self, nil, reason) end,
  })
  self.parser.method = method
  gateway.wires[self.wire] = self
  gateway.story:add("client", self.what, "asks")
  gateway.core:write(self.wire, head .. (body or ""))
  if options.chunks then send_pieces(self, options.chunks, options.every, 1) end
  gateway:settle()
  return self
end

-- ── raw connections ─────────────────────────────────────────────────────────────

---@class moongate.spec.Connection: bytes as they are
---@field ended boolean  the gateway ended it
local Connection = {}
Connection.__index = Connection

---@param bytes string
---@return moongate.spec.Connection
function Connection:write(bytes)
  if self.wire then self.gateway.core:write(self.wire, bytes) end
  self.gateway:settle()
  return self
end

--- Everything that came and was not read yet.
---@return string
function Connection:read()
  local text = table.concat(self.came)
  self.came = {}
  return text
end

--- Waits for the next whole response (the method of the request matters for HEAD).
---@param method? string
---@return moongate.spec.Response
function Connection:response(method)
  local response
  local parser = http1.parser(false, { once = true, on_message = function(message) response = message end })
  parser.method = method
  local fed = self:read()
  parser:feed(fed)
  self.gateway:drive(function()
    if response then return true end
    local more = self:read()
    fed = fed .. more
    if more ~= "" then parser:feed(more) end
    if self.ended and not response then parser:close() end
    return response or self.ended
  end, "a response on a raw connection")
  if response and parser.rest ~= "" then table.insert(self.came, 1, parser.rest) end
  return response or error("the connection ended without a response; it brought: " .. fed, 2)
end

--- Ends our side; the gateway may still answer.
function Connection:shutdown()
  if self.wire then self.gateway.core:shutdown(self.wire) end
  self.gateway:settle()
end

---@param reset? boolean
function Connection:close(reset)
  if not self.wire then return end
  self.gateway.core:close(self.wire, reset or false)
  self.gateway.wires[self.wire] = nil
  self.wire, self.ended = nil, true
  self.gateway:settle()
end

function Connection:on_bytes(bytes) self.came[#self.came + 1] = bytes end

function Connection:on_end() self.ended = true end

function Connection:drop()
  if not self.wire then return end
  self.gateway.core:close(self.wire, false)
  self.gateway.wires[self.wire] = nil
  self.wire, self.ended = nil, true
end

---@return moongate.spec.Connection
function M.connect(gateway, from)
  local self = setmetatable({ gateway = gateway, came = {}, ended = false }, Connection)
  self.wire = gateway.core:connect(address(from))
  gateway.wires[self.wire] = self
  return self
end

return M
