-- The access log under everything that clients do: a line for each request, each of them JSON, whatever it was about.
local cjson = require("cjson")
local http = require("support.http")
local moongate = require("support.moongate")
local wire = require("support.wire")

local YAML = [[
workers: 1
limits: { head: 4k, target: 1k, head_timeout: 300ms, body: 1k }
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes:
      - { name: up, paths: [/up], strip_path: false }
]]

describe("the access log", function()
  local service, gw

  local function start(extra, handler, files)
    service = http.service(handler)
    gw = moongate.start { yaml = (extra or "") .. YAML, vars = { up = service.port }, files = files }
  end

  after_each(function()
    service:close()
    moongate.stop_all()
  end)

  it("is JSON, line by line, for hostile methods, targets and headers", function()
    start()
    math.randomseed(42)
    local function noise(max, kinds)
      local out = {}
      for i = 1, math.random(max) do
        out[i] = kinds[math.random(#kinds)]()
      end
      return table.concat(out)
    end
    local any = {
      function() return string.char(math.random(0, 255)) end,
      function() return "\27[31m" end,
      function() return '"\\' end,
      function() return "%0d%0a" end,
      function() return "a" end,
      function() return "\226\128\174" end, -- right-to-left override
      function() return "\237\160\128" end, -- half a surrogate pair
    }
    local text = {
      function() return string.char(math.random(33, 255)) end,
      function() return "é" end,
      function() return "%" end,
      function() return '{"a":"' end,
    }
    local sent = 0
    for i = 1, 200 do
      local kinds = i % 2 == 0 and any or text
      local conn = gw:connect()
      conn:send(
        ("%s /%s HTTP/1.1\r\nHost: %s\r\nX-%s: %s\r\nConnection: close\r\n\r\n"):format(
          i % 3 == 0 and noise(8, kinds) or "GET",
          noise(20, kinds),
          i % 5 == 0 and noise(8, kinds) or "a",
          i % 7 == 0 and noise(5, kinds) or "A",
          noise(20, kinds)
        )
      )
      conn:shutdown()
      local answer = conn:read_all()
      if answer ~= "" then sent = sent + 1 end
      conn:close()
    end
    assert.is_true(sent > 100)
    gw:stop()
    local raw = gw.process:stdout()
    assert.is_nil(raw:find("[%z\1-\9\11-\31\127]"))
    local lines = gw:access_log() -- decodes each, or fails
    assert.is_true(#lines >= sent, #lines .. " of " .. sent)
    for _, line in ipairs(lines) do
      assert.equal("number", type(line.statusCode))
      assert.equal("string", type(line.path))
    end
  end)

  it("has one line for each way a request can end", function()
    start("drain_timeout: 200ms\n", function(request)
      if request.target == "/up/slow" then return "" end
      return { body = "hello" }
    end)
    local function one(bytes, status, reason)
      local before = #gw:access_log()
      gw:raw(bytes)
      local lines = gw:access_log(before + 1)
      assert.equal(before + 1, #lines, bytes)
      assert.equal(status, lines[#lines].statusCode, bytes:sub(1, 80))
      assert.equal(reason, lines[#lines].error ~= cjson.null and lines[#lines].error or nil, bytes:sub(1, 80))
    end
    local close = "Host: a\r\nConnection: close\r\n\r\n"
    one("GET /up HTTP/1.1\r\n" .. close, 200)
    one("GET /no HTTP/1.1\r\n" .. close, 404, "no_route")
    one("GET /up HTTP/1.1\r\n\r\n", 400, "bad_host")
    one("nonsense\r\n\r\n", 400, "bad_request")
    one("GET /up HTTP/1.1\r\nHost: a\r\n", 408, "head_slow")
    one("GET /" .. ("x"):rep(2000) .. " HTTP/1.1\r\n" .. close, 414, "target_too_long")
    one("GET /up HTTP/1.1\r\nX: " .. ("x"):rep(5000) .. "\r\n" .. close, 431, "head_too_large")
    one("POST /up HTTP/1.1\r\nContent-Length: 5000\r\n" .. close, 413, "body_too_large")
    one("GET /up HTTP/3.0\r\n" .. close, 505, "http_version")

    local conn = gw:connect() -- nothing was asked: no line
    conn:close()
    local before = #gw:access_log()
    conn = gw:connect()
    conn:send("GET /up/slow HTTP/1.1\r\nHost: a\r\n\r\n")
    assert.is_truthy(
      wire.wait(function() return service.last_request and service.last_request.target == "/up/slow" end)
    )
    conn:close()
    local lines = gw:access_log(before + 1)
    assert.equal(before + 1, #lines)
    assert.same({ 499, "client_gone" }, { lines[#lines].statusCode, lines[#lines].error })

    service.last_request = nil
    conn = gw:connect()
    conn:send("GET /up/slow?again HTTP/1.1\r\nHost: a\r\n\r\n")
    conn:send("GET /up HTTP/1.1\r\nHost: a\r\n\r\n") -- behind it: never begun
    assert.is_truthy(wire.wait(function() return service.last_request end))
    conn:close()
    gw:stop()
  end)

  it("has one for a request that a stop ended", function()
    start("drain_timeout: 200ms\n", function() return "" end)
    local conn = gw:connect()
    conn:send("GET /up HTTP/1.1\r\nHost: a\r\n\r\n")
    assert.is_truthy(wire.wait(function() return service.last_request end))
    gw:stop()
    conn:close()
    local lines = gw:access_log()
    assert.equal(1, #lines)
    assert.same({ 503, "shutdown" }, { lines[1].statusCode, lines[1].error })
  end)

  it("says times that add up", function()
    local HANDLER = [[
local M = { version = "1.0.0", priority = 10 }
function M.rewrite(_, ctx) ctx:sleep(0.02) end
function M.access(_, ctx) ctx:sleep(0.03) end
function M.response(_, ctx) ctx:sleep(0.04) end
return M
]]
    start("plugin_paths: [./plugins]\nplugins: [{ name: naps }]\n", nil, {
      ["plugins/naps/handler.lua"] = HANDLER,
      ["plugins/naps/schema.lua"] = 'return require("moongate.schema").record {}',
    })
    for _ = 1, 5 do
      gw:get("/up")
    end
    for _, line in ipairs(gw:access_log(5)) do
      local phases = line.phases
      local sum = phases.rewrite + phases.access + phases.head + phases.response + phases.body
      assert.is_true(math.abs(sum - line.duration) <= 1, cjson.encode(line))
      assert.is_true(phases.rewrite >= 19 and phases.access >= 29 and phases.response >= 39, cjson.encode(line))
    end
    gw:stop()
  end)
end)
