local c = require("support.c")
local ffi = require("ffi")
local json = require("cjson")
local proxy = require("support.proxy")

describe("a service's circuit breaker", function()
  local world, up, answers

  before_each(function()
    world = proxy.new()
    answers = "500 Broken"
    up = world:upstream(function(conn)
      if answers then conn:write(("HTTP/1.1 %s\r\ncontent-length: 0\r\n\r\n"):format(answers)) end
    end)
  end)
  after_each(function() world:free() end)

  local function route(breaker)
    return { name = "b", targets = { up }, breaker = breaker or { failure_threshold = 5 } }
  end
  local function start(breaker) world:start { routes = { route(breaker) } } end
  local function ask(client) return (client or world:client()):ask("GET / HTTP/1.1\nhost: a") end

  local looks = {}
  local function look()
    looks = {}
    local visit = ffi.cast(
      "void (*)(const struct gw_breaker_info *, void *)",
      function(info)
        looks[#looks + 1] = {
          [info.of_route and "route" or "service"] = ffi.string(info.name.ptr, info.name.len),
          state = ffi.string(c.gw_breaker_state_text(info.look.state)),
          opened = tonumber(info.opened),
          refused = tonumber(info.refused),
        }
      end
    )
    c.gw_registry_breakers(world.registry, world.loop.c.clock.now_us, visit, nil)
    visit:free()
    return looks[1]
  end

  it("opens after five failures, and makes no connection from then on (2.14.1, 2.14.4)", function()
    start()
    for _ = 1, 5 do
      assert.equal(500, ask().status)
    end
    local conns = #up.conns
    local response = ask()
    assert.same({ 503, "60" }, { response.status, response.headers["retry-after"] })
    assert.equal("breaker_open", json.decode(response.body).reason)
    assert.same({ 5, conns }, { #up.requests, #up.conns })
    assert.same({ service = "b", state = "open", opened = 1, refused = 1 }, look())
  end)

  it("does not mind answers of 4xx, nor clients that go away (2.14.1)", function()
    start { failure_threshold = 1 }
    answers = "404 No"
    assert.equal(404, ask().status)
    answers = nil
    local client = world:client()
    client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    world:until_true(function() return #up.requests == 2 end)
    client:close()
    world:until_true(function() return world:in_flight() == 0 end)
    assert.equal("closed", look().state)
  end)

  it("counts what cannot be reached", function()
    up = { port = world.closed_port() }
    local one = route { failure_threshold = 2 }
    one.service = { retries = 0 }
    world:start { routes = { one } }
    assert.same({ 502, 502, 503 }, { ask().status, ask().status, ask().status })
  end)

  it("lets one probe through at the half-open instant, gives its place back, and closes (2.14.2)", function()
    start()
    for _ = 1, 5 do
      ask()
    end
    world:advance(60)
    answers = nil
    local first = world:client()
    first:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    world:until_true(function() return #up.requests == 6 end)
    assert.equal(503, ask().status)
    first:close()
    world:until_true(function() return world:in_flight() == 0 end)
    assert.equal("half_open", look().state)
    answers = "200 OK"
    assert.equal(200, ask().status)
    assert.equal("closed", look().state)
  end)

  it("stays open over a reload (2.14.6)", function()
    start()
    for _ = 1, 5 do
      ask()
    end
    world:use(world:configure { routes = { route { failure_threshold = 50 } } })
    assert.equal(503, ask().status)
    assert.equal("open", look().state)
  end)

  describe("with a fallback (2.14.6)", function()
    local function start_with(fallback, more)
      local breaker = { failure_threshold = 1 }
      for key, value in pairs(fallback) do
        breaker[key] = value
      end
      local routes = { route(breaker) }
      for _, one in ipairs(more or {}) do
        routes[#routes + 1] = one
      end
      world:start { routes = routes }
      assert.equal(500, ask().status)
    end

    it("answers what is configured while it is open", function()
      start_with { fallback = { status = 200, body = "[]", type = "application/json" } }
      local response = ask()
      assert.same({ 200, "[]", "application/json", "60" }, {
        response.status,
        response.body,
        response.headers["content-type"],
        response.headers["retry-after"],
      })
      assert.equal(1, #up.requests)
    end)

    it("may answer without a body", function()
      start_with { fallback = { status = 204 } }
      local response = ask()
      assert.same({ 204, nil }, { response.status, response.headers["content-type"] })
    end)

    it("sends requests to another upstream while it is open, and comes back", function()
      local other = world:upstream(
        function(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother") end
      )
      start_with(
        { fallback = { upstream = "spare-up" } },
        { { name = "spare", paths = { "/spare" }, targets = { other } } }
      )
      assert.same(
        { 200, "other" },
        (function()
          local response = ask()
          return { response.status, response.body }
        end)()
      )
      assert.same({ 1, 1, 0 }, { #up.requests, #other.requests, world:in_flight() })
      world:advance(60)
      answers = "200 OK"
      assert.equal(200, ask().status)
      assert.same({ 2, 1 }, { #up.requests, #other.requests })
    end)
  end)

  describe("and its route's", function()
    local function start_both(service, own)
      local one = route(service)
      one.route_breaker = own
      world:start { routes = { one } }
    end
    local function states()
      look()
      local found = {}
      for _, one in ipairs(looks) do
        found[one.route and "route" or "service"] = one.state
      end
      return found
    end

    it("each open by what it counts", function()
      start_both({ failure_threshold = 9 }, { failure_threshold = 2 })
      assert.same({ 500, 500, 503 }, { ask().status, ask().status, ask().status })
      assert.same({ service = "closed", route = "open" }, states())
      assert.equal(2, #up.requests)
    end)

    it("gives the service's probe back where the route's is open", function()
      start_both(
        { failure_threshold = 2, half_open_after_us = 10e6 },
        { failure_threshold = 2, half_open_after_us = 90e6 }
      )
      ask()
      ask()
      assert.same({ service = "open", route = "open" }, states())
      world:advance(10)
      assert.equal(503, ask().status)
      assert.same({ service = "half_open", route = "open" }, states())
      world:advance(80)
      answers = "200 OK"
      assert.equal(200, ask().status)
      assert.same({ service = "closed", route = "closed" }, states())
    end)

    it("is told apart where both have one name", function()
      start_both({ failure_threshold = 1 }, { failure_threshold = 9 })
      ask()
      assert.same({ service = "open", route = "closed" }, states())
    end)
  end)
end)
