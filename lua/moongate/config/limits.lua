--- `limits`: their types, their defaults, and what holds at each level.
local schema = require("moongate.schema")
local t = schema

local M = {}

--- What holds where nothing is written. Sizes are bytes, times milliseconds, 0 is "off".
M.DEFAULTS = {
  head = 32 * 1024,
  headers = 100,
  target = 8 * 1024,
  body = 10 * 1024 ^ 2,
  buffer = 10 * 1024 ^ 2,
  head_timeout = 10 * 1000,
  body_min_rate = 1024,
  idle_timeout = 60 * 1000,
  total_timeout = 0,
  connections = 20000,
  connections_per_client = 0,
  requests_per_connection = 10000,
  write_queue = 1024 ^ 2,
  pending = 1000,
}

-- What one request is judged by, so that a listener's word holds where route and service say nothing.
local OF_REQUESTS =
  { "body", "buffer", "body_min_rate", "idle_timeout", "total_timeout", "write_queue", "pending" }

local function fields()
  return {
    head = t.size { about = "Bytes of a request's or response's head; 431 or 502 above." },
    headers = t.count { about = "Header fields in one head." },
    target = t.size { about = "Bytes of a request's target; 414 above." },
    body = t.size { about = "Bytes of a request's body; 413 above." },
    buffer = t.size { about = "Bytes of a body that a plugin may hold, either way." },
    head_timeout = t.duration { unit = "ms", off = true, about = "From a head's first byte to its last; 408." },
    body_min_rate = t.size {
      off = true,
      about = "Bytes a second that a client must send of a body, or take of an answer, after 10 s.",
    },
    idle_timeout = t.duration { unit = "ms", off = true, about = "Silence on a connection." },
    total_timeout = t.duration { unit = "ms", off = true, about = "A whole request, from head to end; 504." },
    connections = t.count { off = true, about = "Client connections of a listener; 503 above." },
    connections_per_client = t.count {
      off = true,
      about = "Of them those of one address (IPv6: of one /64); 429 above. Trusted proxies are not counted.",
    },
    requests_per_connection = t.count {
      off = true,
      about = "Requests on one connection; the last answer closes it.",
    },
    write_queue = t.size { about = "Bytes that may wait for a slow reader; then its source is held." },
    pending = t.count { off = true, about = "Connections to services that may be in the making; 503 above." },
  }
end

-- These are decided before a route is known.
local ONLY_LISTENERS = {
  "target",
  "head_timeout",
  "connections",
  "connections_per_client",
  "requests_per_connection",
}

local function too_late() return nil, "is decided before a route is known: write it at the top or on a listener" end

--- `limits` at the top and on a listener.
M.of_listener = t.record(fields(), { default = t.none, about = "Bounds of what a peer can make grow." })

local scoped = fields()
for _, name in ipairs(ONLY_LISTENERS) do
  scoped[name] = t.any { check = too_late, about = "At the top or on a listener only." }
end

--- `limits` on a service or a route.
M.of_scope = t.record(scoped, { default = t.none, about = "Bounds of what a peer can make grow, here." })

--- The limits of one level: each layer over those before it.
---@param ... table<string, number>?
---@return table<string, number>
function M.resolve(...)
  local result = {}
  for name, value in pairs(M.DEFAULTS) do
    result[name] = value
  end
  for i = 1, select("#", ...) do
    for name, value in pairs((select(i, ...)) or {}) do
      result[name] = value
    end
  end
  return result
end

--- Whether a listener says something of the requests that come in through it.
---@param own table<string, number>
---@return boolean
function M.of_requests(own)
  for _, name in ipairs(OF_REQUESTS) do
    if own[name] then return true end
  end
  return false
end

--- What holds for a route's requests that came in through a listener. The heads of responses are the service's.
---@param listener table<string, number>  as resolved
---@param route table  with `limits` and `own_limits`
---@return table<string, number>
function M.of_route_on(listener, route)
  local result = M.resolve(listener, route.own_limits)
  result.head, result.headers = route.limits.head, route.limits.headers
  return result
end

return M
