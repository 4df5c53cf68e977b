--- Says which pages may read the answers: the CORS protocol of the Fetch standard.
--- The headers are set twice over: in access for every answer that is made from then on, whoever makes it, and in
--- response for those of requests that never got there (404, 413, a plugin before this one).
local regex = require("moongate.regex")

local M = { version = "1.0.0", priority = 2000 }

-- [conf] = what init made of it.
local rules = {}

local DEFAULT_PORT = { http = ":80", https = ":443" }

--- An origin in lower case and without its scheme's own port, and its host; nil when it is none ("null", a path …).
local function parse(origin)
  local scheme, rest = origin:lower():match("^(%a[%w+.-]*)://([^/?#@%s]+)$")
  local host = rest and (rest:match("^%[[%x:.]+%]") or rest:match("^[^:%[%]]+"))
  local port = host and rest:sub(#host + 1)
  if not port or (port ~= "" and not port:find("^:%d+$")) then return nil end
  return ("%s://%s%s"):format(scheme, host, port == DEFAULT_PORT[scheme] and "" or port), host
end

local function add_origin(rule, entry)
  if entry == "*" then
    rule.any = true
  elseif entry == "null" then
    rule.null = true
  elseif entry:find("[^%w.:/-]") then
    rule.patterns[#rule.patterns + 1] = {
      regex = assert(regex.new("^(?:" .. entry .. ")$")),
      whole = entry:gsub("%(%?:", ""):find(":") ~= nil, -- the colon of (?: …) does not count
    }
  else
    entry = entry:gsub("/$", "")
    rule.flat[parse(entry) or entry:lower()] = true
  end
end

local function list(names) return names and names[1] and table.concat(names, ", ") or nil end

local function build(conf)
  local origins = conf.origins or {}
  local rule = {
    any = origins[1] == nil,
    flat = {},
    patterns = {},
    headers = list(conf.headers),
    methods = list(conf.methods),
    exposed = list(conf.exposed_headers),
    max_age = conf.max_age and ("%d"):format(conf.max_age),
  }
  for _, entry in ipairs(origins) do
    add_origin(rule, entry)
  end
  if rule.headers and (", " .. rule.headers .. ","):find(", *,", 1, true) then rule.headers = nil end
  if #origins == 1 and next(rule.flat) then
    rule.only = parse(next(rule.flat)) -- the same for everybody, so requests without an origin are told, too
  end
  rule.varies = not rule.any or conf.credentials or not conf.allow_origin_absent
  return rule
end

local function is_listed(rule, origin)
  if rule.flat[origin] then
    return true -- as browsers write it
  end
  local whole, host = parse(origin)
  if not whole then
    return rule.null and origin == "null"
  elseif rule.flat[whole] or rule.flat[host] then
    return true
  end
  for _, pattern in ipairs(rule.patterns) do
    if pattern.regex:test(pattern.whole and whole or host) then return true end
  end
  return false
end

--- What Access-Control-Allow-Origin says to a page of that origin; nil: nothing.
local function answer(rule, conf, origin)
  if rule.any then
    if not conf.credentials then return "*" end
    return origin and parse(origin) and origin
  elseif not origin then
    return rule.only
  end
  return is_listed(rule, origin) and origin or nil
end

--- On every answer but a preflight's. What the service itself says about it is overruled.
local function tell(rule, conf, response, origin)
  if rule.varies then response:add_header("vary", "Origin") end
  if not origin and not conf.allow_origin_absent then return end
  local allowed = answer(rule, conf, origin)
  if not allowed then
    response:clear_header("access-control-allow-origin")
    return response:clear_header("access-control-allow-credentials")
  end
  response:set_header("access-control-allow-origin", allowed)
  if conf.credentials then
    response:set_header("access-control-allow-credentials", "true")
  else
    response:clear_header("access-control-allow-credentials")
  end
  if rule.exposed then response:set_header("access-control-expose-headers", rule.exposed) end
end

local function is_preflight(request, origin)
  return origin ~= nil
    and request:get_method() == "OPTIONS"
    and request:get_header("access-control-request-method") ~= nil
end

local function answer_preflight(rule, conf, ctx, origin)
  local request = ctx.request
  local vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
  local allowed = answer(rule, conf, origin)
  if not allowed then return ctx.response:exit(200, nil, { vary = vary }) end
  local asks_for_network = request:get_header("access-control-request-private-network") == "true"
  return ctx.response:exit(200, nil, {
    vary = vary,
    ["access-control-allow-origin"] = allowed,
    ["access-control-allow-credentials"] = conf.credentials and "true" or nil,
    ["access-control-allow-methods"] = rule.methods,
    ["access-control-allow-headers"] = rule.headers or request:get_header("access-control-request-headers"),
    ["access-control-allow-private-network"] = conf.private_network and asks_for_network and "true" or nil,
    ["access-control-max-age"] = rule.max_age,
  })
end

function M.init(configs)
  for _, conf in ipairs(configs) do
    rules[conf] = build(conf)
  end
end

function M.access(conf, ctx)
  local origin, rule = ctx.request:get_header("origin"), rules[conf]
  ctx.plugin.told = true
  if not is_preflight(ctx.request, origin) then
    return tell(rule, conf, ctx.response, origin)
  elseif not conf.preflight_continue then
    return answer_preflight(rule, conf, ctx, origin)
  end
end

function M.response(conf, ctx)
  if not ctx.plugin.told then tell(rules[conf], conf, ctx.response, ctx.request:get_header("origin")) end
end

return M
