-- Raw requests that servers have disagreed about (spec/support/ambiguous.lua), through the gateway to real nginx and Node: each sees
-- the requests that the gateway judged, as many of them, with the same method, target, host and body. After every one a marker on
-- the same connection gets its own answer, and so does one that uses the pooled connection to the service.
local ambiguous = require("support.ambiguous")
local http = require("support.http")
local moongate = require("support.moongate")
local seen = require("support.seen")

-- What the gateway judges by goes along, so that the service can be asked whether it sees the same.
local JUDGE = [[
local M = { version = "1.0.0", priority = 1 }
function M.access(conf, ctx)
  local request = ctx.request
  local names = {}
  for name in pairs(request:get_headers(1000)) do names[#names + 1] = name end
  ctx.service.request:set_header("x-judged",
    request:get_method() .. " " .. request:get_path_with_query() .. " " .. request:get_host() .. " " .. table.concat(names, ","))
end
return M]]

local YAML = [[
plugin_paths: [plugins]
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    retries: 0
    routes: [{ name: up, paths: [/], strip_path: false, preserve_host: true, public: true, plugins: [{ name: judge }] }]
workers: 1
]]

-- What the gateway says itself, beside what it judged.
local OURS = {}
for name in
  (
    "host via connection content-length transfer-encoding x-judged x-real-ip x-forwarded-for x-forwarded-proto "
    .. "x-forwarded-host x-forwarded-port x-correlation-id expect upgrade trailer"
  ):gmatch("%S+")
do
  OURS[name] = true
end

local function words(request)
  return request.method .. " " .. request.target .. (request.body ~= "" and " " .. request.body or "")
end

local function check_judged(request, host)
  local method, target, judged_host, names = request.judged:match("^(%S+) (%S+) (%S+) (%S*)$")
  assert.equal(method, request.method)
  assert.equal(target, request.target)
  local bare = request.host:gsub(":%d+$", ""):gsub("^%[(.*)%]$", "%1")
  assert.equal(judged_host:gsub("^%[(.*)%]$", "%1"), bare)
  if host then assert.equal(host, request.host) end
  local known = {}
  for name in names:gmatch("[^,]+") do
    known[name] = true
  end
  for _, name in ipairs(request.names or {}) do
    assert.is_true(known[name] or OURS[name] or false, "the service sees a field nobody judged: " .. name)
  end
end

local function read_answers(conn, expected)
  for _, text in ipairs(expected) do
    local method, target = text:match("^(%S+) (%S+)")
    local response = assert(http.read_response(conn, { method = method }))
    assert.equal(200, response.status)
    if method ~= "HEAD" then assert.equal(method .. " " .. target, response.body) end
  end
end

local function check_end(conn)
  local rest, ended = conn:read_all()
  assert.equal("", rest)
  assert.is_truthy(ended)
end

local function check_passed(conn, case)
  read_answers(conn, case[3])
  if case.closes then return check_end(conn) end
  conn:send("GET /marker HTTP/1.1\r\nHost: marker\r\nConnection: close\r\n\r\n")
  read_answers(conn, { "GET /marker" })
  check_end(conn)
end

local function check_refused(conn, case)
  read_answers(conn, case.after or {})
  local response = assert(http.read_response(conn))
  assert.equal(case[3], response.status)
  check_end(conn)
end

local function run(gw, service, case)
  local passes = type(case[3]) == "table"
  local conn = gw:connect()
  conn:send(case[2])
  if passes then
    check_passed(conn, case)
  else
    conn:send("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
    check_refused(conn, case)
  end
  conn:close()
  assert.equal("GET /fence", gw:get("/fence").body)

  local expected = {}
  for _, text in ipairs(passes and case[3] or case.after or {}) do
    expected[#expected + 1] = text
  end
  if passes and not case.closes then expected[#expected + 1] = "GET /marker" end
  expected[#expected + 1] = "GET /fence"
  local got = {}
  local requests = service:take(#expected)
  for i, request in ipairs(requests) do
    assert.is_nil(request.fault)
    got[i] = words(request)
    check_judged(request, i == 1 and case.host)
    if case.dropped then assert.same({}, request.trailers or {}) end
  end
  assert.same(expected, got)
end

local total = 0
for _, kind in ipairs { "node", "nginx" } do
  describe(kind .. " sees what was judged:", function()
    local gw, service

    setup(function()
      service = seen.start(kind)
      gw = moongate.start {
        yaml = YAML,
        vars = { up = service.port },
        files = {
          ["plugins/judge/handler.lua"] = JUDGE,
          ["plugins/judge/schema.lua"] = "return require([[moongate.schema]]).record {}",
        },
      }
    end)

    teardown(function()
      gw:stop()
      service:stop()
      moongate.stop_all()
    end)

    for _, group in ipairs { "framing", "chunks", "heads", "targets" } do
      for _, case in ipairs(ambiguous[group]) do
        total = total + 1
        if case[kind] ~= false then it(group .. ": " .. case[1], function() run(gw, service, case) end) end
      end
    end
  end)
end

it("at least 80 requests were tried on each", function() assert.is_true(total >= 160, tostring(total)) end)
