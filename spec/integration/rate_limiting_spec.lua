--- Limits under load: several workers, many connections, HTTP/2 and reloads share one budget, to the last request.
local cjson = require("cjson")
local host = require("support.host")
local moongate = require("support.moongate")
local process = require("support.process")

local CURL, NODE = "/usr/bin/curl", "/usr/bin/node"
local SCRIPT = host.source_dir .. "/spec/support/h2.js"

local YAML = [[
workers: 2
listeners: [{ address: "127.0.0.1:0", http2: true }]
routes:
  - name: api
    paths: [/]
    public: true
    plugins:
      - name: rate-limiting
        config: %s
      - name: request-termination
        config: { status_code: 200 }
]]

local LIMIT = "{ limit: 300, window: year, limit_by: route }"

-- A curl with many requests at once.
local function load(gw, count)
  local argv = { CURL, "-s", "-Z", "--parallel-max", "64", "-w", "%{http_code}\n" }
  argv[#argv + 1] = ("http://127.0.0.1:%d/[1-%d]"):format(gw.port, count)
  return process.start(argv, gw.folder)
end

local function count(loads, code)
  local found = 0
  for _, one in ipairs(loads) do
    assert(one:wait(60), "curl did not end")
    for _ in one:stdout():gmatch(code) do
      found = found + 1
    end
  end
  return found
end

describe("2.6 (3) one budget", function()
  local gw

  after_each(moongate.stop_all)

  it("is shared by all workers, to the last request", function()
    gw =
      moongate.start { yaml = YAML:format(LIMIT):gsub("name: rate%-limiting", "%0\n        instance_name: day") }
    local loads = {}
    for i = 1, 4 do
      loads[i] = load(gw, 200)
    end
    assert.equal(300, count(loads, "200\n"))
    assert.equal(500, count(loads, "429\n"))
    assert.equal(300, gw:metric('moongate_ratelimit_requests_total{use="day",result="allowed"}'))
  end)

  it("goes on through reloads under load, and is judged by the new number then", function()
    gw = moongate.start { yaml = YAML:format(LIMIT) }
    local loads = {}
    for i = 1, 3 do
      loads[i] = load(gw, 200)
      gw:reload()
    end
    assert.equal(300, count(loads, "200\n"))
    gw:configure(YAML:format((LIMIT:gsub("300", "310"))))
    gw:reload()
    assert.equal(10, count({ load(gw, 50) }, "200\n"))
  end)

  it("holds for many streams of HTTP/2", function()
    gw = moongate.start { yaml = YAML:format(LIMIT) }
    local asks, children = {}, {}
    for i = 1, 200 do
      asks[i] = { headers = { [":path"] = "/" .. i } }
    end
    for i = 1, 4 do
      children[i] = process.start({ NODE, SCRIPT, "ask", tostring(gw.port), cjson.encode(asks) }, gw.folder)
    end
    local found = { [200] = 0, [429] = 0 }
    for _, child in ipairs(children) do
      assert.equal(0, child:wait(60))
      for _, answer in ipairs(cjson.decode(child:stdout())) do
        found[answer.status] = found[answer.status] + 1
      end
    end
    assert.same({ [200] = 300, [429] = 500 }, found)
  end)
end)

describe("2.6 (6) a refused upload", function()
  local gw

  before_each(function()
    gw = moongate.start { yaml = YAML:format("{ limit: 1, window: year, limit_by: route }") }
    assert.equal(200, gw:get("/").status)
  end)

  after_each(moongate.stop_all)

  it("is not sent by a client that expects 100 Continue", function()
    gw:write("large", ("x"):rep(4 * 1024 * 1024))
    local run = process.run({
      CURL,
      "-s",
      "-o",
      "/dev/null",
      "-w",
      "%{http_code} %{size_upload}",
      "-H",
      "Expect: 100-continue",
      "--data-binary",
      "@" .. gw:path("large"),
      ("http://127.0.0.1:%d/"):format(gw.port),
    }, gw.folder)
    assert.equal("429 0", run.stdout)
    assert.equal(429, gw:get("/").status)
  end)

  it("leaves the connection of HTTP/2 to the other streams", function()
    local asks = {}
    for i = 1, 20 do
      asks[i] = { headers = { [":path"] = "/" .. i, [":method"] = "POST" }, size = 400 * 1024 }
    end
    asks[21] = { headers = { [":path"] = "/last" } }
    local run = process.run({ NODE, SCRIPT, "ask", tostring(gw.port), cjson.encode(asks) }, gw.folder)
    assert.equal(0, run.code, run.stderr)
    for i, answer in ipairs(cjson.decode(run.stdout)) do
      assert.equal(429, answer.status, i)
    end
  end)
end)
