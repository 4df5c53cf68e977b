-- Random routes and random requests: the router against one that looks at every route.
local naive = require("support.naive_router")
local routers = require("support.router")

local random = math.random

local REGEXES = {
  ["~/a/\\d+$"] = "^/a/%d+$",
  ["~/a"] = "^/a",
  ["~/[ab]/"] = "^/[ab]/",
  ["~/.*/c"] = "^/.*/c",
  ["~/b?c"] = "^/b?c",
  ["~/a\\.b"] = "^/a%.b",
  ["~^/ab/?$"] = "^/ab/?$",
  ["~/"] = "^/",
  ["~/(?<x>[a-c]+)/(?<y>\\d)"] = "^/[a-c]+/%d",
}
local REGEX_LIST = {}
for text in pairs(REGEXES) do
  REGEX_LIST[#REGEX_LIST + 1] = text
end
table.sort(REGEX_LIST)

local SEGMENTS = { "a", "b", "c", "ab", "abc", "a.b", "1", "12", "aa" }
local METHODS = { "GET", "POST", "PUT", "PURGE" }
local LABELS = { "a", "b", "api", "www" }
local ENDINGS = { "com", "org", "co.uk" }

local function one_of(list) return list[random(#list)] end
local function maybe(chance) return random() < chance end

local function random_path()
  local parts = {}
  for i = 1, random(0, 4) do
    parts[i] = one_of(SEGMENTS)
  end
  return "/" .. table.concat(parts, "/") .. (maybe(0.2) and #parts > 0 and "/" or "")
end

local function random_host()
  local parts = {}
  for i = 1, random(0, 3) do
    parts[i] = one_of(LABELS)
  end
  parts[#parts + 1] = one_of(ENDINGS)
  return table.concat(parts, ".")
end

local function template()
  local path = random_path():gsub("/$", "")
  local names, n = { "x", "y", "z", "v", "w" }, 0
  local text = path:gsub("[^/]+", function()
    if maybe(0.5) then
      n = n + 1
      return "{" .. names[n] .. "}"
    end
  end)
  return n > 0 and text or "/{x}"
end

local function route_path()
  local kind = random(10)
  if kind <= 5 then return random_path() end
  if kind <= 7 then return one_of(REGEX_LIST) end
  return kind == 8 and "=" .. random_path() or template()
end

local function route_host()
  local host = random_host()
  if maybe(0.3) then return "*." .. host end
  if maybe(0.2) and host:find("%.") then return host:gsub("%.[^.]*$", ".*") .. "" end
  return host
end

local function several(make, most)
  local list = {}
  for i = 1, random(most) do
    list[i] = make()
  end
  return list
end

local function conditions(names)
  local map = {}
  for _, name in ipairs(names) do
    if maybe(0.6) then map[name] = several(function() return tostring(random(3)) end, 2) end
  end
  return next(map) and map or nil
end

local function random_route(name)
  local route = { name = name, segments = maybe(0.5), regex_priority = random(-1, 2) }
  if maybe(0.8) then route.paths = several(route_path, 3) end
  if maybe(0.4) then route.hosts = several(route_host, 3) end
  if maybe(0.3) then route.methods = several(function() return one_of(METHODS) end, 2) end
  if maybe(0.2) then route.headers = conditions { "x-a", "x-b" } end
  if maybe(0.2) then route.query = conditions { "v", "w" } end
  if maybe(0.2) then route.cookies = conditions { "a", "b" } end
  if maybe(0.2) then
    route.sources = several(
      function() return ("10.%d.%d.0/%d"):format(random(2), random(2), one_of { 0, 8, 16, 24 }) end,
      2
    )
  end
  if route.cookies or route.sources then return route end
  if not (route.paths or route.hosts or route.methods or route.headers or route.query) then
    route.paths = { "/" }
  end
  return route
end

local function random_ask()
  local headers = {}
  for _, name in ipairs { "x-a", "x-b", "x-a" } do
    if maybe(0.5) then headers[#headers + 1] = { name, tostring(random(3)) } end
  end
  if maybe(0.6) then headers[#headers + 1] = { "cookie", ("a=%d; x=y;b=%d"):format(random(3), random(3)) } end
  if maybe(0.2) then headers[#headers + 1] = { "cookie", "b=2" } end
  local query = {}
  for _, name in ipairs { "v", "w", "v" } do
    if maybe(0.5) then query[#query + 1] = name .. "=" .. random(3) end
  end
  return {
    method = one_of(METHODS),
    host = random_host(),
    path = random_path(),
    query = table.concat(query, "&"),
    headers = headers,
    client = maybe(0.8) and ("10.%d.%d.7"):format(random(2), random(2)) or nil,
  }
end

local function describe_ask(ask)
  local headers = {}
  for i, header in ipairs(ask.headers) do
    headers[i] = header[1] .. ": " .. header[2]
  end
  local all = table.concat(headers, ", ")
  return ("%s %s%s?%s [%s] %s"):format(ask.method, ask.host, ask.path, ask.query, all, tostring(ask.client))
end

describe("the router", function()
  it("finds what looking at every route finds, in 10,000 random requests", function()
    local seed = tonumber(os.getenv("GW_SEED")) or os.time()
    math.randomseed(seed)
    local found, mismatches = 0, 0
    for _ = 1, 100 do
      local routes = {}
      for i = 1, random(1, 60) do
        routes[i] = random_route(("r%02d"):format(i))
      end
      local router, reference = routers.new(routes), naive.new(routes, REGEXES)
      for _ = 1, 100 do
        local ask = random_ask()
        local name, more = router:match(ask)
        local wanted, mismatch = reference:match(ask)
        if name ~= wanted or more.method_mismatch ~= mismatch then
          error(
            ("seed %d: %s took %s (mismatch: %s), not %s (%s)"):format(
              seed,
              describe_ask(ask),
              name,
              tostring(more.method_mismatch),
              wanted,
              tostring(mismatch)
            )
          )
        end
        found = found + (name and 1 or 0)
        mismatches = mismatches + (mismatch and 1 or 0)
      end
    end
    assert.is_true(found > 2000, "too few requests matched to mean anything: " .. found)
    assert.is_true(mismatches > 10, "too few method mismatches to mean anything: " .. mismatches)
  end)

  it("gives shadowed routes nothing, in random requests", function()
    local seed = tonumber(os.getenv("GW_SEED")) or os.time()
    math.randomseed(seed)
    local seen = 0
    for _ = 1, 40 do
      local routes = {}
      for i = 1, 60 do
        routes[i] = random_route(("r%02d"):format(i))
      end
      local router, shadowed = routers.new(routes), {}
      for _, one in ipairs(router.shadows) do
        shadowed[one[1]] = one[2]
      end
      seen = seen + #router.shadows
      for _ = 1, 100 do
        local ask = random_ask()
        local name = router:match(ask)
        assert.is_nil(
          shadowed[name or ""],
          name
            and ("seed %d: %s took %s, which %s was said to shadow"):format(
              seed,
              describe_ask(ask),
              name,
              tostring(shadowed[name])
            )
        )
      end
    end
    assert.is_true(seen > 20, "too few shadowed routes to mean anything: " .. seen)
  end)
end)
