--- HTTP/1.1 messages over spec/support/wire.lua: enough to play a client or a service byte by byte.
local wire = require("support.wire")

local M = {}

local function parse_head(text)
  local first, rest = text:match("^(.-)\r\n(.*)$")
  local head = { first = first, headers = {}, list = {} }
  for name, value in rest:gmatch("([^\r\n:]+):[ \t]*([^\r\n]*)\r\n") do
    local lower = name:lower()
    head.list[#head.list + 1] = { lower, value }
    head.headers[lower] = head.headers[lower] and head.headers[lower] .. ", " .. value or value
  end
  head.status = tonumber(first:match("^HTTP/1%.%d (%d%d%d)"))
  head.method, head.target = first:match("^(%S+) (%S+) HTTP/")
  return head
end

--- Waits for a head and takes it; nil, what came instead.
function M.read_head(conn, seconds)
  local text, other = conn:read_until("\r\n\r\n", seconds)
  if not text then return nil, other end
  return parse_head(text)
end

local function read_chunked(conn, message, seconds)
  local parts = {}
  while true do
    local line = conn:read_until("\r\n", seconds)
    local size = line and tonumber(line:match("^%x+"), 16)
    if not size then
      message.cut = true
      break
    end
    if size == 0 then
      message.trailers = {}
      repeat
        line = conn:read_until("\r\n", seconds)
        local name, value = (line or ""):match("^([^:]+):[ \t]*(.-)\r\n")
        if name then message.trailers[name:lower()] = value end
      until not line or line == "\r\n"
      break
    end
    local bytes = conn:read(size + 2, seconds)
    if not bytes then
      message.cut = true
      break
    end
    parts[#parts + 1] = bytes:sub(1, -3)
  end
  message.body = table.concat(parts)
end

local function read_body(conn, message, until_end, seconds)
  local length = tonumber(message.headers["content-length"])
  if (message.headers["transfer-encoding"] or ""):find("chunked", 1, true) then
    read_chunked(conn, message, seconds)
  elseif length then
    message.body = conn:read(length, seconds)
    if not message.body then
      message.body, message.cut = conn:take(), true
    end
  elseif until_end then
    message.body, message.how = conn:read_all(seconds)
  else
    message.body = ""
  end
end

--- Reads a whole request: { method, target, headers, body, trailers, cut }.
function M.read_request(conn, seconds)
  local request, other = M.read_head(conn, seconds)
  if not request then return nil, other end
  read_body(conn, request, false, seconds)
  return request
end

--- Reads a whole response, interim ones kept in `interim`. `opts.method`: "HEAD" has no body.
function M.read_response(conn, opts)
  opts = opts or {}
  local interim = {}
  local response, other
  repeat
    response, other = M.read_head(conn, opts.seconds)
    if not response then return nil, other end
    local again = response.status >= 100 and response.status < 200 and response.status ~= 101
    if again then interim[#interim + 1] = response end
  until not again
  response.interim = interim
  local bare = opts.method == "HEAD" or response.status == 204 or response.status == 304 or response.status == 101
  if bare then
    response.body = ""
  else
    read_body(conn, response, true, opts.seconds)
  end
  return response
end

--- The bytes of a request. `headers` is a map or a list of pairs; Host is added, Content-Length too when there is a body.
function M.request_bytes(method, target, opts)
  opts = opts or {}
  local out, seen = { ("%s %s HTTP/1.1\r\n"):format(method, target) }, {}
  local function add(name, value)
    seen[name:lower()] = true
    out[#out + 1] = ("%s: %s\r\n"):format(name, value)
  end
  for name, value in pairs(opts.headers or {}) do
    if type(name) == "number" then
      add(value[1], value[2])
    else
      add(name, value)
    end
  end
  if not seen.host then add("Host", "localhost") end
  if opts.body and not seen["content-length"] and not seen["transfer-encoding"] then
    add("Content-Length", #opts.body)
  end
  return table.concat(out) .. "\r\n" .. (opts.body or "")
end

--- The bytes of a response with a length.
function M.response_bytes(response)
  local out = { ("HTTP/1.1 %d %s\r\n"):format(response.status or 200, response.reason or "OK") }
  local seen = {}
  for name, value in pairs(response.headers or {}) do
    seen[name:lower()] = true
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      out[#out + 1] = ("%s: %s\r\n"):format(name, one)
    end
  end
  if not seen["content-length"] and not seen["transfer-encoding"] then
    out[#out + 1] = ("Content-Length: %d\r\n"):format(#(response.body or ""))
  end
  return table.concat(out) .. "\r\n" .. (response.body or "")
end

-- The length of the whole request at the front of the bytes, or nil while it is not whole.
local function whole_request(bytes)
  local _, head_end = bytes:find("\r\n\r\n", 1, true)
  if not head_end then return nil end
  local head = bytes:sub(1, head_end):lower()
  if head:find("\r\ntransfer%-encoding:[^\r]*chunked") then
    local _, last = bytes:find("\r\n0\r\n\r\n", head_end - 3, true)
    return last
  end
  local length = tonumber(head:match("\r\ncontent%-length:%s*(%d+)")) or 0
  return #bytes >= head_end + length and head_end + length or nil
end

local function one_shot(bytes)
  local at = 0
  return setmetatable({ ended = "end" }, {
    __index = {
      peek = function() return bytes:sub(at + 1) end,
      take = function(_, count)
        local part = bytes:sub(at + 1, count and at + count or #bytes)
        at = at + #part
        return part
      end,
      read_until = function(self, text)
        local _, to = bytes:find(text, at + 1, true)
        return to and self:take(to - at)
      end,
      read = function(self, count) return #bytes - at >= count and self:take(count) or nil end,
    },
  })
end

--- A service that answers by itself while anybody waits: `handler(request, conn)` gives { status, headers, body } or raw bytes. Every
--- request is kept in `requests`.
function M.service(handler, opts)
  local service
  service = wire.listen {
    any = opts and opts.any,
    on_conn = function(conn)
      conn.on_change = function()
        local length = whole_request(conn:peek())
        while length do
          local request = M.read_request(one_shot(conn:take(length)))
          service.requests[#service.requests + 1] = request
          service.last_request = request
          local answer = { body = "hello" }
          if handler then answer = handler(request, conn) end
          if answer then conn:send(type(answer) == "string" and answer or M.response_bytes(answer)) end
          length = whole_request(conn:peek())
        end
        if conn.ended then conn:close() end
      end
    end,
  }
  service.requests = {}
  return service
end

return M
