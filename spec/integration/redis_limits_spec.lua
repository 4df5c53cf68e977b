--- Limits in Redis: two gateways, several workers each, one budget.
local moongate = require("support.moongate")
local process = require("support.process")
local redis_server = require("support.redis")

local CURL = "/usr/bin/curl"

local YAML = [[
workers: %d
listeners: [{ address: "127.0.0.1:0" }]
redis:
  main: { unix_socket: %s, connect_timeout: 5s }
routes:
  - name: api
    paths: [/]
    public: true
    plugins:
      - name: rate-limiting
        config: { %s, policy: redis, redis: main, limit_by: route }
      - name: request-termination
        config: { status_code: 200 }
]]

-- A curl with many requests at once.
local function load(gw, count)
  local argv = { CURL, "-s", "-Z", "--parallel-max", "32", "-w", "%{http_code}\n" }
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

describe("limits in Redis", function()
  local server, folder
  local started = {}

  setup(function()
    folder = moongate.folder()
    server = redis_server.server(folder)
  end)

  teardown(function()
    server:stop()
    moongate.stop_all()
  end)

  -- Before the next one: what they leased goes back when they end.
  after_each(function()
    for i, gw in ipairs(started) do
      gw:stop()
      started[i] = nil
    end
    server:cli("FLUSHALL")
  end)

  local function gateways(config, n, workers)
    local list = {}
    for i = 1, n do
      started[#started + 1] = moongate.start { yaml = YAML:format(workers or 2, server.socket, config) }
      list[i] = started[#started]
    end
    return list
  end

  local function load_all(list, each)
    local loads = {}
    for i, gw in ipairs(list) do
      loads[i] = load(gw, each)
    end
    return loads
  end

  local function one(gw)
    local loads = { load(gw, 1) }
    for _, code in ipairs { 200, 429, 503 } do
      if count(loads, code .. "\n") == 1 then return code end
    end
  end

  it("share one budget exactly where they are strict", function()
    local list = gateways("limit: 300, window: year, timeout: 5s", 2)
    local loads = load_all(list, 400)
    assert.equal(300, count(loads, "200\n"))
    assert.equal(500, count(loads, "429\n"))
    assert.equal("", server:cli("--raw", "KEYS", "*api*"):gsub("\n", "")) -- nobody's key is readable
  end)

  it("never pass more of a fixed window where slices are leased, and leave nothing unused for long", function()
    local list = gateways("limit: 600, window: year, timeout: 5s, sync: leased", 2)
    local passed = 0
    for _ = 1, 4 do
      passed = passed + count(load_all(list, 200), "200\n")
      assert.is_true(passed <= 600, passed)
    end
    local deadline = os.time() + 20
    while passed < 600 and os.time() < deadline do -- what one holds comes back for the other
      passed = passed + count({ load(list[1], 20) }, "200\n")
    end
    assert.equal(600, passed)
    assert.equal(20, count({ load(list[2], 20) }, "429\n"))
  end)

  it("ask Redis more seldom than they decide where slices are leased", function()
    local list = gateways("limit: 100000, window: year, timeout: 5s, sync: leased", 1)
    local function calls()
      return tonumber(server:cli("INFO", "commandstats"):match("cmdstat_evalsha:calls=(%d+)") or 0)
    end
    assert.equal(50, count({ load(list[1], 50) }, "200\n"))
    local before = calls()
    assert.equal(2000, count({ load(list[1], 2000) }, "200\n"))
    assert.is_true(calls() - before < 1000, calls() - before) -- 2000 where each asks
  end)

  it("give what they leased back when their configuration goes", function()
    local gw = gateways("limit: 1000, window: year, timeout: 5s, sync: leased", 1)[1]
    local passed = count({ load(gw, 500) }, "200\n")
    gw:stop()
    started = {}
    local strict = gateways("limit: 1000, window: year, timeout: 5s", 1)[1]
    local left = tonumber(strict:get("/").headers.ratelimit:match("r=(%d+)"))
    assert.equal(1000 - passed - 1, left)
  end)

  it("bound what a leased bucket passes on top", function()
    local list =
      gateways("algorithm: token-bucket, capacity: 400, refill_rate: 0.001, timeout: 5s, sync: leased", 2)
    local passed = count(load_all(list, 600), "200\n")
    assert.is_true(passed <= 400, passed)
    assert.is_true(passed > 300, passed)
  end)

  it("take all of several limits or none", function()
    local several = "limits: [{ limit: 50, window: year, name: a }, { algorithm: sliding-window, limit: 20, window: 3600, "
      .. "name: b }], timeout: 5s"
    local list = gateways(several, 2)
    local loads = load_all(list, 100)
    assert.equal(20, count(loads, "200\n"))
    local left = list[1]:get("/").headers.ratelimit
    assert.matches('"a";r=30', left)
  end)

  for what, expected in pairs { open = 200, closed = 503, ["local"] = 200 } do
    it(("let on_failure: %s decide while Redis is gone, and ask again when it is back"):format(what), function()
      local gw = gateways("limit: 3, window: year, timeout: 100ms, on_failure: " .. what, 1, 1)[1]
      assert.equal(200, one(gw))
      server:stop()
      for _ = 1, 3 do
        assert.equal(expected, one(gw))
      end
      if what == "local" then assert.equal(429, one(gw)) end
      server:start() -- empty
      local deadline = os.time() + 30
      repeat
        one(gw)
      until not server:cli("DBSIZE"):find("^0") or os.time() > deadline
      local seen = 0
      for _ = 1, 3 do
        seen = seen + (one(gw) == 200 and 1 or 0)
      end
      assert.is_true(seen < 3) -- it counts there
      assert.is_truthy(gw:stderr():find("limits of .- are decided without Redis"))
    end)
  end

  it("take an answer of another shape for none", function()
    -- what is called EVALSHA there answers with a list of nulls
    local odd = { "--rename-command", "EVALSHA", "OLDSHA", "--rename-command", "MGET", "EVALSHA" }
    local other = redis_server.server(moongate.folder(), odd)
    local yaml = YAML:format(1, other.socket, "limit: 1, window: year, timeout: 5s, on_failure: open")
    local gw = moongate.start { yaml = yaml }
    assert.equal(5, count({ load(gw, 5) }, "200\n"))
    other:stop()
    assert.is_truthy(gw:stderr():find("it answered with something else", 1, true))
    gw:stop()
  end)

  it("say 503, not that somebody did too much, where nobody can know, leased or not", function()
    for _, sync in ipairs { "strict", "leased" } do
      local gw = gateways(("limit: 100, window: hour, sync: %s, on_failure: closed"):format(sync), 1, 1)[1]
      server:stop()
      local res = gw:get("/")
      assert.same({ 503, "limits_unavailable" }, { res.status, res.body:match('"reason":"([%w_]+)"') }, sync)
      server:start()
    end
  end)

  it("do not hold requests while Redis is stopped by a signal", function()
    local gw = gateways("limit: 100000, window: year, timeout: 20ms, on_failure: open", 1)[1]
    assert.equal(200, one(gw))
    server:pause()
    local loads = load_all({ gw }, 500)
    assert.equal(500, count(loads, "200\n"))
    server:go_on()
    assert.equal(200, one(gw))
  end)
end)
