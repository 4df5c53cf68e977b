--- HTTP/1.1 as clients and upstreams of specs speak it: small, forgiving in what it reads (a spec wants to see what
--- came), literal in what it writes.
local json = require("cjson.safe")

local M = {}

-- ── writing ─────────────────────────────────────────────────────────────────────

local function encode(text)
  return (tostring(text):gsub("[^%w%-%._~]", function(char) return ("%%%02X"):format(char:byte()) end))
end

--- `{ a = 1, b = { 2, 3 } }` → "a=1&b=2&b=3", in the order of the names.
---@param values table|string
---@return string
function M.query(values)
  if type(values) == "string" then return values end
  local names, parts = {}, {}
  for name in pairs(values) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = values[name]
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      parts[#parts + 1] = one == true and encode(name) or encode(name) .. "=" .. encode(one)
    end
  end
  return table.concat(parts, "&")
end

--- Headers in the order they are written: a list of { name, value } as it stands, a map by name; a list of values is
--- several lines.
---@param headers? table
---@return { [1]: string, [2]: string }[]
function M.lines(headers)
  local lines, names = {}, {}
  for key, value in pairs(headers or {}) do
    if type(key) ~= "number" then
      names[#names + 1] = key
    elseif type(value) ~= "table" then
      error("headers are a map, or a list of { name, value }", 0)
    end
  end
  table.sort(names)
  for _, pair in ipairs(headers or {}) do
    lines[#lines + 1] = { pair[1], tostring(pair[2]) }
  end
  for _, name in ipairs(names) do
    local value = headers[name]
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      lines[#lines + 1] = { name, tostring(one) }
    end
  end
  return lines
end

---@param lines { [1]: string, [2]: string }[]
---@param name string  lower case
---@return boolean
function M.has(lines, name)
  for _, line in ipairs(lines) do
    if line[1]:lower() == name then return true end
  end
  return false
end

--- The bytes of a head.
---@param first string
---@param lines { [1]: string, [2]: string }[]
---@return string
function M.head(first, lines)
  local out = { first }
  for _, line in ipairs(lines) do
    out[#out + 1] = line[1] .. ": " .. line[2]
  end
  out[#out + 1] = "\r\n"
  return table.concat(out, "\r\n")
end

---@param text string
---@return string
function M.chunk(text) return ("%x\r\n%s\r\n"):format(#text, text) end

--- A body as bytes; a table is JSON and says so in `lines`.
---@return string?
function M.body(body, lines)
  if type(body) ~= "table" then return body and tostring(body) end
  if not M.has(lines, "content-type") then lines[#lines + 1] = { "content-type", "application/json" } end
  return assert(json.encode(body))
end

-- ── reading ─────────────────────────────────────────────────────────────────────

local Message = {}
Message.__index = Message

--- The body, decoded.
---@return any
function Message:json()
  local value, reason = json.decode(self.body or "")
  if value == nil then error(("this is no JSON (%s): %q"):format(reason, (self.body or ""):sub(1, 200)), 2) end
  return value
end

local function decode(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function parse_query(text)
  local query = {}
  for part in text:gmatch("[^&]+") do
    local name, value = part:match("^([^=]*)=(.*)$")
    name, value = decode(name or part), value and decode(value) or true
    local before = query[name]
    if before == nil then
      query[name] = value
    elseif type(before) == "table" then
      before[#before + 1] = value
    else
      query[name] = { before, value }
    end
  end
  return query
end

local function add_field(message, name, value)
  message.lines[#message.lines + 1] = { name, value }
  name = name:lower()
  local before = message.headers[name]
  if before == nil then
    message.headers[name] = value
  elseif name ~= "set-cookie" then
    message.headers[name] = before .. ", " .. value
  elseif type(before) == "table" then
    before[#before + 1] = value
  else
    message.headers[name] = { before, value }
  end
end

local function parse_head(text, is_request)
  local message = setmetatable({ headers = {}, lines = {} }, Message)
  local first, rest = text:match("^(.-)\r\n(.*)$")
  if is_request then
    message.method, message.target, message.version = first:match("^(%S+) (%S+) HTTP/(%d%.%d)$")
    if not message.method then return nil, "no request line: " .. first end
    message.path, message.query_string = message.target:match("^([^?]*)%??(.*)$")
    message.query = parse_query(message.query_string)
  else
    local version, status, reason = first:match("^HTTP/(%d%.%d) (%d%d%d) ?(.*)$")
    if not version then return nil, "no status line: " .. first end
    message.version, message.status, message.reason = version, tonumber(status), reason
  end
  for line in rest:gmatch("([^\r\n]+)\r\n") do
    local name, value = line:match("^([^:]+):[ \t]*(.-)[ \t]*$")
    if not name then return nil, "no header: " .. line end
    add_field(message, name, value)
  end
  return message
end

-- How the body ends: a length, "chunked", "close", or 0 where there is none.
local function framing(message, method)
  local status = message.status
  if status and (method == "HEAD" or status < 200 or status == 204 or status == 304) then return 0 end
  if (message.headers["transfer-encoding"] or ""):lower():find("chunked", 1, true) then return "chunked" end
  local length = tonumber(message.headers["content-length"])
  return length or (status and "close" or 0)
end

local Parser = {}
Parser.__index = Parser

--- Reads messages of one side of a connection. `on_head(message)` comes at its head, `on_piece(message, bytes)` for
--- each piece of body, `on_message(message)` at its end. With `once` it stops there.
---@param is_request boolean
---@param events table
function M.parser(is_request, events)
  return setmetatable({ is_request = is_request, events = events, rest = "", state = "head" }, Parser)
end

local function tell(self, event, ...)
  if self.events[event] then self.events[event](...) end
end

local function finish(self)
  local message = self.message
  message.body = table.concat(self.pieces)
  self.message, self.state = nil, self.events.once and "over" or "head"
  tell(self, "on_message", message)
end

local function piece(self, bytes)
  if bytes == "" then return end
  self.pieces[#self.pieces + 1] = bytes
  tell(self, "on_piece", self.message, bytes)
end

local step = {}

function step.head(self)
  local head, rest = self.rest:match("^(.-\r\n)\r\n(.*)$")
  if not head then return false end
  self.rest = rest
  local message, reason = parse_head(head, self.is_request)
  if not message then
    self.state, self.failed = "failed", reason
    tell(self, "on_failed", reason)
    return false
  end
  self.message, self.pieces = message, {}
  local how = framing(message, self.method)
  self.state = type(how) == "number" and "length" or how
  self.left = tonumber(how)
  tell(self, "on_head", message)
  return true
end

function step.length(self)
  local bytes = self.rest:sub(1, self.left)
  self.rest = self.rest:sub(#bytes + 1)
  self.left = self.left - #bytes
  piece(self, bytes)
  if self.left > 0 then return false end
  finish(self)
  return self.rest ~= ""
end

function step.close(self)
  local bytes = self.rest
  self.rest = ""
  piece(self, bytes)
  return false
end

function step.chunked(self)
  local size, at = self.rest:match("^(%x+)[^\r\n]*\r\n()")
  if not size then return false end
  size = tonumber(size, 16)
  if size == 0 then
    self.rest, self.state = self.rest:sub(at), "trailers"
    return true
  end
  if #self.rest < at + size + 1 then return false end
  local bytes = self.rest:sub(at, at + size - 1)
  self.rest = self.rest:sub(at + size + 2)
  piece(self, bytes)
  return true
end

function step.trailers(self)
  local line, rest = self.rest:match("^([^\r\n]*)\r\n(.*)$")
  if not line then return false end
  self.rest = rest
  local name, value = line:match("^([^:]+):[ \t]*(.-)[ \t]*$")
  if name then
    self.message.trailers = self.message.trailers or {}
    self.message.trailers[name:lower()] = value
    return true
  end
  finish(self)
  return self.rest ~= ""
end

function step.failed() return false end

function step.over() return false end

--- Takes bytes in.
---@param bytes string
function Parser:feed(bytes)
  self.rest = self.rest .. bytes
  while step[self.state](self) do
  end
end

--- The other side ended. True when that is where the message ends.
---@return boolean
function Parser:close()
  if self.state == "close" then
    finish(self)
    return true
  end
  return self.state == "head" and self.rest == ""
end

--- What came of a message that did not come to its end, or nil.
function Parser:partial()
  if self.message then self.message.body = table.concat(self.pieces) end
  return self.message
end

return M
