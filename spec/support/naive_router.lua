--- A router as one would write it first: looks at every route, every host and every path, and compares priorities.
--- The real
--- one is measured against it. Regexes are Lua patterns here: `regexes` gives the pattern for each.
local M = {}
M.__index = M

local KINDS = { any = 0, prefix = 1, template = 2, regex = 3, exact = 4 }

local function path_of(text, regexes)
  if text:sub(1, 1) == "~" then
    return { kind = "regex", pattern = assert(regexes[text]), length = 0 }
  elseif text:sub(1, 1) == "=" then
    return { kind = "exact", text = text:sub(2), length = #text - 1 }
  elseif text:find("{", 1, true) then
    local pattern = text:gsub("[%-%.]", "%%%0"):gsub("{[%w_]+}", "[^/]+")
    return { kind = "template", pattern = "^" .. pattern .. "$", length = #text:gsub("{[%w_]+}", "") }
  end
  return { kind = "prefix", text = text, length = #text }
end

local function path_fits(path, segments, asked)
  if path.kind == "any" then
    return true
  elseif path.kind == "exact" then
    return asked == path.text
  elseif path.kind ~= "prefix" then
    return asked:find(path.pattern) ~= nil
  end
  local rest = asked:sub(#path.text + 1)
  return asked:sub(1, #path.text) == path.text
    and (not segments or rest == "" or rest:sub(1, 1) == "/" or path.text:sub(-1) == "/")
end

local function host_fits(host, asked)
  if host:sub(1, 1) == "*" then
    return #asked > #host - 1 and asked:sub(-(#host - 1)) == host:sub(2)
  elseif host:sub(-1) == "*" then
    return #asked > #host - 1 and asked:sub(1, #host - 1) == host:sub(1, -2)
  end
  return asked == host
end

local function has(list, value)
  for _, one in ipairs(list or {}) do
    if one == value then return true end
  end
  return list == nil or #list == 0
end

local function headers_fit(wanted, headers)
  for name, values in pairs(wanted or {}) do
    local found = false
    for _, header in ipairs(headers or {}) do
      found = found or (header[1] == name and has(values, header[2]))
    end
    if not found then return false end
  end
  return true
end

local function query_fits(wanted, query)
  for name, values in pairs(wanted or {}) do
    local found = false
    for key, value in (query or ""):gmatch("([^&=]+)=([^&]*)") do
      found = found or (key == name and has(values, value))
    end
    if not found then return false end
  end
  return true
end

local function cookies_fit(wanted, headers)
  for name, values in pairs(wanted or {}) do
    local found = false
    for _, header in ipairs(headers or {}) do
      for key, value in (header[1] == "cookie" and header[2] or ""):gmatch("([^;= ]+)=([^;]*)") do
        found = found or (key == name and has(values, value))
      end
    end
    if not found then return false end
  end
  return true
end

-- Networks of whole bytes: "10.1.0.0/16".
local function sources_fit(networks, client)
  if not networks then return true end
  for _, network in ipairs(networks) do
    local address, bits = network:match("^(.*)/(%d+)$")
    local bytes = {}
    for byte in address:gmatch("%d+") do
      bytes[#bytes + 1] = byte
    end
    local start = table.concat(bytes, ".", 1, bits / 8)
    if client and ((client .. "."):sub(1, #start + 1) == start .. "." or bits == "0") then return true end
  end
  return false
end

local function size(map)
  local count = 0
  for _ in pairs(map or {}) do
    count = count + 1
  end
  return count
end

local function one_if(condition) return condition and 1 or 0 end

local function weight_of(route)
  return one_if(route.hosts)
    + one_if(route.paths)
    + one_if(route.methods)
    + one_if(size(route.headers) > 0)
    + one_if(size(route.query) > 0)
    + one_if(size(route.cookies) > 0)
    + one_if(route.sources)
end

local function is_wild(host) return host:find("*", 1, true) ~= nil end

local function plain_hosts(route)
  for _, host in ipairs(route.hosts or {}) do
    if is_wild(host) then return 0 end
  end
  return one_if(route.hosts)
end

-- Compared from left to right, higher first.
local function priority_of(route, host, path)
  return {
    weight_of(route),
    plain_hosts(route),
    size(route.headers) + size(route.query) + size(route.cookies) + one_if(route.sources),
    KINDS[path.kind],
    path.kind == "regex" and route.regex_priority or 0,
    path.length,
    host and (is_wild(host) and #host - 1 or 1e9) or 0,
  }
end

-- Every pair of a host and a path.
local function split(route, regexes)
  local rules = {}
  for _, host in ipairs(route.hosts or { false }) do
    for _, text in ipairs(route.paths or { false }) do
      local path = text and path_of(text, regexes) or { kind = "any", length = 0 }
      rules[#rules + 1] = { route = route, host = host, path = path, priority = priority_of(route, host, path) }
    end
  end
  return rules
end

function M.new(routes, regexes)
  local self = setmetatable({ rules = {} }, M)
  for _, route in ipairs(routes) do
    for _, rule in ipairs(split(route, regexes)) do
      self.rules[#self.rules + 1] = rule
    end
  end
  return self
end

local function better(a, b)
  for i = 1, #a.priority do
    if a.priority[i] ~= b.priority[i] then return a.priority[i] > b.priority[i] end
  end
  return a.route.name < b.route.name
end

local function fits(rule, ask, any_method)
  local route = rule.route
  return (any_method or has(route.methods, ask.method))
    and (not rule.host or host_fits(rule.host, ask.host))
    and path_fits(rule.path, route.segments ~= false, ask.path)
    and headers_fit(route.headers, ask.headers)
    and query_fits(route.query, ask.query)
    and cookies_fit(route.cookies, ask.headers)
    and sources_fit(route.sources, ask.client)
end

local function find(self, ask, any_method)
  local best
  for _, rule in ipairs(self.rules) do
    if fits(rule, ask, any_method) and (not best or better(rule, best)) then best = rule end
  end
  return best
end

--- The name of the route, or nil and whether another method would do.
function M:match(ask)
  local best = find(self, ask, false)
  if best then return best.route.name, false end
  return nil, find(self, ask, true) ~= nil
end

return M
