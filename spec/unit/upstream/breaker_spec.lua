local c = require("support.c")
local ffi = require("ffi")
local json = require("cjson")
local proxy = require("support.proxy")

describe("a service's circuit breaker (2.14)", function()
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
          service = ffi.string(info.service.ptr, info.service.len),
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

  it("opens after five failures, and answers without the service from then on", function()
    start()
    for _ = 1, 5 do
      assert.equal(500, ask().status)
    end
    local response = ask()
    assert.same({ 503, "60" }, { response.status, response.headers["retry-after"] })
    assert.equal("breaker_open", json.decode(response.body).reason)
    assert.equal(5, #up.requests)
    assert.same({ service = "b", state = "open", opened = 1, refused = 1 }, look())
  end)

  it("does not mind answers of 4xx, nor clients that go away", function()
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
    start { failure_threshold = 2 }
    assert.same({ 502, 502, 503 }, { ask().status, ask().status, ask().status })
  end)

  it("lets one probe through at the half-open instant, gives its place back, and closes", function()
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

  it("stays open over a reload", function()
    start()
    for _ = 1, 5 do
      ask()
    end
    world:use(world:configure { routes = { route { failure_threshold = 50 } } })
    assert.equal(503, ask().status)
    assert.equal("open", look().state)
  end)
end)
