--- ctx.response: what will be sent to the client.
local bit = require("bit")
local body = require("moongate.pdk.body")
local check = require("moongate.pdk.check")
local fields = require("moongate.pdk.fields")
local json = require("moongate.json")
local problem = require("moongate.problem")

local C = require("moongate.cdef")
local enter = check.enter
local ANSWER, AFTER, RESPONSE, BODY = check.ANSWER, check.AFTER, check.RESPONSE, check.BODY
local PAYLOAD = bit.bor(RESPONSE, BODY)
local ANSWER_OR_BODY = bit.bor(ANSWER, BODY)
local OF_RESPONSE = C.GW_PDK_OF_RESPONSE

local M = {}

--- The status that will be sent.
---@phase response, body, log
---@return integer
function M:get_status() return C.gw_pdk_number(enter(self, "ctx.response:get_status", AFTER), C.GW_PDK_STATUS) end

--- The first header of that name, in any case; "_" stands for "-" too.
---@phase response, body, log
---@param name string
---@return string?
function M:get_header(name)
  local h = enter(self, "ctx.response:get_header", AFTER)
  name = check.text(name, "ctx.response:get_header", "the name")
  return fields.get(h, OF_RESPONSE, name)
end

--- All headers: lower-case keys, arrays for repeats; looked up in any case.
---@phase response, body, log
---@param max? integer  at most so many (100; 1 to 1000)
---@return table<string, string|string[]>
function M:get_headers(max)
  local h = enter(self, "ctx.response:get_headers", AFTER)
  return fields.all(h, OF_RESPONSE, check.integer(max, "ctx.response:get_headers", "max", 1, 1000, 100))
end

local SOURCES = { [0] = "service", "exit", "error" }

--- Who made the response: the service, a plugin's exit, or an error.
---@phase response, body, log
---@return "service"|"exit"|"error"
function M:get_source()
  return SOURCES[C.gw_pdk_number(enter(self, "ctx.response:get_source", AFTER), C.GW_PDK_SOURCE)]
end

--- How fast the body may go out, also of an answer that is made here, and what the service sends in a tunnel. The last
--- word counts.
---@phase rewrite, access, response
---@param rate number    bytes a second
---@param burst? number  bytes that pass without waiting, at first and after a pause; those of a second where nothing
---is said
function M:limit_rate(rate, burst)
  local what = "ctx.response:limit_rate"
  local h = enter(self, what, ANSWER)
  rate = check.integer(rate, what, "rate", 1, 2 ^ 50)
  C.gw_pdk_pace(h, 1, rate, check.integer(burst, what, "burst", 0, 2 ^ 50, rate), nil, nil, 0)
end

--- How many bytes of the body went out.
---@phase log
---@return number
function M:get_sent_bytes()
  return C.gw_pdk_number(enter(self, "ctx.response:get_sent_bytes", check.LOG), C.GW_PDK_BYTES_OUT)
end

--- Another status.
---@phase response
---@param status integer  200 to 599
function M:set_status(status)
  local h = enter(self, "ctx.response:set_status", RESPONSE)
  C.gw_pdk_set_status(h, check.integer(status, "ctx.response:set_status", "the status", 200, 599))
end

--- Sets a header of the response, also before there is one.
---@phase rewrite, access, response
---@param name string
---@param value string|number|boolean|string[]
function M:set_header(name, value)
  local h = enter(self, "ctx.response:set_header", ANSWER)
  fields.edit(h, OF_RESPONSE, C.GW_PDK_SET, "ctx.response:set_header", name, value)
end

--- Adds a header to the response, also before there is one.
---@phase rewrite, access, response
---@param name string
---@param value string|number|boolean|string[]
function M:add_header(name, value)
  local h = enter(self, "ctx.response:add_header", ANSWER)
  fields.edit(h, OF_RESPONSE, C.GW_PDK_ADD, "ctx.response:add_header", name, value)
end

--- Takes a header out of the response.
---@phase rewrite, access, response
---@param name string
function M:clear_header(name)
  local h = enter(self, "ctx.response:clear_header", ANSWER)
  fields.clear(h, OF_RESPONSE, "ctx.response:clear_header", name)
end

--- Sets several headers.
---@phase rewrite, access, response
---@param headers table<string, string|number|boolean|string[]>
function M:set_headers(headers)
  local h = enter(self, "ctx.response:set_headers", ANSWER)
  if type(headers) ~= "table" then error("ctx.response:set_headers: headers must be a table", 2) end
  for name, value in pairs(headers) do
    fields.edit(h, OF_RESPONSE, C.GW_PDK_SET, "ctx.response:set_headers", name, value)
  end
end

local function add_headers(h, what, headers)
  if headers == nil then return end
  if type(headers) ~= "table" then error(what .. ": headers must be a table", 3) end
  for name, value in pairs(headers) do
    if type(name) ~= "string" then error(what .. ": the names of headers must be strings", 3) end
    local values = type(value) == "table" and value or { value }
    for i = 1, #values do
      local kind = type(values[i])
      if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
        error(("%s: the value of %q must be a string, number or boolean, not %s"):format(what, name, kind), 3)
      end
      local text = tostring(values[i])
      check.verdict(C.gw_pdk_reply_header(h, name, #name, text, #text), what, name, 3)
    end
  end
end

--- Answers the request. In rewrite and access the hooks that are left are skipped; in response it replaces the answer.
--- It returns, so write `return ctx.response:exit(…)`. A call of gRPC gets the status as grpc-status, and a text, or a
--- table's `message` or `detail`, as its grpc-message.
---@phase rewrite, access, response
---@param status integer  200 to 599
---@param content? string|table  a table is sent as JSON
---@param headers? table<string, string|number|boolean|string[]>
function M:exit(status, content, headers)
  local h = enter(self, "ctx.response:exit", ANSWER)
  check.integer(status, "ctx.response:exit", "the status", 200, 599)
  local kind, media, message = type(content), "text/plain; charset=utf-8", content
  if kind == "table" then
    local reason
    message = content.message or content.detail
    content, reason = json.encode(content)
    if not content then error("ctx.response:exit: the body cannot be JSON: " .. reason, 2) end
    media = "application/json"
  elseif kind == "number" then
    content = tostring(content)
  elseif kind ~= "string" and kind ~= "nil" then
    error("ctx.response:exit: the body must be a string or a table, not a " .. kind, 2)
  end
  C.gw_pdk_reply_new(h, status)
  add_headers(h, "ctx.response:exit", headers)
  if type(message) == "string" then C.gw_pdk_reply_message(h, message, #message) end
  if content then
    C.gw_pdk_reply_send(h, content, #content, media, #media)
  else
    C.gw_pdk_reply_send(h, nil, 0, nil, 0)
  end
end

--- Answers with a body that a function makes while the client takes it. The function is called with `send` once the
--- head is on its way, and not at all where there is no body (HEAD, 204, 304). `send(chunk)` waits while the client has
--- no room; between two of them the function may wait for anything else. Its end is the end of the body; an error in it
--- cuts the response so that the client can see it. When the client goes away it is ended where it waits.
--- Like `exit`, it returns, so write `return ctx.response:stream(…)`.
---@phase rewrite, access, response
---@param status integer  200 to 599
---@param headers? table<string, string|number|boolean|string[]>
---@param fn fun(send: fun(chunk: string): true?, string?)  `send` answers true; nil, "closed" when the body is over
function M:stream(status, headers, fn)
  local h = enter(self, "ctx.response:stream", ANSWER)
  check.integer(status, "ctx.response:stream", "the status", 200, 599)
  if type(fn) ~= "function" then
    error("ctx.response:stream: the body must be made by a function, not a " .. type(fn), 2)
  end
  C.gw_pdk_reply_new(h, status)
  add_headers(h, "ctx.response:stream", headers)
  local state = self[3]
  state.touched, state.stream = true, fn
  C.gw_pdk_reply_stream(h)
end

--- Answers with a problem (RFC 9457): application/problem+json that carries the correlation id. A call of gRPC gets
--- grpc-status and the detail as grpc-message.
---@phase rewrite, access, response
---@param status integer  400 to 599
---@param detail? string  what went wrong, for people
---@param headers? table<string, string|number|boolean|string[]>
---@param members? moongate.problem.Problem|table<string, any>  `type`, `title` and `reason` of the problem, and members
---  of your own; what moongate.problem made of them costs less
function M:error(status, detail, headers, members)
  local h = enter(self, "ctx.response:error", ANSWER)
  check.integer(status, "ctx.response:error", "the status", 400, 599)
  detail = detail == nil and "" or check.text(detail, "ctx.response:error", "the detail")
  if members ~= nil and not problem.is(members) then
    if type(members) ~= "table" then error("ctx.response:error: members must be a table", 2) end
    local made, reason = problem.new(members)
    if not made then error("ctx.response:error: " .. reason, 2) end
    members = made
  end
  C.gw_pdk_reply_new(h, status)
  add_headers(h, "ctx.response:error", headers)
  if not members then
    C.gw_pdk_reply_problem(h, detail, #detail)
    return
  end
  local kind, title, reason, more = members.type, members.title, members.reason, members.more
  C.gw_pdk_reply_problem_of(h, detail, #detail, kind, #kind, title, #title, reason, #reason, more, #more)
end

--- A field behind the body: for what is known only at its end, such as a checksum that a body hook reckons. The body
--- then goes out in chunks; HTTP/1.0 has no room for trailers, and intermediaries may drop them.
---@phase rewrite, access, response, body
---@param name string
---@param value string|number|boolean
function M:set_trailer(name, value)
  local what = "ctx.response:set_trailer"
  local h = enter(self, what, ANSWER_OR_BODY)
  name = check.text(name, what, "the name")
  local text = type(value) == "boolean" and tostring(value) or check.text(value, what, "the value")
  check.verdict(C.gw_pdk_set_trailer(h, name, #name, text, #text), what, name)
end

-- A function of stream() runs where body hooks do, but has no piece (and no place in a plan).
local function check_piece(h, what)
  if h.at == 0 then error(what .. " cannot be called in the function of ctx.response:stream", 3) end
end

-- In body hooks: what the plugin has of the body so far is kept in the pieces' stead, and is given on with the last.
-- A body beyond the limit goes on as it comes.
local function keep_piece(h, state, limit)
  local kept = state.kept
  if not kept then
    kept = {}
    state.kept, state.touched = kept, true
  end
  local own = kept[h.use]
  if own == nil then
    own = { n = 0, bytes = 0 }
    kept[h.use] = own
  end
  if not own then return nil, "too large" end
  local chunk = state.chunk
  own.n, own.bytes = own.n + 1, own.bytes + #chunk
  own[own.n] = chunk
  state.out = ""
  if own.bytes > limit then
    kept[h.use] = false
    state.out = table.concat(own)
    return nil, "too large"
  end
  if not state.last then return nil end
  local whole = table.concat(own)
  kept[h.use], state.out = nil, whole
  return whole
end

--- The whole body that will be sent. In response it waits for it. In body it takes the pieces in, so that nothing is
--- sent before the last: until then it gives nil, and with the last one the whole.
---@phase response, body
---@param max? integer  most bytes (limits.buffer)
---@return string? body, string? reason  nil, "too large" when it is longer
function M:get_raw_body(max)
  local what = "ctx.response:get_raw_body"
  local h = enter(self, what, PAYLOAD)
  if h.phase == BODY then
    check_piece(h, what)
    return keep_piece(h, self[3], body.limit(h, max, what, 3))
  end
  local text, reason = body.read(h, OF_RESPONSE, max, what) -- no tail call: errors count the levels
  return text, reason
end

--- Another body; in body, another piece (or, after get_raw_body() gave the whole, the whole). A Content-Encoding and a
--- strong ETag of the old one are yours to clear.
---@phase response, body
---@param content string
function M:set_raw_body(content)
  local what = "ctx.response:set_raw_body"
  local h = enter(self, what, PAYLOAD)
  content = check.text(content, what, "the body")
  if h.phase == BODY then
    check_piece(h, what)
    self[3].out = content
  else
    check.verdict(C.gw_pdk_set_response_body(h, content, #content), what, "body")
  end
end

return M
