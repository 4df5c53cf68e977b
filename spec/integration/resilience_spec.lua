--- Breakers, places at upstreams and retries over real workers, which share them.
local cjson = require("cjson")
local http = require("support.http")
local moongate = require("support.moongate")
local wire = require("support.wire")

describe("over all workers:", function()
  local gw, service

  after_each(function()
    if service then service:close() end
    service = nil
    moongate.stop_all()
  end)

  -- A service that answers when it is told to; counts how many wait for it at a time.
  local function slow_service()
    local slow = { held = {}, most = 0, answered = 0 }
    service = wire.listen {
      on_conn = function(conn)
        conn.on_change = function()
          if conn:peek():find("\r\n\r\n", 1, true) then
            http.read_request(conn)
            slow.held[#slow.held + 1] = conn
            slow.most = math.max(slow.most, #slow.held)
          end
          if conn.ended then
            for i, held in ipairs(slow.held) do
              if held == conn then table.remove(slow.held, i) end
            end
            conn:close()
          end
        end
      end,
    }
    slow.port = service.port
    function slow.let_go()
      local conn = table.remove(slow.held, 1)
      slow.answered = slow.answered + 1
      conn:send(http.response_bytes { body = "hi" })
    end
    return slow
  end

  local function start(port, more)
    gw = moongate.start {
      yaml = ([[
workers: 4
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes: [{ name: up, paths: [/], strip_path: false }]
%s]]):format(more),
      vars = { up = port },
    }
  end

  local function ask(count)
    local conns = {}
    for i = 1, count do
      conns[i] = gw:connect()
      conns[i]:send(http.request_bytes("GET", "/"))
    end
    return conns
  end

  local function statuses(conns)
    local found = {}
    for _, conn in ipairs(conns) do
      local response = assert(http.read_response(conn, { method = "GET", seconds = 30 }))
      found[response.status] = (found[response.status] or 0) + 1
      conn:close()
    end
    return found
  end

  it("an upstream never has more requests than it may, and all get their turn", function()
    local slow = slow_service()
    start(slow.port, "    concurrency: { max_requests: 5, max_pending: 1000, pending_timeout: 60s }\n")
    local conns = ask(200)
    for _ = 1, 200 do
      assert(wire.wait(function() return #slow.held > 0 end, 20), slow.answered .. " were answered")
      if slow.answered < 150 then wire.wait(function() return #slow.held == 5 end, 0.01) end
      slow.let_go()
    end
    assert.same({ [200] = 200 }, statuses(conns))
    assert.equal(5, slow.most)
    assert(wire.wait(function() return gw:metric("moongate_upstream_concurrency{") == 0 end))
    assert.equal(0, gw:metric("moongate_upstream_pending{"))
    assert.equal(0, gw:metric("moongate_upstream_pending_refused_total{"))
  end)

  it("a bound that finds itself is one bound, and stays over a reload", function()
    local slow = slow_service()
    start(
      slow.port,
      "    concurrency: { adaptive: { initial: 6, min: 2, interval: 10ms }, max_pending: 1000, pending_timeout: 60s }\n"
    )
    local function limit() return gw:metric('moongate_upstream_concurrency_limit{upstream="up"}') end
    local conns, answered = ask(300), 0
    assert(wire.wait(function() return #slow.held == 6 end, 20))
    assert.same({ 6, 6 }, { limit(), slow.most })
    local function let_go()
      if #slow.held == 0 then return end
      slow.let_go()
      answered = answered + 1
    end
    assert(wire.wait(function()
      let_go()
      return gw:metric('moongate_upstream_baseline_seconds{upstream="up"}') > 0
    end, 20))
    assert(wire.wait(function()
      let_go()
      return answered == 300
    end, 20))
    assert.same({ [200] = 300 }, statuses(conns))
    local before = limit()
    assert.is_true(before ~= 6, before)
    assert.equal(200, (gw:reload()))
    assert.equal(before, limit())
    assert(wire.wait(function() return gw:metric("moongate_upstream_concurrency{") == 0 end))
  end)

  it("those that leave, wherever they are in line, take nobody's place", function()
    local slow = slow_service()
    start(slow.port, "    concurrency: { max_requests: 3, max_pending: 1000, pending_timeout: 60s }\n")
    local conns = ask(120)
    assert(wire.wait(function() return gw:metric("moongate_upstream_pending{") == 117 end))
    local stay = {}
    for i, conn in ipairs(conns) do
      if i % 3 == 0 then
        stay[#stay + 1] = conn
      else
        conn:close()
      end
    end
    local left
    assert(
      wire.wait(function()
        if #slow.held > 0 then slow.let_go() end
        left = gw:metric("moongate_upstream_concurrency{") + gw:metric("moongate_upstream_pending{")
        return left == 0
      end, 30),
      left
    )
    assert.same({ [200] = 40 }, statuses(stay))
  end)

  it("places come back to zero over reloads", function()
    local slow = slow_service()
    local more = "    concurrency: { max_requests: %d, max_pending: 1000, pending_timeout: 60s }\n"
    start(slow.port, more:format(2))
    local conns = ask(40)
    for round = 1, 5 do
      gw:configure(moongate.yaml(([[
workers: 4
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes: [{ name: up, paths: [/], strip_path: false }]
]] .. more:format(1 + round % 3)), gw.opts.vars))
      assert.equal(200, (gw:reload()))
      for _ = 1, 8 do
        assert(wire.wait(function() return #slow.held > 0 end, 20))
        slow.let_go()
      end
    end
    assert.same({ [200] = 40 }, statuses(conns))
    assert(wire.wait(function() return gw:metric("moongate_upstream_concurrency{") == 0 end))
  end)

  it("a breaker lets exactly its probes through of 1000 requests at the half-open instant (2.14.2)", function()
    local slow = slow_service()
    start(
      slow.port,
      [[
    read_timeout: 60000
    circuit_breaker: { failure_threshold: 5, half_open_after: 1s, half_open_requests: 3 }
]]
    )
    local failing = ask(5)
    assert(wire.wait(function() return #slow.held == 5 end))
    for _ = 1, 5 do
      table.remove(slow.held, 1):send(http.response_bytes { status = 500 })
    end
    assert.same({ [500] = 5 }, statuses(failing))
    assert(wire.wait(function() return gw:metric('moongate_breaker_state{service="up",state="open"}') == 1 end))
    local conns = {}
    for i = 1, 1000 do
      conns[i] = gw:connect()
    end
    -- Its time is over: all of them ask, on four workers.
    assert(wire.wait(function()
      local one = cjson.decode(gw:ask("GET", "/breakers").body)[1]
      return one.state == "open" and one.probesInMs == 0
    end, 10))
    for _, conn in ipairs(conns) do
      conn:send(http.request_bytes("GET", "/"))
    end
    assert(wire.wait(function() return gw:metric("moongate_breaker_refused_total{") == 997 end, 30))
    assert(wire.wait(function() return #slow.held == 3 end))
    assert.equal(503, gw:get("/").status)
    assert.matches(
      "\nbreakers     1, 1 half open\n",
      moongate.command({ "status", "-c", gw.config }, gw.folder).stdout
    )
    slow.let_go() -- one success closes it
    assert(wire.wait(function() return gw:metric('moongate_breaker_state{service="up",state="closed"}') == 1 end))
    slow.let_go()
    slow.let_go()
    assert.same({ [200] = 3, [503] = 997 }, statuses(conns))
    assert.is_truthy(gw:wait_log("service up: circuit breaker is closed"))
  end)

  it(
    "a breaker that opened is open for all workers at once, and over a reload while it probes (2.14.6)",
    function()
      local slow = slow_service()
      start(
        slow.port,
        "    circuit_breaker: { failure_threshold: 5, half_open_after: 1s, half_open_timeout: 60s }\n"
      )
      local failing = ask(5)
      assert(wire.wait(function() return #slow.held == 5 end))
      for _ = 1, 5 do
        table.remove(slow.held, 1):send(http.response_bytes { status = 500 })
      end
      assert.same({ [500] = 5 }, statuses(failing))
      local function state()
        local one = cjson.decode(gw:ask("GET", "/breakers").body)[1]
        return one.state, one.probesInMs
      end
      assert.equal("open", (state()))
      wire.wait(function() return select(2, state()) == 0 end, 10)
      local probe = ask(1)
      assert(wire.wait(function() return #slow.held == 1 end))
      for round = 1, 3 do
        gw:configure(([[
workers: 4
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    circuit_breaker: { failure_threshold: %d, half_open_after: 1s, half_open_timeout: 60s }
    routes: [{ name: up, paths: [/], strip_path: false }]
]]):format(5 + round))
        assert.equal(200, (gw:reload()))
        assert.same({ [503] = 40 }, statuses(ask(40))) -- on all workers: its one probe is on its way
        assert.same({ "half_open", 1 }, { (state()), #slow.held })
      end
      slow.let_go()
      assert.same({ [200] = 1 }, statuses(probe))
      assert.equal("closed", (state()))
    end
  )

  it("a breaker closes when the operator says so", function()
    local status = 500
    service = http.service(function() return { status = status } end)
    start(service.port, "    circuit_breaker: { failure_threshold: 2 }\n")
    assert.same({ 500, 500, 503 }, { gw:get("/").status, gw:get("/").status, gw:get("/").status })
    assert.equal(405, gw:ask("GET", "/breakers/up/close").status)
    assert.equal(404, gw:ask("POST", "/breakers/down/close").status)
    assert.equal(404, gw:ask("POST", "/breakers/up/open").status)
    assert.equal(503, gw:get("/").status)
    status = 200
    assert.equal(204, gw:ask("POST", "/breakers/up/close").status)
    assert.equal(200, gw:get("/").status)
    assert.is_truthy(gw:wait_log("service up: circuit breaker is closed %(operator%)"))
  end)

  it("a service that always fails is asked at most 1.2 times for each request (3.4.28)", function()
    service = http.service(function() return { status = 503, body = "busy" } end)
    start(service.port, "    retry: { backoff: { base: 'off' } }\n")
    local counts = {}
    for _ = 1, 10 do
      for status, count in pairs(statuses(ask(50))) do
        counts[status] = (counts[status] or 0) + count
      end
    end
    assert.same({ [503] = 500 }, counts)
    assert.is_true(#service.requests > 500 and #service.requests <= 600, #service.requests .. " for 500")
  end)
end)
