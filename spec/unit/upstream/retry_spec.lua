local c = require("support.c")
local json = require("cjson")
local proxy = require("support.proxy")

local OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
local BUSY = "HTTP/1.1 503 Busy\r\n%scontent-length: 4\r\n\r\nbusy"

describe("a service's rules of trying again", function()
  local world

  before_each(function() world = proxy.new() end)
  after_each(function() world:free() end)

  -- Answers one after the other, the last one again and again; `false` closes, `nil` inside says nothing.
  local function service_that(...)
    local answers = { n = select("#", ...), ... }
    return world:upstream(function(conn, _, nth)
      local answer = answers[math.min(nth, answers.n)]
      if answer == false then
        conn:close()
      elseif answer then
        conn:write(answer)
      end
    end)
  end

  local function start(targets, retry, more)
    local route = { name = "r", targets = targets, retry = retry or {} }
    for key, value in pairs(more or {}) do
      route[key] = value
    end
    world:start { routes = { route } }
  end

  local function get() return world:client():ask("GET / HTTP/1.1\nhost: a") end
  local function post(body)
    local client = world:client()
    client:write(("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%s"):format(#body, body))
    return client:response()
  end
  local function busy(head) return BUSY:format(head or "") end

  describe("for answers", function()
    it("asks once more where the status is in the list, and tells nobody of the first", function()
      local up = service_that(busy(), OK)
      start { up }
      local response = get()
      assert.same({ 200, "hi", 2 }, { response.status, response.body, #up.requests })
    end)

    it("passes on what is not in the list", function()
      local up = service_that("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", OK)
      start { up }
      assert.same({ 500, 1 }, { get().status, #up.requests })
    end)

    it("passes the last answer on, after as many tries as there may be", function()
      local up = service_that(busy())
      start({ up }, {}, { service = { retries = 2 } })
      local response = get()
      assert.same({ 503, "busy", 3 }, { response.status, response.body, #up.requests })
    end)

    it("takes another target than before", function()
      local bad, good = service_that(busy()), service_that(OK)
      start { bad, good }
      for _ = 1, 4 do
        assert.equal(200, get().status)
      end
      assert.same({ 2, 4 }, { #bad.requests, #good.requests })
    end)

    it("does not repeat a method that must not be, unless the configuration allows it", function()
      local up = service_that(busy(), OK)
      start { up }
      assert.same({ 503, 1 }, { post("x").status, #up.requests })
      world:use(
        world:configure { routes = { { name = "r", targets = { up }, retry = { methods = { "POST" } } } } }
      )
      assert.equal(200, post("x").status)
    end)

    it("repeats a body that was streamed, as far as it is kept", function()
      local up = service_that(busy(), OK, busy(), OK)
      start({ up }, { methods = { "POST" }, replay = 1000 })
      local body = ("b"):rep(1000)
      assert.equal(200, post(body).status)
      assert.equal(body, up.requests[2]:match("\r\n\r\n(.*)$"))
      assert.equal(503, post(body .. "b").status)
      assert.equal(3, #up.requests)
    end)

    it("keeps the connection of an answer that was whole", function()
      local up = service_that("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", OK)
      start { up }
      assert.equal(200, get().status)
      world:until_true(function() return world:idle() == 2 end, "both connections to be kept")
    end)

    it("reads an answer to its end while it pauses, so that its connection serves the next", function()
      local up = service_that("HTTP/1.1 503 Busy\r\nretry-after: 2\r\ncontent-length: 8\r\n\r\nbusy", OK)
      start { up }
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      world:until_true(function() return #up.requests == 1 and world:in_flight() == 0 end)
      assert.equal(0, world:idle())
      up.conns[1]:write("more")
      world:until_true(function() return world:idle() == 1 end, "the connection to be kept")
      world:advance(2.1)
      assert.equal(200, client:response().status)
      assert.equal(1, #up.conns)
    end)

    it("gives an answer up that does not end while it pauses, or whose client leaves", function()
      local up = service_that("HTTP/1.1 503 Busy\r\nretry-after: 2\r\ncontent-length: 8\r\n\r\nbusy", OK)
      start { up }
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      world:until_true(function() return #up.requests == 1 and world:in_flight() == 0 end)
      world:advance(2.1)
      assert.equal(200, client:response().status)
      assert.equal(2, #up.conns)
      world:until_true(function() return up.conns[1].closed end)
    end)

    it("bears a reset while it reads an answer to its end", function()
      local up = service_that("HTTP/1.1 503 Busy\r\nretry-after: 2\r\ncontent-length: 8\r\n\r\nbusy", OK)
      start { up }
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      world:until_true(function() return #up.requests == 1 and world:in_flight() == 0 end)
      up.conns[1]:close()
      world:settle(5)
      world:advance(2.1)
      assert.equal(200, client:response().status)
    end)

    it("is over when something of an answer was passed on", function()
      local up = service_that("HTTP/1.1 103 Early\r\nlink: x\r\n\r\n" .. busy(), OK)
      start { up }
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      assert.same({ 103, 503, 1 }, { client:response().status, client:response().status, #up.requests })
    end)
  end)

  it("are the route's where it has some", function()
    local up = service_that(busy(), OK, "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", OK)
    start({ up }, {}, { route_retry = { statuses = { 500 } } })
    assert.equal(503, get().status)
    assert.equal(200, get().status)
    assert.equal(200, get().status)
    assert.equal(4, #up.requests)
  end)

  describe("for failures", function()
    it("are resets, of a new connection too, and of what may be repeated", function()
      local up = service_that(false, false, OK)
      start { up }
      assert.same({ 200, 3 }, { get().status, #up.requests })
    end)

    it("are not resets of what may have been done", function()
      local up = service_that(false, OK)
      start { up }
      assert.same({ 502, 1 }, { post("x").status, #up.requests })
    end)

    it("are those that the list says", function()
      local up = service_that(false, OK)
      start({ up }, { on = { "connect" } })
      assert.same({ 502, 1 }, { get().status, #up.requests })
    end)

    it("are connections that do not come about, whatever the method", function()
      local up = service_that(OK)
      start { proxy.closed_port(), up }
      for _ = 1, 4 do
        assert.equal(200, post("x").status)
      end
    end)
  end)

  describe("per_try_timeout", function()
    it("ends a try that says nothing, and begins another", function()
      local slow, quick = service_that(nil), service_that(OK)
      start({ slow, quick }, { on = { "timeout" }, per_try_timeout = 2 })
      local clients = { world:client(), world:client() }
      for _, client in ipairs(clients) do
        client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      end
      world:until_true(function() return #slow.requests == 1 and #quick.requests == 1 end)
      world:advance(1.9)
      assert.equal(1, #quick.requests)
      world:advance(0.2)
      for _, client in ipairs(clients) do
        assert.equal(200, client:response().status)
      end
    end)

    it("ends the last try too", function()
      local slow = service_that(nil)
      start({ slow }, { on = { "timeout" }, per_try_timeout = 2 }, { service = { retries = 1 } })
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      world:until_true(function() return #slow.requests == 1 end)
      world:advance(2.1)
      world:until_true(function() return #slow.requests == 2 end)
      world:advance(2.1)
      assert.same(
        { 504, "response_timeout" },
        (function()
          local response = client:response()
          return { response.status, json.decode(response.body).reason }
        end)()
      )
    end)

    it("does not count the time a client takes to send its request", function()
      local up = service_that(OK)
      start(
        { up },
        { on = { "timeout" }, per_try_timeout = 1, methods = { "POST" } },
        { service = { retries = 1 } }
      )
      local client = world:client()
      client:write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nx")
      world:until_true(function() return #up.conns == 1 end)
      world:advance(5)
      client:write("y")
      assert.equal(200, client:response().status)
      assert.equal(1, #up.conns)
    end)

    it("does not lengthen response_timeout", function()
      local slow = service_that(nil)
      start(
        { slow },
        { on = { "timeout" }, per_try_timeout = 2 },
        { service = { retries = 9, response_timeout = 5 } }
      )
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      for tries = 1, 3 do
        world:until_true(function() return #slow.requests == tries end)
        if tries < 3 then world:advance(2.1) end
      end
      world:advance(1)
      assert.equal(504, client:response().status)
      assert.equal(3, #slow.requests)
    end)
  end)

  describe("the pause", function()
    it("holds nothing of the upstream, and ends with the client", function()
      local up = service_that(busy("retry-after: 3\r\n"), OK)
      start { up }
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      world:until_true(function() return #up.requests == 1 and world:in_flight() == 0 end)
      assert.equal(1, world:active())
      client:close()
      world:until_true(function() return world:active() == 0 end)
      world:advance(10)
      assert.equal(1, #up.requests)
    end)

    it("is as long as the service's Retry-After, in either form", function()
      local date = c.str(c.gw_http_date(world.loop.c.clock.wall_us + 3000000))
      for _, value in ipairs { "3", date } do
        world:free()
        world = proxy.new()
        local up = service_that(busy("retry-after: " .. value .. "\r\n"), OK)
        start { up }
        local client = world:client()
        client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        world:until_true(function() return #up.requests == 1 and world:in_flight() == 0 end)
        world:advance(1.9)
        assert.equal(1, #up.requests)
        world:advance(1.2)
        assert.equal(200, client:response().status)
      end
    end)

    it("is not longer than retry_after, nor than the time there is: then the answer goes on", function()
      for _, case in ipairs { { "6", {} }, { "4", { limits = { total_timeout = 3 } } } } do
        local up = service_that(busy("retry-after: " .. case[1] .. "\r\n"), OK)
        start({ up }, {}, case[2])
        assert.same(
          { 503, case[1] },
          (function()
            local response = get()
            return { response.status, response.headers["retry-after"] }
          end)()
        )
        world:free()
        world = proxy.new()
      end
    end)

    it("grows up to its maximum, by chance", function()
      local up = service_that(false, false, OK)
      start({ up }, { base = 1, max = 1 })
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      world:until_true(function() return #up.requests == 1 and world:in_flight() == 0 end)
      world:advance(1)
      world:until_true(function() return #up.requests == 2 and world:in_flight() == 0 end)
      world:advance(1)
      assert.equal(200, client:response().status)
    end)

    it("ends with total_timeout", function()
      local up = service_that(busy("retry-after: 2\r\n"))
      start({ up }, {}, { limits = { total_timeout = 3 } })
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      world:until_true(function() return #up.requests == 1 and world:in_flight() == 0 end)
      world:advance(2.1)
      assert.equal(503, client:response().status)
      assert.equal(2, #up.requests)
    end)
  end)

  describe("the budget", function()
    it("asks a service that always fails at most 1.2 times for each request (3.4.28)", function()
      local up = service_that(busy())
      start({ up }, { min = 3 })
      local client = world:client()
      for _ = 1, 200 do
        assert.equal(503, client:ask("GET / HTTP/1.1\nhost: a").status)
      end
      assert.equal(240, #up.requests)
      local scrape = world:scrape()
      assert.equal(40, scrape['moongate_upstream_retries_total{service="r",reason="status"}'])
      assert.is_true(scrape['moongate_upstream_retries_refused_total{service="r"}'] > 100)
      assert.is_true(scrape['moongate_upstream_retried_requests_total{service="r",outcome="failed"}'] > 0)
    end)

    it("is the upstream's, and stays over a reload", function()
      local up = service_that(busy())
      start({ up }, { min = 3 })
      get()
      assert.equal(4, #up.requests)
      world:use(world:configure { routes = { { name = "r", targets = { up }, retry = { min = 3 } } } })
      get()
      assert.equal(5, #up.requests)
    end)

    it("bounds the race with an idle connection, too, which is none of the retries", function()
      local nth = 0
      local up = world:upstream(function(conn)
        nth = nth + 1
        if nth % 2 == 0 then return conn:close() end
        conn:write(OK)
      end)
      start({ up }, { on = { "connect" }, statuses = { 599 }, min = 1 }, { service = { retries = 1 } })
      local function warm()
        assert.equal(200, get().status)
        world:until_true(function() return world:idle() == 1 end)
      end
      warm()
      assert.equal(200, get().status)
      world:until_true(function() return world:idle() == 1 end)
      assert.equal(502, get().status) -- the budget of one is spent
    end)
  end)

  describe("the deadline a service is told", function()
    local up

    local function told(nth) return up.requests[nth or #up.requests]:lower():match("\r\nx%-left: (%S+)") end

    before_each(function()
      up = world:upstream(function(conn, _, nth) conn:write(nth == 1 and busy("retry-after: 2\r\n") or OK) end)
    end)

    it("is what is left of total_timeout at each try, whatever the client said", function()
      start({ up }, {}, { limits = { total_timeout = 9 }, service = { deadline_header = "x-left" } })
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\nx-left: 99999999\r\nX-Left: 1\r\nX_left: 99999999\r\n\r\n")
      world:until_true(function() return #up.requests == 1 and world:in_flight() == 0 end)
      assert.equal("9000", told())
      world:advance(2.1)
      assert.equal(200, client:response().status)
      local left = tonumber(told(2))
      assert.is_true(left > 6800 and left <= 7000, left)
      assert.is_nil(up.requests[2]:find("99999999", 1, true))
    end)

    it("is per_try_timeout or response_timeout where that ends earlier", function()
      start({ up }, { statuses = { 599 } }, {
        limits = { total_timeout = 9 },
        service = { deadline_header = "x-left", response_timeout = 4 },
      })
      get()
      assert.equal("4000", told())
      world:use(world:configure {
        routes = {
          {
            name = "r",
            targets = { up },
            retry = { per_try_timeout = 3, on = { "timeout" } },
            service = { deadline_header = "x-left" },
          },
        },
      })
      get()
      assert.equal("3000", told())
    end)
  end)

  it("counts by reason what helped", function()
    start { proxy.closed_port(), service_that(false, OK) }
    get()
    get()
    local scrape = world:scrape()
    assert.is_true(scrape['moongate_upstream_retries_total{service="r",reason="connect"}'] >= 1)
    assert.is_true(scrape['moongate_upstream_retries_total{service="r",reason="reset"}'] >= 1)
    assert.is_true(scrape['moongate_upstream_retried_requests_total{service="r",outcome="ok"}'] >= 1)
  end)
end)
