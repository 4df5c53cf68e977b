-- Metrics as an operator needs them: text that Prometheus takes, counts that are true, and no more series than the configuration
-- makes.
local http = require("support.http")
local moongate = require("support.moongate")

local YAML = [[
workers: 2
services:
  - name: shop
    url: http://127.0.0.1:{{up}}
    routes:
      - { name: up, paths: [/up], strip_path: false }
      - { name: down, paths: [/down], strip_path: false }
]]

local FIRST_LABEL = '[%a_][%w_]*="'

-- The labels of a series as { name = value }, or nil when they are not written as they must be.
local function labels_of(text)
  local labels, at = {}, 1
  while at <= #text do
    if not text:find("^" .. FIRST_LABEL, at) then return nil end
    local name = text:match("^([%a_][%w_]*)", at)
    at = at + #name + 2
    local value = {}
    while true do
      local char = text:sub(at, at)
      if char == "" then return nil end
      if char == '"' then break end
      if char == "\\" then
        char = ({ n = "\n", ['"'] = '"', ["\\"] = "\\" })[text:sub(at + 1, at + 1)]
        if not char then return nil end
        at = at + 1
      end
      value[#value + 1] = char
      at = at + 1
    end
    if labels[name] then return nil end
    labels[name] = table.concat(value)
    at = at + 1
    if text:sub(at, at) == "," then at = at + 1 end
  end
  return labels
end

-- What `promtool check metrics` would complain of; fails, or gives the samples by series and the series by metric.
local function check(text)
  assert.equal("\n", text:sub(-1))
  local types, helps, samples, last, ended = {}, {}, {}, nil, {}
  local series = {}
  for line in text:gmatch("([^\n]*)\n") do
    local help = line:match("^# HELP ([%a_:][%w_:]*) .+$")
    local name, kind = line:match("^# TYPE ([%a_:][%w_:]*) (%a+)$")
    if help then
      assert.is_nil(helps[help], line)
      helps[help] = true
    elseif name then
      assert.is_true(helps[name] and not types[name], line)
      assert.is_truthy(({ counter = 1, gauge = 1, histogram = 1 })[kind], line)
      types[name] = kind
      if kind == "counter" then assert.is_truthy(name:find("_total$"), name) end
    else
      local metric, inner, value = line:match("^([%a_:][%w_:]*){(.*)} (%S+)$")
      if not metric then
        metric, value = line:match("^([%a_:][%w_:]*) (%S+)$")
        inner = ""
      end
      assert.is_truthy(metric and (tonumber(value) or value == "+Inf" or value == "NaN"), line)
      local labels = assert(labels_of(inner), line)
      local base = types[metric] and metric or metric:gsub("_bucket$", ""):gsub("_sum$", ""):gsub("_count$", "")
      assert.is_truthy(types[base], line)
      if base ~= last then
        assert.is_nil(ended[base], "the lines of " .. base .. " stand together")
        ended[base], last = true, base
      end
      assert.is_nil(samples[metric .. "{" .. inner], "twice: " .. line)
      samples[metric .. "{" .. inner] = tonumber(value)
      if types[base] == "counter" then assert.is_true(tonumber(value) >= 0, line) end
      local le = labels.le
      labels.le = nil
      if types[base] == "histogram" and metric:find("_bucket$") then
        local key = metric .. inner:gsub(',?le="[^"]*"', "")
        local before = series[key] or { bound = -math.huge, count = 0 }
        local bound = le == "+Inf" and math.huge or tonumber(le)
        assert.is_true(bound > before.bound and tonumber(value) >= before.count, line)
        series[key] = { bound = bound, count = tonumber(value) }
      elseif metric:find("_count$") and types[base] == "histogram" then
        local buckets = series[base .. "_bucket" .. inner]
        assert.same({ math.huge, tonumber(value) }, { buckets.bound, buckets.count }, line)
      end
    end
  end
  return samples
end

local function count(samples, pattern)
  local n, sum = 0, 0
  for name, value in pairs(samples) do
    if name:find(pattern) then
      n, sum = n + 1, sum + value
    end
  end
  return n, sum
end

describe("metrics", function()
  local service, gw

  local function start(handler, extra, files)
    service = http.service(handler)
    gw = moongate.start { yaml = (extra or "") .. YAML, vars = { up = service.port }, files = files }
  end

  local function scrape() return check(gw:ask("GET", "/metrics").body) end

  after_each(function()
    service:close()
    moongate.stop_all()
  end)

  it("are text that Prometheus takes, whatever stands in a plugin's labels", function()
    local HANDLER = [[
local metrics = require("moongate.metrics")
local M = { version = "1.0.0", priority = 10 }
local seen
function M.init() seen = metrics.counter { name = "seen", about = 'Says "a\\b".', labels = { "what" } } end
function M.log(_, ctx) seen:add(1, 'qu"o\\te\n' .. ctx.request:get_header("x-what")) end
return M
]]
    start(nil, "plugin_paths: [./plugins]\nplugins: [{ name: odd }]\n", {
      ["plugins/odd/handler.lua"] = HANDLER,
      ["plugins/odd/schema.lua"] = 'return require("moongate.schema").record {}',
    })
    gw:get("/up", { ["X-What"] = "\195\188\255" })
    gw:get("/nothing", { ["X-What"] = "2" })
    gw:access_log(2)
    gw:reload()
    local samples = scrape()
    assert.equal(1, samples['moongate_plugin_odd_seen_total{what="qu\\"o\\\\te\\n\195\188\239\191\189"'])
    gw:stop()
  end)

  it("count what clients saw, and go on counting over reloads", function()
    local n = 0
    start(function()
      n = n + 1
      return { status = ({ 200, 201, 404, 500 })[n % 4 + 1], body = "x" }
    end)
    local seen, before = {}, nil
    for round = 1, 5 do
      local conn = gw:connect()
      for i = 1, 40 do
        local target = i % 10 == 0 and "/nothing" or i % 2 == 0 and "/up" or "/down"
        local status = gw:request("GET", target, { conn = conn }).status
        local key = (target == "/nothing" and "" or target:sub(2)) .. " " .. status
        seen[key] = (seen[key] or 0) + 1
      end
      conn:close()
      gw:access_log(40 * round)
      local samples = scrape()
      for key, times in pairs(seen) do
        local route, status = key:match("^(%S*) (%d+)$")
        local _, sum = count(samples, ('^moongate_requests_total{.*route="%s",code="%s"$'):format(route, status))
        assert.equal(times, sum, key)
      end
      local _, requests = count(samples, "^moongate_requests_total{")
      local _, durations = count(samples, "^moongate_request_duration_seconds_count{")
      assert.same({ 40 * round, 40 * round }, { requests, durations })
      for name, value in pairs(before or {}) do
        if name:find("_total[{]") or name:find("_count{") then assert.is_true(samples[name] >= value, name) end
      end
      before = samples
      assert.equal(200, (gw:reload()))
    end
    gw:stop()
  end)

  it("have no series for what only clients and services make up", function()
    math.randomseed(7)
    start(function() return { status = math.random(200, 999), body = "x" } end)
    local conn = gw:connect()
    for _ = 1, 1500 do
      local path = ("/%s/%x"):format(math.random() < 0.5 and "up" or "nowhere", math.random(2 ^ 31))
      local headers = { Host = ("h%x.example"):format(math.random(2 ^ 31)), ["X-Y"] = tostring(math.random()) }
      local method = ("M%X"):format(math.random(2 ^ 31))
      local response = gw:request(method, path, { conn = conn, headers = headers })
      if not response or response.headers.connection == "close" then
        conn:close()
        conn = gw:connect()
      end
    end
    conn:close()
    local samples = scrape()
    local series, requests = count(samples, "^moongate_requests_total{")
    assert.equal(1500, requests)
    assert.is_true(series <= 75, series) -- the registered statuses, a class each, and 404
    assert.equal(2, (count(samples, "^moongate_request_duration_seconds_count{")))
    gw:stop()
  end)
end)
