--- What `when:` sees: request, client, consumer, route as read-only tables. There is one of each for all requests, so
--- that looking costs no table and no closure; they show the request that `M.holds` was asked about, and hold nothing.
local ffi = require("ffi")
local entities = require("moongate.entities")

local C = require("moongate.cdef")
local ffi_string = ffi.string
local number, text_of = C.gw_pdk_number, C.gw_pdk_text

local M = {}

local now -- the handle of the request that is looked at

local function text(what)
  return function()
    text_of(now, what)
    return ffi_string(now.ptr, now.len)
  end
end

local function count(what)
  return function() return number(now, what) end
end

local function tls_text(what)
  return function()
    if C.gw_pdk_tls_text(now, what) ~= 0 then return ffi_string(now.ptr, now.len) end
  end
end

local function refuse() error("what when: sees cannot be changed", 2) end

local function view(get) return setmetatable({}, { __index = get, __newindex = refuse }) end

local function readers(map)
  return view(function(_, key)
    local read = map[key]
    return read and read()
  end)
end

-- Headers in any case, "_" for "-"; the first value.
local HEADERS = view(function(_, name)
  if type(name) == "string" and C.gw_pdk_field(now, C.GW_PDK_OF_REQUEST, name, #name) ~= 0 then
    return ffi_string(now.ptr, now.len)
  end
end)

-- Arguments: the first value, or true for a bare name.
local QUERY = view(function(_, name)
  if type(name) ~= "string" then return nil end
  local kind = C.gw_pdk_arg(now, name, #name)
  if kind == 1 then return ffi_string(now.ptr2, now.len2) end
  if kind == 2 then return true end
end)

local REQUEST = readers {
  method = text(C.GW_PDK_METHOD),
  scheme = text(C.GW_PDK_FORWARDED_SCHEME),
  host = text(C.GW_PDK_HOST),
  port = count(C.GW_PDK_PORT),
  path = text(C.GW_PDK_PATH),
  raw_query = text(C.GW_PDK_QUERY),
  id = text(C.GW_PDK_CORRELATION_ID),
  content_length = function()
    local bytes = number(now, C.GW_PDK_BODY_LENGTH)
    return bytes >= 0 and bytes or nil
  end,
  http_version = function() return number(now, C.GW_PDK_HTTP_VERSION) / 10 end,
  sni = tls_text(C.GW_PDK_TLS_SNI),
  headers = function() return HEADERS end,
  query = function() return QUERY end,
}

local SUBJECT = tls_text(C.GW_PDK_TLS_SUBJECT)

local function is_verified() return C.gw_pdk_tls_number(now, C.GW_PDK_TLS_SHOWN) == 2 end

local CLIENT = readers {
  ip = text(C.GW_PDK_FORWARDED_IP),
  port = count(C.GW_PDK_CLIENT_PORT),
  peer = text(C.GW_PDK_CLIENT_IP),
  verified = is_verified,
  subject = function() return is_verified() and SUBJECT() or nil end, -- what was not checked says nothing
  trusted = function() return number(now, C.GW_PDK_PEER_TRUSTED) ~= 0 end,
}

-- A list as a set: `groups.gold` is true, or nil.
local function set(entity, field)
  return view(function(_, name)
    local list = entity()[field]
    for i = 1, list and #list or 0 do
      if list[i] == name then return true end
    end
  end)
end

local function consumer() return entities.consumers[number(now, C.GW_PDK_CONSUMER)] end
local function route() return entities.routes[number(now, C.GW_PDK_ROUTE)] end

local GROUPS, CONSUMER_TAGS, ROUTE_TAGS = set(consumer, "groups"), set(consumer, "tags"), set(route, "tags")

local CONSUMER = readers {
  id = function() return consumer().id end,
  username = function() return consumer().username end,
  custom_id = function() return consumer().custom_id end,
  groups = function() return GROUPS end,
  tags = function() return CONSUMER_TAGS end,
}

local ROUTE = readers {
  id = function() return route().id end,
  name = function() return route().name end,
  tags = function() return ROUTE_TAGS end,
  service = function()
    local service = route().service
    return service and service.name
  end,
}

--- Whether a compiled condition holds for the request of the handle. Its errors are the caller's.
---@param when function  of moongate.when.compile
---@param h table        the handle
---@return boolean
function M.holds(when, h)
  now = h
  return when(CLIENT, consumer() and CONSUMER, REQUEST, route() and ROUTE) and true or false
end

--- What a compiled expression says of the request of the handle. Its errors are the caller's.
---@param expression function  of moongate.when.compile
---@param h table              the handle
---@return any
function M.value(expression, h)
  now = h
  return expression(CLIENT, consumer() and CONSUMER, REQUEST, route() and ROUTE)
end

return M
