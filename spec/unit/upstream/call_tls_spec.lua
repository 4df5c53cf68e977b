-- Calls to services over TLS: what they do with connections, and that they may end at any moment.
local ffi = require("ffi")
local c = require("support.c")
local proxy = require("support.proxy")
local streams = require("support.streams")

local OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"

describe("gw_call over TLS", function()
  local world, probes

  before_each(function()
    world, probes = proxy.new(), {}
  end)

  after_each(function()
    for _, probe in ipairs(probes) do
      probe:free()
    end
    streams.check()
    world:until_true(function() return world:in_flight() == 0 end, "targets to be free")
    assert.equal(0, tonumber(c.gw_pool_pending(world.pool)[0]))
    world:free()
  end)

  local function upstream()
    return world:upstream(function(conn) conn:write(OK) end, false, nil, true)
  end

  local function bind(targets, service)
    service = service or {}
    service.tls = service.tls or {}
    return world:bind({ routes = { { name = "s", targets = targets, service = service } } }).services[0]
  end

  local function start(service)
    local arena = c.gw_arena_new()
    local options = ffi.new("struct gw_call_options", {
      loop = world.loop.c,
      pool = world.pool,
      arena = arena,
      service = service,
      retries = -1,
    })
    local stream = c.gw_call_open(options)
    local probe = streams.probe(stream, arena)
    probe.info = c.gw_call_info(stream)
    probes[#probes + 1] = probe
    probe:ask({}, true)
    return probe
  end

  local function is_over(probe) return probe.c.ends > 0 or probe.c.failures > 0 end

  local function get(service)
    local probe = start(service)
    world:until_true(function()
      streams.check()
      return is_over(probe)
    end, "the call to end")
    local result = probe:error() or probe:body()
    probe:close(probe:error())
    world:settle(3)
    return result, probe
  end

  it("keeps a connection for who asks the same, and for nobody else", function()
    local up = upstream()
    local one, two = bind { up }, bind({ up }, { tls = { verify = false } })
    local address = bind({ up }, { tls = { name = "127.0.0.1" } })
    for _, service in ipairs { one, one, two, two, address, address } do
      assert.equal("hi", (get(service)))
    end
    assert.equal(3, #up.conns)
    assert.equal(3, c.gw_pool_idle(world.pool))
    local _, probe = get(one)
    assert.is_true(probe.info.reused)
    assert.equal(0, tonumber(probe.info.connect_us))
  end)

  it("tries no target twice that is somebody else", function()
    local up, other = upstream(), upstream()
    local result, probe = get(bind({ up, other }, { tls = { name = "other.test" }, retries = 50 }))
    assert.equal("tls_name", result)
    assert.equal(2, tonumber(probe.info.tries))
    assert.equal(0, #up.requests + #other.requests)
  end)

  it("gives up a handshake in its time, whoever is asked", function()
    local up = world:upstream(function() end) -- hears a hello and says nothing
    for _, http2 in ipairs { false, true } do
      local service = bind({ up }, { connect_timeout = 5, retries = 0 })
      service.http2 = http2
      local probe = start(service)
      world:until_true(function() return #up.conns == (http2 and 2 or 1) end, "a connection")
      world:settle(10)
      world:advance(4.9)
      assert.is_false(is_over(probe))
      world:advance(0.2)
      world:settle(3)
      assert.equal("tls_timeout", probe:error())
    end
  end)

  it("may be left at any moment", function()
    local up = upstream()
    for _, http2 in ipairs { false, true } do
      local service = bind { up }
      service.http2 = http2
      service.keepalive_connections = 0
      local ended = 0
      for turns = 0, 60 do
        local probe = start(service)
        for _ = 1, turns do
          world.loop:turn(false)
        end
        streams.check()
        ended = ended + (is_over(probe) and 1 or 0)
        probe:close("cancelled")
        world:settle(2)
      end
      assert.is_true(ended > 0 and ended < 60)
    end
  end)
end)
