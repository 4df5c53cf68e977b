local ffi = require("ffi")
local c = require("support.c")
local proxy = require("support.proxy")

describe("gw_registry", function()
  local world

  before_each(function() world = proxy.new() end)
  after_each(function() world:free() end)

  local function describe_all()
    local out = ffi.new("struct gw_buf")
    c.gw_buf_init(out, 1e6)
    c.gw_registry_describe(world.registry, out)
    local list = require("cjson").decode(ffi.string(out.data, out.len))
    c.gw_buf_deinit(out)
    return list
  end

  local function route(name, targets) return { name = name, targets = targets } end

  it("has the targets of a configuration at once, as long as one names them", function()
    local config =
      world:configure { routes = { route("a", { { port = 1001, weight = 3 }, { port = 1002, weight = 0 } }) } }
    local list = describe_all()
    assert.equal(2, #list)
    assert.same({ "a-up", "127.0.0.1:1001", 3 }, { list[1].upstream, list[1].address, list[1].weight })
    assert.equal(0, list[2].weight)
    c.gw_config_unref(config)
    assert.equal(0, #describe_all())
  end)

  it("shares an upstream between generations; the later one says its targets", function()
    local first = world:configure { routes = { route("a", { 1001 }) } }
    local second = world:configure { routes = { route("a", { 1002 }) } }
    assert.equal(
      tonumber(ffi.cast("intptr_t", first.services[0].upstream)),
      tonumber(ffi.cast("intptr_t", second.services[0].upstream))
    )
    assert.equal("127.0.0.1:1002", describe_all()[1].address)
    c.gw_config_unref(first)
    assert.equal(1, #describe_all())
    c.gw_config_unref(second)
  end)

  it("makes an upstream of a service's own host and port", function()
    local config =
      world:configure { routes = { { name = "a", targets = {}, service = { host = "127.0.0.1", port = 8080 } } } }
    assert.equal("127.0.0.1:8080", describe_all()[1].address)
    c.gw_config_unref(config)
  end)

  it("takes the path of a unix socket for one", function()
    local config = world:configure {
      routes = { { name = "a", targets = {}, service = { host = "unix:/run/a.sock", port = 0 } } },
    }
    local target = describe_all()[1]
    assert.same({ "unix:/run/a.sock", "localhost" }, { target.address, target.target })
    c.gw_config_unref(config)
  end)

  it("finds the upstreams of one configuration by name", function()
    local config = world:configure { routes = { route("a", { 1001 }) } }
    assert.truthy(c.gw_registry_find(world.registry, config, c.slice("a-up")) == config.services[0].upstream)
    assert.truthy(c.gw_registry_find(world.registry, config, c.slice("b-up")) == nil)
    c.gw_config_unref(config)
  end)

  it("counts a target's requests across a reload", function()
    local up = world:upstream(function() end)
    world:start { routes = { route("a", { up }) } }
    world:client():write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    world:until_true(function() return #up.requests == 1 end)
    world:use(world:configure { routes = { route("a", { up, 1002 }) } })
    assert.equal(1, world:in_flight())
    up.conns[1]:write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    assert.equal(200, world.clients[1]:response().status)
    world:until_true(function() return world:in_flight() == 0 end)
  end)

  it("spreads requests by weight", function()
    local function answer(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") end
    local a, b, none = world:upstream(answer), world:upstream(answer), world:upstream(answer)
    world:start {
      routes = {
        route(
          "w",
          { { port = a.port, weight = 3 }, { port = b.port, weight = 1 }, { port = none.port, weight = 0 } }
        ),
      },
    }
    local client = world:client()
    for _ = 1, 40 do
      client:ask("GET / HTTP/1.1\nhost: a")
    end
    assert.same({ 30, 10, 0 }, { #a.requests, #b.requests, #none.requests })
  end)

  describe("names", function()
    local told

    local function run()
      told = 0
      local done = ffi.cast("void (*)(void *)", function() told = told + 1 end)
      c.gw_registry_run(world.registry, world.loop.c, done, nil)
      world:until_true(function() return told == 1 end, "the first answers")
      done:free()
    end

    it("are resolved on the loop, and keep the name as Host", function()
      local up = world:upstream(function(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") end)
      world:start { routes = { route("a", { { host = "localhost", port = up.port } }) } }
      assert.equal(502, world:client():ask("GET / HTTP/1.1\nhost: x").status) -- not yet
      run()
      assert.equal(200, world:client():ask("GET / HTTP/1.1\nhost: x").status)
      assert.truthy(up.requests[1]:find(("\r\nhost: localhost:%d\r\n"):format(up.port)))
    end)

    it("are told at once when there are none", function()
      local config = world:configure { routes = { route("a", { 1001 }) } }
      run()
      c.gw_config_unref(config)
    end)

    it("are waited for again after a reload", function()
      local first = world:configure { routes = { route("a", { { host = "localhost", port = 1001 } }) } }
      run()
      c.gw_resolver_set_servers(world.loop.c, "127.0.0.1:1") -- nobody: an answer that failed is one too
      local second = world:configure { routes = { route("b", { { host = "nowhere.test", port = 1002 } }) } }
      run()
      c.gw_config_unref(first)
      c.gw_config_unref(second)
      world:settle()
    end)
  end)
end)
