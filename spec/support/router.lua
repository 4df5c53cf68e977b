--- Makes a router from plain tables, as the loader does, and asks it.
--
--     local router = require("support.router").new {
--       { name = "users", paths = { "/users" }, hosts = { "*.example.com" }, methods = { "GET" },
--         headers = { ["x-a"] = { "1", "~*^2" } }, query = { v = { "1" } }, regex_priority = 3, segments = false },
--     }
--     router:match { method = "GET", host = "a.example.com", path = "/users/1", query = "v=1", headers = { { "x-a",
-- "1" } } }
local c = require("support.c")
local ffi = require("ffi")

local M = {}
M.__index = M

local function said(why) return why ~= nil and ffi.string(why) or nil end

local function add_conditions(build, index, add, conditions)
  for name, values in pairs(conditions or {}) do
    if #values == 0 then assert(not said(add(build, index, name, #name, nil, 0))) end
    for _, value in ipairs(values) do
      local why = said(add(build, index, name, #name, value, #value))
      if why then error(why, 0) end
    end
  end
end

local function add_route(build, index, route)
  for _, method in ipairs(route.methods or {}) do
    assert(not said(c.gw_build_route_method(build, index, method, #method)))
  end
  for _, host in ipairs(route.hosts or {}) do
    local why = said(c.gw_build_route_host(build, index, host, #host))
    if why then error(why, 0) end
  end
  for _, path in ipairs(route.paths or {}) do
    local why = said(c.gw_build_route_path(build, index, path, #path, route.segments ~= false))
    if why then error(why, 0) end
  end
  for _, name in ipairs(route.snis or {}) do
    assert(not said(c.gw_build_route_sni(build, index, name, #name)))
  end
  if route.http_only then assert(not said(c.gw_build_route_http_only(build, index))) end
  add_conditions(build, index, c.gw_build_route_header, route.headers)
  add_conditions(build, index, c.gw_build_route_argument, route.query)
  add_conditions(build, index, c.gw_build_route_cookie, route.cookies)
  for _, network in ipairs(route.sources or {}) do
    local why = said(c.gw_build_route_source(build, index, network, #network))
    if why then error(why, 0) end
  end
  assert(not said(c.gw_build_route_regex_priority(build, index, route.regex_priority or 0)))
end

local function shadows_of(build, routes)
  local shadows, route, by = {}, ffi.new("unsigned[1]"), ffi.new("unsigned[1]")
  while c.gw_build_shadow(build, #shadows, route, by) do
    shadows[#shadows + 1] = { routes[route[0] + 1].name, routes[by[0] + 1].name }
  end
  return shadows
end

--- An error is the text for the operator.
function M.new(routes)
  local build = ffi.gc(c.gw_build_new(), c.gw_build_free)
  local structs = c.gw_build_routes(build, #routes)
  for i, route in ipairs(routes) do
    local name = structs[i - 1].name
    name.ptr, name.len = c.gw_build_text(build, route.name, #route.name), #route.name
    add_route(build, i - 1, route)
  end
  c.gw_build_router(build)
  local self = { shadows = shadows_of(build, routes), routes = routes }
  self.config = ffi.gc(c.gw_build_take(build), c.gw_config_unref)
  self.router = self.config.router
  c.gw_build_free(ffi.gc(build, nil))
  return setmetatable(self, M)
end

--- A struct gw_route_query; what it points at lives as long as `keep`.
local function make_query(ask, keep)
  local query = ffi.new("struct gw_route_query")
  for _, field in ipairs { "method", "host", "path", "query" } do
    local text = ask[field] or (field == "method" and "GET" or field == "path" and "/" or "")
    keep[#keep + 1] = text
    query[field] = c.slice(text)
  end
  keep[#keep + 1] = ask.sni or ""
  query.sni, query.tls, query.https = c.slice(ask.sni or ""), ask.tls or false, ask.https or false
  if ask.client == "unix:" then
    query.client.len = 1
  elseif ask.client then
    assert(not said(c.gw_addr_bytes_parse(query.client, ask.client, #ask.client)))
  end
  local headers = ask.headers or {}
  local pairs_of = ffi.new("struct gw_route_pair[?]", #headers + 1)
  for i, header in ipairs(headers) do
    pairs_of[i - 1].name, pairs_of[i - 1].value = c.slice(header[1]), c.slice(header[2])
    keep[#keep + 1] = header
  end
  keep[#keep + 1] = pairs_of
  query.headers, query.header_count = pairs_of, #headers
  return query
end

--- The name of the route, or nil; and { matched, captures, method_mismatch, regex_errors, work }.
function M:match(ask)
  local keep = {}
  local match = ffi.new("struct gw_route_match")
  c.gw_router_match(self.router, make_query(ask, keep), match)
  local more = {
    matched = tonumber(match.matched),
    captures = {},
    method_mismatch = match.method_mismatch,
    regex_errors = match.regex_errors,
    work = match.work,
  }
  for i = 0, match.capture_count - 1 do
    more.captures[c.str(match.captures[i].name)] = c.str(match.captures[i].value)
  end
  return match.route ~= nil and c.str(match.route.name) or nil, more
end

--- The Allow header for what is asked.
function M:allowed(ask, size)
  local keep, out = {}, ffi.new("char[?]", size or 256)
  return ffi.string(out, c.gw_router_allowed_methods(self.router, make_query(ask, keep), out, size or 256))
end

--- { { name, why, path, host } } of all routes that match, best first; and how many there are.
function M:explain(ask, max)
  local keep, list = {}, {}
  local candidates = ffi.new("struct gw_route_candidate[?]", max or 16)
  local count = tonumber(c.gw_router_explain(self.router, make_query(ask, keep), candidates, max or 16))
  for i = 0, math.min(count, max or 16) - 1 do
    list[i + 1] = {
      c.str(candidates[i].route.name),
      ffi.string(candidates[i].why),
      path = c.str(candidates[i].path),
      host = c.str(candidates[i].host),
    }
  end
  return list, count
end

return M
