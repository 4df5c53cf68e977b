--- What log plugins write of a request: the table of ctx.log:serialize(), in Kong's shape.
local ffi = require("ffi")
local client_tls = require("moongate.pdk.client_tls")
local fields = require("moongate.pdk.fields")
local json = require("moongate.json")
local plan = require("moongate.entities")
local request = require("moongate.pdk.request")

local C = require("moongate.cdef")
local ffi_string, floor = ffi.string, math.floor
local number, text_of = C.gw_pdk_number, C.gw_pdk_text

local MAX = 1000 -- headers
local DEPTH = 32 -- of what plugins put in
local SOURCES = { [0] = "upstream", "kong", "kong" } -- Kong's words: what reads these lines knows them
local HIDDEN = "REDACTED"
local secret_names = plan.secret_names
local REDACTED = { "authorization", "proxy-authorization", "cookie", "set-cookie" }

local M = {}

local function text(h, what)
  text_of(h, what)
  return ffi_string(h.ptr, h.len)
end

local function milliseconds(us) return us < 0 and -1 or floor(us / 1000) end

local function copy(value)
  if type(value) ~= "table" then return value end
  local result = {}
  for key, inner in next, value do
    result[key] = copy(inner)
  end
  return setmetatable(result, getmetatable(value))
end

-- Whether keys stand under that name, as it is written in a query.
local function is_secret(name)
  name = name:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  return secret_names[name] or secret_names[name:lower()]
end

local function hide_pair(name, value) return is_secret(name) and name .. "=" .. HIDDEN or name .. "=" .. value end

-- The query without the values of keys, behind its path.
local function with_query(path, query)
  if query == "" then return path end
  if next(secret_names) then query = query:gsub("([^&=]+)=([^&]*)", hide_pair) end
  return path .. "?" .. query
end

-- As the client wrote it; what plugins took out of the query (keys) is gone here too.
local function uri_of(log) return with_query(request.get_raw_path(log), request.get_raw_query(log)) end

local function query_of(log)
  local query = request.get_query(log, MAX)
  for name in next, query do
    if is_secret(name) then query[name] = HIDDEN end
  end
  return query
end

-- Who reads the log shall not be able to act as the client.
local function headers_of(h, head)
  local headers = fields.all(h, head, MAX)
  for i = 1, #REDACTED do
    if rawget(headers, REDACTED[i]) then headers[REDACTED[i]] = HIDDEN end
  end
  for name in next, secret_names do
    if rawget(headers, name) then headers[name] = HIDDEN end
  end
  return headers
end

-- Kong's record; nil over plain HTTP.
local function tls_of(log)
  local version = client_tls.get_version(log)
  return version
    and {
      version = version,
      cipher = client_tls.get_cipher(log),
      client_verify = client_tls.get_client_verify(log),
    }
end

local function request_of(h, log)
  local uri = uri_of(log)
  return {
    id = text(h, C.GW_PDK_CORRELATION_ID),
    tls = tls_of(log),
    method = text(h, C.GW_PDK_METHOD),
    uri = uri,
    url = ("%s://%s:%d%s"):format(text(h, C.GW_PDK_SCHEME), text(h, C.GW_PDK_HOST), number(h, C.GW_PDK_PORT), uri),
    querystring = query_of(log),
    headers = headers_of(h, C.GW_PDK_OF_REQUEST),
    size = number(h, C.GW_PDK_BYTES_IN),
  }
end

-- The last try comes first from C.
local function tries_of(h)
  local tries, n = {}, 0
  while true do
    local started = C.gw_pdk_try(h, n)
    if started == 0 then break end
    local ip, port = ffi_string(h.ptr, h.len):match("^%[?(.-)%]?:(%d+)$")
    tries[n + 1] = { balancer_start = started, ip = ip, port = tonumber(port) }
    if h.len2 > 0 then
      tries[n + 1].state, tries[n + 1].reason = "failed", ffi_string(h.ptr2, h.len2)
    end
    n = n + 1
  end
  for i = 1, floor(n / 2) do
    tries[i], tries[n + 1 - i] = tries[n + 1 - i], tries[i]
  end
  return json.array(tries), n
end

local function upstream_uri(h, tried)
  if tried == 0 then return "" end
  local path, query = text(h, C.GW_PDK_OUTGOING_PATH), text(h, C.GW_PDK_OUTGOING_QUERY)
  return with_query(path, query)
end

local function entity_of(credential, consumer)
  if credential then return { id = credential.id, consumer_id = consumer and consumer.id } end
end

---@param log table  ctx.log, whose handle `h` is
---@return table
function M.build(h, log)
  local tries, tried = tries_of(h)
  local status = number(h, C.GW_PDK_SERVICE_STATUS)
  local consumer = plan.consumers[number(h, C.GW_PDK_CONSUMER)]
  return {
    request = request_of(h, log),
    upstream_uri = upstream_uri(h, tried),
    upstream_status = status == 0 and "" or tostring(status),
    response = {
      status = number(h, C.GW_PDK_STATUS),
      headers = headers_of(h, C.GW_PDK_OF_RESPONSE),
      size = number(h, C.GW_PDK_BYTES_OUT),
    },
    latencies = {
      request = milliseconds(number(h, C.GW_PDK_DURATION)),
      kong = milliseconds(number(h, C.GW_PDK_OWN_TIME)),
      proxy = milliseconds(number(h, C.GW_PDK_WAIT_TIME)),
      receive = math.max(0, milliseconds(number(h, C.GW_PDK_REPLY_TIME))),
    },
    tries = tries,
    authenticated_entity = entity_of(log[3].credential, consumer),
    route = copy(plan.routes[number(h, C.GW_PDK_ROUTE)]),
    service = copy(plan.services[number(h, C.GW_PDK_SERVICE)]),
    consumer = copy(consumer),
    client_ip = text(h, C.GW_PDK_FORWARDED_IP),
    started_at = number(h, C.GW_PDK_START_TIME),
    source = SOURCES[number(h, C.GW_PDK_SOURCE)],
  }
end

-- Nothing that JSON could not say; nil means that it can.
local function problem(value, depth)
  local kind = type(value)
  if kind == "table" then
    if depth > DEPTH then return "is nested too deeply, or holds itself" end
    for key, inner in next, value do
      local key_kind = type(key)
      if key_kind ~= "string" and key_kind ~= "number" then return "has a key that is a " .. key_kind end
      local reason = problem(inner, depth + 1)
      if reason then return reason end
    end
  elseif kind ~= "nil" and kind ~= "string" and kind ~= "number" and kind ~= "boolean" and value ~= json.null then
    return "holds a " .. kind
  end
end

--- Why a value cannot stand in a log line.
---@return string?
function M.problem(value) return problem(value, 1) end

-- The table that `key` ("a.b.c") names the last field of, and that field; tables on the way are made unless the
-- value only replaces. nil: there is no way.
local function place(root, key, make)
  local node, from = root, 1
  while true do
    local dot = key:find(".", from, true)
    if not dot then return node, key:sub(from) end
    local name = key:sub(from, dot - 1)
    local inner = node[name]
    if inner == nil and make then
      inner = {}
      node[name] = inner
    end
    if type(inner) ~= "table" then return nil end
    node, from = inner, dot + 1
  end
end

--- Puts into the table what plugins set.
---@param root table
---@param edits { key: string, value: any, mode: string }[]
function M.edit(root, edits)
  for i = 1, #edits do
    local edit = edits[i]
    local node, name = place(root, edit.key, edit.mode ~= "replace")
    if node then
      local before = node[name]
      if edit.mode == "set" or (edit.mode == "add") == (before == nil) then node[name] = copy(edit.value) end
    end
  end
end

return M
