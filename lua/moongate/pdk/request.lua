--- ctx.request: what the client sent, with the header edits of the plugins that ran before.
local ffi = require("ffi")
local args = require("moongate.args")
local body = require("moongate.pdk.body")
local check = require("moongate.pdk.check")
local fields = require("moongate.pdk.fields")

local C = require("moongate.cdef")
local enter, ffi_string = check.enter, ffi.string
local ANY, GLOBAL = check.ANY, check.REWRITE_GLOBAL
local KNOWN, ANSWER = check.KNOWN, check.ANSWER
local REQUEST = C.GW_PDK_OF_REQUEST

local M = {}

local function text(h, what)
  C.gw_pdk_text(h, what)
  return ffi_string(h.ptr, h.len)
end

--- The scheme the client's connection uses: "http" or "https".
---@phase rewrite, access, request_body, response, body, log
---@return string
function M:get_scheme() return text(enter(self, "ctx.request:get_scheme", ANY), C.GW_PDK_SCHEME) end

--- The host the request names, lower case, without port.
---@phase rewrite, access, request_body, response, body, log
---@return string
function M:get_host() return text(enter(self, "ctx.request:get_host", ANY), C.GW_PDK_HOST) end

--- The port the client connected to.
---@phase rewrite, access, request_body, response, body, log
---@return integer
function M:get_port() return C.gw_pdk_number(enter(self, "ctx.request:get_port", ANY), C.GW_PDK_PORT) end

--- The scheme as the client saw it, when a trusted proxy stands between.
---@phase rewrite, access, request_body, response, body, log
---@return string
function M:get_forwarded_scheme()
  return text(enter(self, "ctx.request:get_forwarded_scheme", ANY), C.GW_PDK_FORWARDED_SCHEME)
end

--- The host as the client saw it, when a trusted proxy stands between.
---@phase rewrite, access, request_body, response, body, log
---@return string
function M:get_forwarded_host()
  return text(enter(self, "ctx.request:get_forwarded_host", ANY), C.GW_PDK_FORWARDED_HOST)
end

--- The port as the client saw it, when a trusted proxy stands between.
---@phase rewrite, access, request_body, response, body, log
---@return integer
function M:get_forwarded_port()
  return C.gw_pdk_number(enter(self, "ctx.request:get_forwarded_port", ANY), C.GW_PDK_FORWARDED_PORT)
end

local function forwarded(h, name)
  if C.gw_pdk_number(h, C.GW_PDK_PEER_TRUSTED) ~= 0 then return fields.get(h, REQUEST, name) end
end

--- The path as the client saw it: X-Forwarded-Path of a trusted proxy, else the path.
---@phase rewrite, access, request_body, response, body, log
---@return string
function M:get_forwarded_path()
  local h = enter(self, "ctx.request:get_forwarded_path", ANY)
  return forwarded(h, "x-forwarded-path") or text(h, C.GW_PDK_PATH)
end

--- What a trusted proxy took off the front of the path (X-Forwarded-Prefix), or nil.
---@phase rewrite, access, request_body, response, body, log
---@return string?
function M:get_forwarded_prefix()
  return forwarded(enter(self, "ctx.request:get_forwarded_prefix", ANY), "x-forwarded-prefix")
end

--- 1.0, 1.1 or 2.
---@phase rewrite, access, request_body, response, body, log
---@return number
function M:get_http_version()
  return C.gw_pdk_number(enter(self, "ctx.request:get_http_version", ANY), C.GW_PDK_HTTP_VERSION) / 10
end

--- The method, as sent.
---@phase rewrite, access, request_body, response, body, log
---@return string
function M:get_method() return text(enter(self, "ctx.request:get_method", ANY), C.GW_PDK_METHOD) end

--- The path, normalised, without query.
---@phase rewrite, access, request_body, response, body, log
---@return string
function M:get_path() return text(enter(self, "ctx.request:get_path", ANY), C.GW_PDK_PATH) end

--- The path as the client wrote it.
---@phase rewrite, access, request_body, response, body, log
---@return string
function M:get_raw_path()
  local target = text(enter(self, "ctx.request:get_raw_path", ANY), C.GW_PDK_RAW_TARGET)
  local path = target:match("^[^?]*")
  if path:sub(1, 1) ~= "/" then path = path:match("^%a[%w+.-]*://[^/]*(/.*)$") or path end
  return path
end

--- The path as the client wrote it, before a trusted proxy changed it (X-Forwarded-Path).
---@phase rewrite, access, request_body, response, body, log
---@return string
function M:get_raw_forwarded_path()
  return forwarded(enter(self, "ctx.request:get_raw_forwarded_path", ANY), "x-forwarded-path")
    or M.get_raw_path(self)
end

--- Path and query, as sent to be routed.
---@phase rewrite, access, request_body, response, body, log
---@return string
function M:get_path_with_query()
  local h = enter(self, "ctx.request:get_path_with_query", ANY)
  local path = text(h, C.GW_PDK_PATH)
  if C.gw_pdk_text(h, C.GW_PDK_QUERY) == 0 then return path end
  return path .. "?" .. ffi_string(h.ptr, h.len)
end

--- The query without "?", "" when there is none.
---@phase rewrite, access, request_body, response, body, log
---@return string
function M:get_raw_query() return text(enter(self, "ctx.request:get_raw_query", ANY), C.GW_PDK_QUERY) end

--- The first argument of that name: its value, decoded, or true for a bare name.
---@phase rewrite, access, request_body, response, body, log
---@param name string
---@return string|true|nil
function M:get_query_arg(name)
  local h = enter(self, "ctx.request:get_query_arg", ANY)
  name = check.text(name, "ctx.request:get_query_arg", "the name")
  local kind = C.gw_pdk_arg(h, name, #name)
  if kind == 1 then return ffi_string(h.ptr2, h.len2) end
  if kind == 2 then return true end
end

--- All arguments, decoded: a bare name is true, repeats are arrays.
---@phase rewrite, access, request_body, response, body, log
---@param max? integer  at most so many (100; 1 to 1000)
---@return table<string, string|true|(string|true)[]>
function M:get_query(max)
  local h = enter(self, "ctx.request:get_query", ANY)
  max = check.integer(max, "ctx.request:get_query", "max", 1, 1000, 100)
  local query = {}
  h.at_byte = 0
  for _ = 1, max do
    local kind = C.gw_pdk_next_arg(h)
    if kind == 0 then break end
    fields.put(query, ffi_string(h.ptr, h.len), kind == 2 or ffi_string(h.ptr2, h.len2))
  end
  return query
end

--- The first header of that name, in any case; "_" stands for "-" too.
---@phase rewrite, access, request_body, response, body, log
---@param name string
---@return string?
function M:get_header(name)
  local h = enter(self, "ctx.request:get_header", ANY)
  name = check.text(name, "ctx.request:get_header", "the name")
  if C.gw_pdk_field(h, REQUEST, name, #name) ~= 0 then return ffi_string(h.ptr, h.len) end
end

--- How often a header of that name was sent: of two or more nobody knows which one the service will read.
---@phase rewrite, access, request_body, response, body, log
---@param name string
---@return integer
function M:count_header(name)
  local h = enter(self, "ctx.request:count_header", ANY)
  name = check.text(name, "ctx.request:count_header", "the name")
  return C.gw_pdk_count_field(h, REQUEST, name, #name)
end

--- All headers: lower-case keys, arrays for repeats; looked up in any case.
---@phase rewrite, access, request_body, response, body, log
---@param max? integer  at most so many (100; 1 to 1000)
---@return table<string, string|string[]>
function M:get_headers(max)
  local h = enter(self, "ctx.request:get_headers", ANY)
  return fields.all(h, REQUEST, check.integer(max, "ctx.request:get_headers", "max", 1, 1000, 100))
end

--- All headers as text, in their order: "host: example.com\r\naccept: */*\r\n". Names are lower case.
---@phase rewrite, access, request_body, response, body, log
---@return string
function M:get_raw_headers()
  local h = enter(self, "ctx.request:get_raw_headers", ANY)
  local lines, n = {}, 0
  while C.gw_pdk_field_at(h, REQUEST, n) ~= 0 do
    n = n + 1
    lines[n] = ffi_string(h.ptr, h.len) .. ": " .. ffi_string(h.ptr2, h.len2) .. "\r\n"
  end
  return table.concat(lines)
end

--- When the request's head had come, in milliseconds since 1970.
---@phase rewrite, access, request_body, response, body, log
---@return number
function M:get_start_time()
  return C.gw_pdk_number(enter(self, "ctx.request:get_start_time", ANY), C.GW_PDK_START_TIME)
end

--- How many bytes of its body came.
---@phase log
---@return number
function M:get_received_bytes()
  return C.gw_pdk_number(enter(self, "ctx.request:get_received_bytes", check.LOG), C.GW_PDK_BYTES_IN)
end

--- The correlation id of the request.
---@phase rewrite, access, request_body, response, body, log
---@return string
function M:get_id() return text(enter(self, "ctx.request:get_id", ANY), C.GW_PDK_CORRELATION_ID) end

--- Another correlation id, for the log, for problems and for later plugins. At most 128 bytes of visible ASCII without
--- quotes and backslashes.
---@phase rewrite, access
---@param id string
function M:set_id(id)
  local h = enter(self, "ctx.request:set_id", check.BEFORE)
  id = check.text(id, "ctx.request:set_id", "the id")
  if C.gw_pdk_set_id(h, id, #id) ~= 0 then
    error("ctx.request:set_id: an id is at most 128 bytes of visible ASCII without quotes", 2)
  end
end

--- What the route's path captured.
---@phase rewrite after routing, access, request_body, response, body, log
---@return { named: table<string, string>, unnamed: string[] }
function M:get_uri_captures()
  local h = enter(self, "ctx.request:get_uri_captures", KNOWN)
  local captures, n = { named = {}, unnamed = {} }, 0
  while C.gw_pdk_capture_at(h, n) ~= 0 do
    local value = ffi_string(h.ptr2, h.len2)
    if h.len == 0 then
      captures.unnamed[#captures.unnamed + 1] = value
    else
      captures.named[ffi_string(h.ptr, h.len)] = value
    end
    n = n + 1
  end
  return captures
end

--- One value of a path template: `id` of /users/{id}; nil when the route has none of that name.
---@phase rewrite after routing, access, request_body, response, body, log
---@param name string
---@return string?
function M:get_path_param(name)
  local h = enter(self, "ctx.request:get_path_param", KNOWN)
  name = check.text(name, "ctx.request:get_path_param", "the name")
  if C.gw_pdk_capture(h, name, #name) ~= 0 then return ffi_string(h.ptr2, h.len2) end
end

--- The whole body. Waits for it; it is sent to the service afterwards as it came. "" when there is none.
---@phase rewrite, access, response
---@param max? integer  most bytes (limits.buffer)
---@return string? body, string? reason  nil, "too large" when it is longer
function M:get_raw_body(max)
  local h = enter(self, "ctx.request:get_raw_body", ANSWER)
  local content, reason = body.read(h, REQUEST, max, "ctx.request:get_raw_body") -- no tail call: errors count levels
  return content, reason
end

--- How long the body is, in bytes: 0 when there is none, nil when the client did not say (it streams).
---@phase rewrite, access, request_body, response, body, log
---@return integer?
function M:get_body_length()
  local length = C.gw_pdk_number(enter(self, "ctx.request:get_body_length", ANY), C.GW_PDK_BODY_LENGTH)
  if length == -2 then return nil end
  return math.max(length, 0)
end

--- A limit for this request's body, below limits.body: what comes beyond it is a 413, also while it streams.
---@phase rewrite, access
---@param max integer  bytes
---@return boolean ok  false when it is known already that the body is larger
function M:limit_body(max)
  local h = enter(self, "ctx.request:limit_body", check.BEFORE)
  check.integer(max, "ctx.request:limit_body", "max", 0, 2 ^ 53)
  return C.gw_pdk_limit_body(h, max) ~= 0
end

--- How fast this request's body may come: what is faster waits at the client. A hook that reads the body as a whole is
--- not held up. The last word counts.
---@phase rewrite, access
---@param rate number    bytes a second
---@param burst? number  bytes that pass without waiting, at first and after a pause; those of a second where nothing
---is said
function M:limit_rate(rate, burst)
  local what = "ctx.request:limit_rate"
  local h = enter(self, what, check.BEFORE)
  rate = check.integer(rate, what, "rate", 1, 2 ^ 50)
  C.gw_pdk_pace(h, 0, rate, check.integer(burst, what, "burst", 0, 2 ^ 50, rate), nil, nil, 0)
end

--- The body as a table, by its Content-Type: JSON or a form; of files in a form, their bytes. Waits for it.
---@phase rewrite, access, response
---@param mimetype? string  read it as this instead
---@param max_args? integer  at most so many arguments of a form (100; 1 to 1000)
---@param max? integer  most bytes (limits.buffer)
---@return table? body, string? reason, string? mimetype
function M:get_body(mimetype, max_args, max)
  local h = enter(self, "ctx.request:get_body", ANSWER)
  max_args = check.integer(max_args, "ctx.request:get_body", "max_args", 1, 1000, 100)
  return body.parse(h, REQUEST, mimetype, max_args, max, "ctx.request:get_body")
end

local function change(h, what, text_of, value, name)
  if C.gw_pdk_set_request(h, text_of, value, #value) ~= 0 then
    error(("%s: %q is not a valid %s"):format(what, value, name), 3)
  end
end

--- Another method, before routing.
---@phase global rewrite
---@param method string
function M:set_method(method)
  local h = enter(self, "ctx.request:set_method", GLOBAL)
  change(
    h,
    "ctx.request:set_method",
    C.GW_PDK_METHOD,
    check.text(method, "ctx.request:set_method", "the method"),
    "method"
  )
end

--- Another path, before routing.
---@phase global rewrite
---@param path string  starts with "/"
function M:set_path(path)
  local h = enter(self, "ctx.request:set_path", GLOBAL)
  change(h, "ctx.request:set_path", C.GW_PDK_PATH, check.text(path, "ctx.request:set_path", "the path"), "path")
end

--- Another query, before routing.
---@phase global rewrite
---@param query string|table  as it is sent, or arguments to be encoded
function M:set_query(query)
  local h = enter(self, "ctx.request:set_query", GLOBAL)
  if type(query) == "table" then
    local encoded, reason = args.encode(query)
    if not encoded then error("ctx.request:set_query: " .. reason, 2) end
    query = encoded
  end
  change(
    h,
    "ctx.request:set_query",
    C.GW_PDK_QUERY,
    check.text(query, "ctx.request:set_query", "the query"),
    "query"
  )
end

--- Sets a header, before routing.
---@phase global rewrite
---@param name string
---@param value string|number|boolean|string[]
function M:set_header(name, value)
  local h = enter(self, "ctx.request:set_header", GLOBAL)
  fields.edit(h, REQUEST, C.GW_PDK_SET, "ctx.request:set_header", name, value)
end

--- Adds a header, before routing.
---@phase global rewrite
---@param name string
---@param value string|number|boolean|string[]
function M:add_header(name, value)
  local h = enter(self, "ctx.request:add_header", GLOBAL)
  fields.edit(h, REQUEST, C.GW_PDK_ADD, "ctx.request:add_header", name, value)
end

--- Takes a header away, before routing.
---@phase global rewrite
---@param name string
function M:clear_header(name)
  local h = enter(self, "ctx.request:clear_header", GLOBAL)
  fields.clear(h, REQUEST, "ctx.request:clear_header", name)
end

return M
