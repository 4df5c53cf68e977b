local c = require("support.c")
local ffi = require("ffi")
local proxy = require("support.proxy")

describe("the health of targets", function()
  local world, good, bad, answers

  before_each(function()
    world = proxy.new()
    answers = { good = "200 OK", bad = "200 OK" }
    local function backend(name)
      return world:upstream(function(conn, request)
        local answer = answers[name]
        if type(answer) == "function" then return answer(conn, request) end
        if answer then conn:write(("HTTP/1.1 %s\r\ncontent-length: 2\r\n\r\nhi"):format(answer)) end
      end)
    end
    good, bad = backend("good"), backend("bad")
  end)
  after_each(function() world:free() end)

  local function route(health, more)
    local result = { name = "h", targets = { good, bad }, health = health, service = { retries = 0 } }
    for key, value in pairs(more or {}) do
      result[key] = value
    end
    return result
  end
  local function start(health, more)
    world:start { routes = { route(health, more) } }
    world:run_registry()
  end
  local function ask() return world:client():ask("GET / HTTP/1.1\nhost: a").status end
  local function statuses(times)
    local got = {}
    for _ = 1, times do
      local status = ask()
      got[status] = (got[status] or 0) + 1
    end
    return got
  end
  local function state(up) return world:targets()[up.text].state end
  -- Time goes on until something holds; loopback needs turns, too.
  local function let_pass(seconds, done)
    for _ = 1, seconds * 10 do
      if done and done() then return true end
      world:advance(0.1)
      world:settle(10)
    end
    return not done
  end
  local function order(up, down)
    local name, target = "h-up", up.text
    return c.gw_registry_order_health(
      world.registry,
      ffi.new("struct gw_slice", name, #name),
      ffi.new("struct gw_slice", target, #target),
      down,
      world.loop.c.clock
    )
  end

  describe("by traffic", function()
    it("takes a target out after so many failures in a row, and not before", function()
      start { passive = { http_failures = 3 } }
      answers.bad = "500 Broken"
      assert.same({ [200] = 2, [500] = 2 }, statuses(4))
      assert.equal("healthy", state(bad))
      answers.bad = "200 OK"
      assert.same({ [200] = 2 }, statuses(2))
      answers.bad = "500 Broken"
      assert.same({ [200] = 3, [500] = 3 }, statuses(6))
      local target = world:targets()[bad.text]
      assert.same({ "unhealthy", "traffic", "http_failure" }, { target.state, target.by, target.why })
      assert.same({ [200] = 10 }, statuses(10))
    end)

    it("counts refused connections and timeouts apart", function()
      bad = { port = world.closed_port() }
      bad.text = "127.0.0.1:" .. bad.port
      start({ passive = { tcp_failures = 2 } }, { service = { retries = 3 } })
      assert.same({ [200] = 6 }, statuses(6)) -- tried again elsewhere
      assert.equal("tcp_failure", world:targets()[bad.text].why)
    end)

    it("counts timeouts", function()
      start({ passive = { timeouts = 1, http_failures = 1 } }, { service = { retries = 0, response_timeout = 1 } })
      answers.bad = nil
      local client = world:client()
      client:write(("GET / HTTP/1.1\r\nhost: a\r\n\r\n"):rep(2))
      assert.is_true(let_pass(3, function() return state(bad) == "unhealthy" end))
      assert.equal("timeout", world:targets()[bad.text].why)
    end)

    it("does not mind clients that go away, answers of ours, and idle connections that end", function()
      start { passive = { http_failures = 1, tcp_failures = 1, timeouts = 1, bad = { 500 } } }
      answers.bad, answers.good = nil, nil
      for _ = 1, 4 do
        local client = world:client()
        client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        world:settle(20)
        client:close()
        world:until_true(function() return world:in_flight() == 0 end)
      end
      answers.good, answers.bad = "200 OK", "200 OK"
      assert.same({ [200] = 4 }, statuses(4))
      for _, up in ipairs { good, bad } do
        for _, conn in ipairs(up.conns) do
          if not conn.closed then conn:close() end
        end
      end
      assert.same({ [200] = 4 }, statuses(4))
      assert.same({ "healthy", "healthy" }, { state(good), state(bad) })
    end)

    it("stays out over a reload, until the operator says otherwise", function()
      start { passive = { http_failures = 1 } }
      answers.bad = "500 Broken"
      statuses(2)
      answers.bad = "200 OK"
      world:use(world:configure { routes = { route { passive = { http_failures = 2 } } } })
      world:run_registry()
      assert.same({ [200] = 4 }, statuses(4))
      assert.equal("unhealthy", state(bad))
      assert.equal(1, order(bad, false))
      assert.equal("healthy", state(bad))
      assert.equal(1, order(good, true))
      local before = #bad.requests
      statuses(4)
      assert.equal(before + 4, #bad.requests)
      assert.equal(0, order({ text = "127.0.0.1:1" }, true))
    end)

    it("is forgotten where nothing looks at health any more", function()
      start { passive = { http_failures = 1 } }
      answers.bad = "500 Broken"
      statuses(2)
      assert.equal("unhealthy", state(bad))
      world:use(world:configure { routes = { route(nil) } })
      world:run_registry()
      assert.equal("healthy", state(bad))
    end)
  end)

  describe("by checks", function()
    local check =
      { interval = 1, successes = 2, http_failures = 2, tcp_failures = 2, timeouts = 2, path = "/up?x=1" }

    local function with(more)
      local result = {}
      for _, from in ipairs { check, more or {} } do
        for key, value in pairs(from) do
          result[key] = value
        end
      end
      return { check = result }
    end

    it("asks as configured", function()
      start(with { fields = { { "x-check", "yes" } } })
      assert.is_true(let_pass(3, function() return #good.requests > 0 end))
      local request = good.requests[1]
      assert.matches("^GET /up%?x=1 HTTP/1.1\r\n", request)
      assert.matches("\r\nhost: " .. good.text:gsub("%.", "%%.") .. "\r\n", request)
      assert.matches("\r\nx%-check: yes\r\n", request)
      assert.matches("\r\nuser%-agent: moongate%-health%-check\r\n", request)
    end)

    it("names nobody to targets that want to hear it by the PROXY protocol", function()
      start(with { proxy_protocol = 1 })
      assert.is_true(let_pass(3, function() return #good.requests > 0 end))
      assert.matches("^PROXY UNKNOWN\r\nGET /up", good.requests[1])
    end)

    it("falls and rises, at its intervals (2.19.1)", function()
      start(with())
      let_pass(3)
      answers.bad = "503 No"
      assert.is_true(let_pass(4, function() return state(bad) == "unhealthy" end))
      assert.same({ [200] = 4 }, statuses(4))
      assert.equal("http_failure", world:targets()[bad.text].why)
      answers.bad = "200 OK"
      assert.is_true(let_pass(4, function() return state(bad) == "healthy" end))
      local before = #good.requests
      let_pass(20)
      local made = #good.requests - before
      assert.is_true(made >= 18 and made <= 22, made .. " checks in 20 s")
    end)

    it("fails what does not answer in time, byte by byte or at all (2.19.1)", function()
      start(with { timeouts = 1, timeout = 0.5 })
      answers.bad = function(conn) conn:write("HTTP/1.1 200 OK\r\nx: ") end
      assert.is_true(let_pass(4, function() return state(bad) == "unhealthy" end))
      assert.equal("timeout", world:targets()[bad.text].why)
    end)

    it("is not held by endless heads and endless bodies", function()
      local written = 0
      local function flood(conn)
        if conn.closed or written > 4e6 then return end
        written = written + 16384
        conn:write(("x"):rep(16384))
        conn.on_room = function() flood(conn) end
      end
      start(with { body = "never there", http_failures = 1, tcp_failures = 1 })
      answers.bad = function(conn)
        conn:write("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
        for _ = 1, 8 do
          flood(conn)
        end
      end
      answers.good = function(conn)
        for i = 1, 200 do
          conn:write(("HTTP/1.1 200 OK\r\n"):rep(i == 1 and 1 or 0) .. "x-field: 1\r\n")
        end
      end
      assert.is_true(let_pass(4, function() return state(bad) == "unhealthy" and state(good) == "unhealthy" end))
      assert.same(
        { "http_failure", "tcp_failure" },
        { world:targets()[bad.text].why, world:targets()[good.text].why }
      )
    end)

    it("looks for a text in the answer, where that is wanted (2.19.2)", function()
      start(with { body = "hi", http_failures = 1 })
      let_pass(2)
      assert.equal("healthy", state(bad))
      answers.bad = function(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nho") end
      assert.is_true(let_pass(3, function() return state(bad) == "unhealthy" end))
    end)

    it("counts statuses as they are configured, and others not at all (2.19.2)", function()
      start(with { successes = 1, http_failures = 1 })
      answers.bad = "404 No"
      assert.is_true(let_pass(4, function() return state(bad) == "unhealthy" end))
      answers.bad = "302 Elsewhere"
      assert.is_true(let_pass(4, function() return state(bad) == "healthy" end))
      local before = world:targets()[bad.text].checks[c.GW_HEALTH_SUCCESS]
      answers.bad = "418 Tea" -- neither
      let_pass(4)
      local checks = world:targets()[bad.text].checks
      assert.same({ "healthy", 1 }, { state(bad), checks[c.GW_HEALTH_HTTP_FAILURE] })
      assert.is_true(checks[c.GW_HEALTH_SUCCESS] <= before + 1)
    end)

    it("asks many targets spread over the interval, and goes on so (2.19.1)", function()
      local targets, times = {}, {}
      for i = 1, 40 do
        targets[i] = world:upstream(function(conn)
          times[#times + 1] = { i, tonumber(world.loop.c.clock.now_us) / 1e6 }
          conn:write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        end)
      end
      local from = tonumber(world.loop.c.clock.now_us) / 1e6
      start(with { interval = 10, concurrency = 40 }, { targets = targets })
      let_pass(41)
      local tenths, of_one, intervals = {}, {}, {}
      for _, seen in ipairs(times) do
        local i, at = seen[1], seen[2]
        local tenth = math.floor((at - from) / 10) * 10 + math.floor((at - from) % 10)
        tenths[tenth] = (tenths[tenth] or 0) + 1
        if of_one[i] then intervals[("%.1f"):format(at - of_one[i])] = true end
        of_one[i] = at
      end
      for tenth, count in pairs(tenths) do
        assert.is_true(count <= 16, ("%d of 40 checks in second %d"):format(count, tenth))
      end
      local different = 0
      for interval in pairs(intervals) do
        different = different + 1
        assert.is_true(tonumber(interval) >= 9.4 and tonumber(interval) <= 10.7, interval)
      end
      assert.is_true(different >= 5, different .. " different intervals")
      assert.is_true(#times >= 150 and #times <= 180, #times .. " checks")
    end)

    it("connects, where that is enough (2.19.2)", function()
      local port = world.closed_port()
      start(with { type = "tcp" }, { targets = { good, port } })
      assert.is_true(let_pass(4, function() return world:targets()["127.0.0.1:" .. port].state == "unhealthy" end))
      assert.same({ 0, 0 }, { #good.requests, world:targets()[good.text].checks[c.GW_HEALTH_TCP_FAILURE] })
    end)

    it("keeps new targets out until the first passes, also in panic (2.19.3)", function()
      local health = with { before_use = true }
      health.panic_threshold = 50
      start(health)
      assert.same({ [503] = 1 }, statuses(1))
      assert.equal("unchecked", state(good))
      answers.bad = "503 No"
      assert.is_true(let_pass(2, function() return state(good) == "healthy" and state(bad) == "unhealthy" end))
    end)

    it("leaves unchanged targets alone at a reload, and ends checks of those that are gone (2.19.3)", function()
      start(with { interval = 10 })
      let_pass(11)
      local before = { #good.requests, #bad.requests }
      assert.is_true(before[1] >= 1 and before[2] >= 1)
      for _ = 1, 5 do
        world:use(world:configure { routes = { route(with { interval = 10 }, { targets = { good } }) } })
        world:run_registry()
        world:settle(20)
      end
      assert.same(before, { #good.requests, #bad.requests })
      let_pass(30)
      assert.equal(before[2], #bad.requests)
      assert.is_true(#good.requests >= before[1] + 2)
    end)

    it("checks 200 targets in parts, never more than so many at once (2.19.1)", function()
      local open, most, targets = 0, 0, {}
      local function count(conn)
        local ended = conn.on_end
        open = open + 1
        most = math.max(most, open)
        conn.on_end = function(...)
          open = open - 1
          return ended(...)
        end
      end
      for i = 1, 200 do
        targets[i] = world:upstream(function() end)
        targets[i].on_conn = count
      end
      start(with { concurrency = 7, timeout = 0.3, interval = 5 }, { targets = targets })
      let_pass(3)
      local begun = 0
      for _, target in pairs(world:targets()) do
        if type(target) == "table" then
          begun = begun + target.checks[c.GW_HEALTH_TIMEOUT] + target.checks[c.GW_HEALTH_TCP_FAILURE]
        end
      end
      assert.is_true(most > 3 and most <= 7, most .. " at once")
      assert.is_true(begun > 20 and begun < 200, begun .. " in 3 s")
    end)
  end)

  describe("beside their neighbours", function()
    local rules = { consecutive_failures = 5 }

    it("ejects for a while, lets it back by time alone, and says so (2.19.6)", function()
      start { ejection = rules }
      answers.bad = "500 Broken"
      statuses(10)
      local target = world:targets()[bad.text]
      assert.same({ "ejected", "consecutive_failures", 30 }, { target.state, target.why, target.ejected_for })
      assert.same({ [200] = 6 }, statuses(6))
      answers.bad = "200 OK"
      world:advance(30)
      local before = #bad.requests
      statuses(4)
      assert.equal(before + 2, #bad.requests)
      world:settle(20)
      assert.equal("healthy", state(bad))
    end)

    it("is not ejected any more where ejection is taken out of the configuration", function()
      start { ejection = rules }
      answers.bad = "500 Broken"
      statuses(10)
      assert.equal("ejected", state(bad))
      world:use(world:configure { routes = { route(nil) } })
      world:run_registry()
      assert.equal("healthy", state(bad))
      local before = #bad.requests
      statuses(4)
      assert.equal(before + 2, #bad.requests)
    end)

    it("never ejects the last one", function()
      start { ejection = rules }
      answers.bad, answers.good = "500 Broken", "500 Broken"
      assert.same({ [500] = 30 }, statuses(30))
      local states = { state(good), state(bad) }
      table.sort(states)
      assert.same({ "ejected", "healthy" }, states)
    end)

    it("returns with a check only where that is configured (2.19.6)", function()
      for _, early in ipairs { false, true } do
        start {
          check = { interval = 1, successes = 1 },
          ejection = { consecutive_failures = 2, returns_with_checks = early },
        }
        answers.bad = function(conn, request)
          local status = request:find("moongate%-health") and "200 OK" or "500 Broken"
          conn:write(("HTTP/1.1 %s\r\ncontent-length: 0\r\n\r\n"):format(status))
        end
        statuses(4)
        assert.equal("ejected", state(bad))
        assert.equal(early, let_pass(3, function() return state(bad) == "healthy" end))
        world:free()
        world = proxy.new()
        good = world:upstream(function(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") end)
        bad = world:upstream(function(conn, request) answers.bad(conn, request) end)
      end
    end)

    it("sweeps rates", function()
      local targets, odd = {}, nil
      for i = 1, 5 do
        local up = world:upstream(function(conn)
          local broken = i == 5 and "500 B" or "200 OK"
          conn:write(("HTTP/1.1 %s\r\ncontent-length: 0\r\n\r\n"):format(broken))
        end)
        targets[i], odd = up, up
      end
      local by_rate = { success_rate_deviations = 1.9, success_rate_targets = 5, success_rate_requests = 10 }
      start({ ejection = by_rate }, { targets = targets })
      for _ = 1, 50 do
        ask()
      end
      let_pass(11)
      assert.same({ "ejected", "success_rate" }, { state(odd), world:targets()[odd.text].why })
    end)
  end)

  describe("when too few are left (2.2.5)", function()
    local function at_40(health)
      local targets = {}
      for i = 1, 5 do
        targets[i] = world:upstream(function(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") end)
      end
      start(health, { targets = targets })
      for i = 1, 3 do
        order(targets[i], true)
      end
      return targets
    end

    it("spreads over all and says so", function()
      local targets = at_40 { panic_threshold = 50 }
      assert.same({ [200] = 20 }, statuses(20))
      for i = 1, 5 do
        assert.equal(4, #targets[i].requests)
      end
      assert.same({ "panic", 20 }, { world:targets().mood, world:targets().panicked })
    end)

    it("or refuses at once, where that is wanted", function()
      local targets = at_40 { panic_threshold = 50, fail_on_panic = true }
      assert.same({ [503] = 3 }, statuses(3))
      assert.same({ "none", 3 }, { world:targets().mood, world:targets().refused })
      order(targets[1], false)
      assert.same({ [200] = 3 }, statuses(3))
    end)

    it("does not count that as failures of anybody", function()
      at_40 { panic_threshold = 50, fail_on_panic = true, ejection = { consecutive_failures = 1 } }
      statuses(3)
      for key, target in pairs(world:targets()) do
        if type(target) == "table" then assert.equal(0, target.ejections[1], key) end
      end
    end)
  end)

  it("lets a new target start slowly beside the others (2.2.4)", function()
    start({ slow_start = 10 }, { targets = { good } })
    statuses(2)
    world:use(world:configure { routes = { route { slow_start = 10 } } })
    world:run_registry()
    statuses(40)
    local early = #bad.requests
    assert.is_true(early > 0 and early <= 8, early .. " of 40 at the beginning")
    world:advance(10)
    statuses(40)
    assert.equal(20, #bad.requests - early)
  end)

  it("lets a new target start slowly from its first passed check on (2.2.4)", function()
    local rules = { slow_start = 10 }
    rules.check = { interval = 2, successes = 1, http_failures = 1, before_use = true }
    start(rules, { targets = { good } })
    assert.is_true(let_pass(3, function() return state(good) == "healthy" end))
    let_pass(12)
    answers.bad = "503 No"
    world:use(world:configure { routes = { route(rules) } })
    world:run_registry()
    let_pass(11) -- no check passed: nothing has begun
    answers.bad = "200 OK"
    assert.is_true(let_pass(4, function() return state(bad) == "healthy" end))
    local before = #bad.requests
    statuses(40)
    local early = #bad.requests - before
    assert.is_true(early > 0 and early <= 10, early .. " of 40 at the beginning")
    let_pass(11)
    before = #bad.requests
    statuses(40)
    assert.is_true(#bad.requests - before >= 20)
  end)

  it("lets a recovered target start slowly (2.2.4)", function()
    start { passive = { http_failures = 1 }, slow_start = 10 }
    order(bad, true)
    statuses(2)
    local before = #bad.requests
    order(bad, false)
    statuses(40)
    local early = #bad.requests - before
    world:advance(10)
    statuses(40)
    assert.is_true(early <= 8, early .. " of 40 at the beginning")
    assert.equal(20, #bad.requests - before - early)
  end)
end)
