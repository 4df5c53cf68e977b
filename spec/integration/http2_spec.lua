-- HTTP/2 by prior knowledge on both sides of the real binary, with Node's own implementation as client and as service.
local cjson = require("cjson")
local host = require("support.host")
local http = require("support.http")
local moongate = require("support.moongate")
local process = require("support.process")
local wire = require("support.wire")

local YAML = [[
workers: 1
listeners:
  - address: 127.0.0.1:0
    http2: true
services:
  - name: old
    url: http://127.0.0.1:{{old}}
    routes: [{ name: old, paths: [/old], public: true }]
  - name: new
    url: http://127.0.0.1:{{new}}
    http2: true
    routes: [{ name: new, paths: [/new], public: true }]
routes:
  - name: echo
    paths: [/echo]
    public: true
    plugins: [{ name: echo }]
]]

local NODE = "/usr/bin/node"
local SCRIPT = host.source_dir .. "/spec/support/h2.js"

local gw, up, service

local function lines_of(child)
  local lines = {}
  for line in child:stdout():gmatch("[^\n]+") do
    lines[#lines + 1] = cjson.decode(line)
  end
  return lines
end

-- So many lines of a child, as soon as they are there.
local function await_lines(child, count)
  local lines
  wire.wait(function()
    lines = lines_of(child)
    return #lines >= count or child.code
  end, 20)
  assert(#lines >= count, child:stderr())
  return lines
end

local function ask(list)
  for _, one in ipairs(list) do
    one.headers = one.headers or {}
    one.headers[":path"], one.path = one.path, nil
  end
  local result = process.run({ NODE, SCRIPT, "ask", tostring(gw.port), cjson.encode(list) }, gw.folder)
  assert(result.code == 0, result.stderr .. result.stdout)
  return cjson.decode(result.stdout)
end

local function ask_one(one) return ask({ one })[1] end

-- How many connections the service had.
local function connections() return #lines_of(service) - 1 end

describe("HTTP/2", function()
  setup(function()
    up = wire.listen()
    service = process.start({ NODE, SCRIPT, "server" }, moongate.folder())
    gw = moongate.start {
      yaml = YAML,
      vars = { old = up.port, new = await_lines(service, 1)[1].port },
    }
  end)

  teardown(function()
    up:close()
    gw:stop()
    service:kill("TERM")
    service:wait()
  end)

  it("is spoken on a listener that may, beside HTTP/1, whatever comes in one piece", function()
    local answer = ask_one { path = "/echo", body = "hello" }
    assert.equal(200, answer.status)
    assert.equal("hello", cjson.decode(answer.body).body)
    assert.equal(200, gw:get("/echo").status)
    local conn = gw:connect()
    conn:send("P"):flush()
    conn:send("OST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
    assert.equal("hi", cjson.decode(http.read_response(conn).body).body)
    conn:close()
    assert.equal("", (gw:raw("PRI * HTTP/1.1\r\n\r\n"):gsub("^%z.*", "")))
  end)

  it("carries the same model: host, version, addresses, problems", function()
    local answer = ask_one { path = "/new/a?b=c", headers = { [":authority"] = "shop.test:80", connection = nil } }
    local seen = cjson.decode(answer.body).headers
    assert.equal("/a?b=c", seen[":path"])
    assert.equal("2 moongate", seen.via)
    assert.equal("127.0.0.1", seen["x-forwarded-for"])
    assert.equal("shop.test", seen["x-forwarded-host"])
    assert.equal("yes", answer.trailers["x-last"])
    local problem = ask_one { path = "/nowhere" }
    assert.equal(404, problem.status)
    assert.equal("application/problem+json", problem.headers["content-type"])
    assert.equal("no_route", cjson.decode(problem.body).reason)
  end)

  it("goes to a service of HTTP/1 and comes back", function()
    local child = process.start({ NODE, SCRIPT, "hold", tostring(gw.port), "/old/x" }, gw.folder)
    local conn = assert(up:accept(20))
    local request = assert(http.read_request(conn))
    assert.equal("/x", request.target)
    assert.equal("127.0.0.1:" .. up.port, request.headers.host)
    conn:send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-End: 1\r\n\r\n")
    await_lines(child, 1)
    child:kill("TERM")
    child:wait()
    conn:close()
  end)

  it("is spoken for clients of HTTP/1", function()
    local response = gw:request("POST", "/new/h1", { body = ("x"):rep(300000) })
    assert.equal(200, response.status)
    assert.equal(300000, cjson.decode(response.body).length)
  end)

  it("carries large bodies both ways, and many requests on one connection", function()
    local list = {}
    for i = 1, 50 do
      list[i] = { path = "/new/" .. i, size = i * 4000, headers = { [":method"] = "POST" } }
    end
    local before = connections()
    for i, answer in ipairs(ask(list)) do
      assert.equal(200, answer.status, cjson.encode(answer))
      assert.equal(i * 4000, cjson.decode(answer.body).length)
    end
    assert.is_true(connections() - before <= 1)
    assert.is_true(connections() <= 2)
  end)

  it("tries again what the service did not take on, and only that", function()
    assert.equal(200, ask_one({ path = "/new/refused1" }).status)
    assert.equal(200, ask_one({ path = "/new/refused2", headers = { [":method"] = "POST" }, size = 1000 }).status)
    assert.equal(502, ask_one({ path = "/new/reset", headers = { [":method"] = "POST" }, size = 1000 }).status)
  end)

  it("makes another connection when the service leaves", function()
    assert.equal(200, ask_one({ path = "/new/leave" }).status)
    local before = connections()
    assert.equal(200, ask_one({ path = "/new/again" }).status)
    assert.equal(before + 1, connections())
  end)

  it("says so in the access log", function()
    local before = #gw:access_log()
    ask_one { path = "/echo" }
    gw:get("/echo")
    local lines = gw:access_log(before + 2)
    assert.equal("HTTP/2", lines[#lines - 1].protocol)
    assert.equal("HTTP/1.1", lines[#lines].protocol)
  end)
end)

describe("a connection of HTTP/2", function()
  after_each(moongate.stop_all)

  it("hears GOAWAY when its listener goes, and ends", function()
    gw = moongate.start { yaml = YAML, vars = { old = 1, new = 1 } }
    local child = process.start({ NODE, SCRIPT, "hold", tostring(gw.port), "/echo" }, gw.folder)
    await_lines(child, 1)
    gw:stop()
    local last = await_lines(child, 3)[3]
    assert.equal(0, last.goaway)
    assert.equal(200, last.answer.status)
    child:wait()
  end)
end)

describe("http2: true", function()
  local function check(service_lines)
    local folder = moongate.folder {
      ["moongate.yaml"] = "services:\n  - name: a\n    url: http://a\n" .. service_lines,
    }
    return moongate.command({ "check" }, folder)
  end

  it("at a service does not go with proxy_protocol, whose header names one client", function()
    local result = check("    http2: true\n    proxy_protocol: v2\n")
    assert.equal(1, result.code)
    assert.is_truthy((result.stdout .. result.stderr):find("services[0].proxy_protocol", 1, true))
    assert.equal(0, check("    http2: true\n").code)
  end)
end)
