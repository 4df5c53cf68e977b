local ffi = require("ffi")
local c = require("support.c")
local proxy = require("support.proxy")
local streams = require("support.streams")

local OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"

describe("gw_call", function()
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

  local function bind(targets, service)
    local config = world:bind { routes = { { name = "s", targets = targets, service = service } } }
    return config.services[0]
  end

  -- A call that was not started yet; `more` are further options.
  local function open(service, more)
    local arena = c.gw_arena_new()
    local options = ffi.new("struct gw_call_options", {
      loop = world.loop.c,
      pool = world.pool,
      arena = arena,
      service = service,
      retries = -1,
    })
    for name, value in pairs(more or {}) do
      options[name] = value
    end
    local stream = c.gw_call_open(options)
    local probe = streams.probe(stream, arena)
    probe.info = c.gw_call_info(stream)
    probes[#probes + 1] = probe
    return probe
  end

  local function wait(probe)
    world:until_true(function()
      streams.check()
      return probe.c.ends > 0 or probe.c.failures > 0
    end, "the call to end: " .. probe:log())
    return probe:error() or probe:body()
  end

  local function get(service, more)
    local probe = open(service, more)
    probe:ask({}, true)
    return wait(probe), probe
  end

  -- A call that leaves an idle connection behind.
  local function warm_up(service)
    local result, probe = get(service)
    assert.equal("hi", result)
    probe:close()
    world:until_true(function() return world:idle() == 1 end, "an idle connection")
  end

  it("starts nothing before the head is sent, and can be closed at any time", function()
    local up = world:upstream(function(conn) conn:write(OK) end)
    local service = bind { up }
    open(service):close()
    local probe = open(service)
    probe:ask({}, true)
    probe:close("cancelled")
    world:settle()
    assert.equal(0, #up.requests)
    assert.equal("", probe:log())
  end)

  it("brings the answer and says where it came from", function()
    local up = world:upstream(function(conn) conn:write(OK) end)
    local result, probe = get(bind { up })
    assert.equal("hi", result)
    assert.equal(up.text, ffi.string(probe.info.target))
    assert.equal(1, probe.info.tries)
    assert.equal(200, probe.info.status)
    assert.equal(2, tonumber(probe.info.bytes_in))
    assert.is_false(probe.info.reused)
  end)

  it("takes an idle connection, the last used first", function()
    local up = world:upstream(function(conn) conn:write(OK) end)
    local service = bind { up }
    warm_up(service)
    local _, probe = get(service)
    assert.is_true(probe.info.reused)
    assert.equal(1, #up.conns)
  end)

  describe("tries again", function()
    it("with another target when one refuses", function()
      local up = world:upstream(function(conn) conn:write(OK) end)
      local service = bind { proxy.closed_port(), up }
      for _ = 1, 4 do
        local result, probe = get(service)
        assert.equal("hi", result)
        assert.is_true(probe.info.tries <= 2)
        probe:close()
      end
    end)

    it(
      "as often as retries says, after pauses where there is no other target, then tells the last error",
      function()
        local probe = open(bind({ proxy.closed_port() }, { retries = 2 }))
        probe:ask({}, true)
        world:until_true(function() return probe.info.tries == 1 and world:in_flight() == 0 end)
        world:settle()
        assert.equal(1, probe.info.tries) -- nothing is dialled while time stands still
        world:advance(0.025) -- by chance, at most so long …
        world:until_true(function() return probe.info.tries == 2 and world:in_flight() == 0 end)
        world:settle()
        assert.is_nil(probe:error())
        world:advance(0.05) -- … and twice that
        assert.equal("connect", wait(probe))
        assert.equal(3, probe.info.tries)
      end
    )

    it("at once at the others, and only then after pauses", function()
      local ports = { proxy.closed_port(), proxy.closed_port(), proxy.closed_port() }
      local probe = open(bind(ports, { retries = 5 }))
      probe:ask({}, true)
      world:until_true(function() return probe.info.tries == 3 and world:in_flight() == 0 end)
      world:settle()
      assert.equal(3, probe.info.tries)
      probe:close()
    end)

    it("not at all with retries 0", function()
      local result, probe = get(bind({ proxy.closed_port() }), { retries = 0 })
      assert.equal("connect", result)
      assert.equal(1, probe.info.tries)
    end)

    it("with what it kept of the body", function()
      local up = world:upstream(function(conn) conn:write(OK) end)
      local service = bind { proxy.closed_port(), up }
      for _ = 1, 2 do
        local probe = open(service)
        probe:ask { method = "POST", length = 5 }
        assert.is_false(probe:send("hello", true))
        assert.equal("hi", wait(probe))
        probe:close()
      end
      assert.equal("hello", up.requests[1]:match("\r\n\r\n(.*)$"))
      assert.equal("hello", up.requests[2]:match("\r\n\r\n(.*)$"))
    end)
  end)

  -- The server closes an idle connection at the moment a request is on its way on it.
  describe("the race on a reused connection", function()
    local up

    local function stale(service)
      warm_up(service)
      up.answer = function(conn) conn:close() end
      up.on_conn = function() up.answer = nil end -- a new connection is served again
    end

    local function race_world(more)
      up = world:upstream(function(conn)
        if up.answer then
          up.answer(conn)
        else
          conn:write(OK)
        end
      end)
      return bind({ up }, more)
    end

    it("is tried again on a new connection when the method is idempotent", function()
      local service = race_world { retries = 0 } -- being reused gives one more try
      stale(service)
      local result, probe = get(service)
      assert.equal("hi", result)
      assert.equal(2, probe.info.tries)
      assert.is_false(probe.info.reused)
    end)

    it("is not when the request was sent and must not be repeated", function()
      local service = race_world()
      stale(service)
      local probe = open(service)
      probe:ask { method = "POST", length = 1 }
      probe:send("x", true)
      assert.equal("reset", wait(probe))
      assert.equal(2, #up.requests)
      assert.equal(1, probe.info.tries)
    end)

    it("repeats a small body of an idempotent request", function()
      local service = race_world()
      stale(service)
      local probe = open(service)
      probe:ask { method = "PUT", length = 5 }
      probe:send("hello", true)
      assert.equal("hi", wait(probe))
      assert.equal("hello", up.requests[3]:match("\r\n\r\n(.*)$"))
    end)

    it("repeats a body in memory", function()
      local service = race_world()
      stale(service)
      local body = ("x"):rep(300000)
      local probe = open(service, { body = c.slice(body), has_body = true })
      probe:ask({ method = "PUT", length = #body }, true)
      assert.equal("hi", wait(probe))
      assert.equal(body, up.requests[3]:match("\r\n\r\n(.*)$"))
    end)

    it("is only tried once", function()
      local service = race_world()
      warm_up(service)
      up.answer = function(conn) conn:close() end
      local result, probe = get(service)
      assert.equal("reset", result)
      assert.equal(2, probe.info.tries)
    end)

    it("is not tried again after a byte of the answer came", function()
      local service = race_world()
      stale(service)
      up.answer = function(conn)
        conn:write("HTTP/1.1 20")
        conn:close_gently(1)
      end
      local result, probe = get(service)
      assert.equal("upstream_cut", result)
      assert.equal(1, probe.info.tries)
    end)

    it("is avoided for what may not be repeated, where the owner asks for it", function()
      local service = race_world()
      warm_up(service)
      local probe = open(service, { fresh_unless_repeatable = true })
      probe:ask({ method = "POST", length = 0 }, true)
      assert.equal("hi", wait(probe))
      assert.equal(2, #up.conns)
    end)
  end)

  describe("time", function()
    it("runs from the last byte of the request to the head", function()
      local up = world:upstream(function() end)
      local probe = open(bind({ up }, { response_timeout = 5 }))
      probe:ask { method = "POST", length = 2 }
      world:until_true(function() return #up.conns == 1 end)
      probe:send("a", false)
      world:advance(20) -- the client takes its time: not the service's fault
      assert.equal("", probe:log())
      probe:send("b", true)
      world:until_true(function() return #up.requests == 1 end)
      world:advance(4.9)
      assert.is_nil(probe:error())
      world:advance(0.2)
      assert.equal("response_timeout", wait(probe))
    end)

    it("is counted between two reads", function()
      local up = world:upstream(function(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\na") end)
      local probe = open(bind({ up }, { read_timeout = 5 }))
      probe:ask({}, true)
      world:until_true(function() return probe:body() == "a" end)
      world:advance(4)
      up.conns[1]:write("b")
      world:until_true(function() return probe:body() == "ab" end)
      world:advance(4)
      assert.is_nil(probe:error())
      world:advance(1.1)
      assert.equal("read_timeout", wait(probe))
    end)

    describe("of events", function()
      local function ask_for_events(content_type, service)
        local up = world:upstream(
          function(conn)
            conn:write(("HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: 9\r\n\r\na"):format(content_type))
          end
        )
        local probe = open(bind({ up }, service))
        probe:ask({}, true)
        world:until_true(function() return probe:body() == "a" end)
        return probe
      end

      it("is the stream's own where the service has one", function()
        local types = { "text/event-stream", "Text/Event-Stream;charset=utf-8", "text/event-stream ; a=b" }
        for _, content_type in ipairs(types) do
          local probe = ask_for_events(content_type, { read_timeout = 5, event_stream_timeout = 60 })
          world:advance(59)
          assert.is_nil(probe:error())
          world:advance(1.1)
          assert.equal("read_timeout", wait(probe))
        end
      end)

      it("may be none at all", function()
        local probe = ask_for_events("text/event-stream", { read_timeout = 5, event_stream_timeout = 0 })
        world:advance(100000)
        assert.is_nil(probe:error())
      end)

      it("is no other body's, and the common one where the service says nothing", function()
        for content_type, service in pairs {
          ["text/event-streams"] = { read_timeout = 5, event_stream_timeout = 60 },
          ["text/event"] = { read_timeout = 5, event_stream_timeout = 60 },
          ["text/event-stream"] = { read_timeout = 5 },
        } do
          local probe = ask_for_events(content_type, service)
          world:advance(5.1)
          assert.equal("read_timeout", wait(probe))
        end
      end)
    end)

    it("does not run while the owner holds", function()
      local up = world:upstream(function(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\na") end)
      local probe = open(bind({ up }, { read_timeout = 5 }))
      probe:ask({}, true)
      world:until_true(function() return probe:body() == "a" end)
      probe:hold(true)
      world:advance(100)
      assert.is_nil(probe:error())
      probe:hold(false)
      world:advance(5.1)
      assert.equal("read_timeout", wait(probe))
    end)

    it("is counted while the service does not take the request", function()
      local up = world:upstream(function() end)
      up.on_conn = function(conn) conn:hold(true) end
      local piece = ("x"):rep(256 * 1024)
      local probe = open(bind({ up }, { write_timeout = 5 }))
      probe:ask { method = "POST", length = 100 * #piece }
      world:until_true(function() return #up.conns == 1 end)
      world:until_true(function() return not probe:send(piece, false) end, "no more room")
      world:advance(5.1)
      assert.equal("write_timeout", wait(probe))
    end)
  end)

  describe("flow", function()
    it("keeps what was given before it was connected, then says that there is room", function()
      local up = world:upstream(function(conn) conn:write(OK) end)
      local probe = open(bind { up })
      probe:ask { method = "POST", length = 6 }
      assert.is_false(probe:send("abc", false))
      world:until_true(function() return probe:log():find("room") end, "room")
      assert.is_true(probe:send("def", true))
      assert.equal("hi", wait(probe))
      assert.equal("abcdef", up.requests[1]:match("\r\n\r\n(.*)$"))
    end)

    it("passes interim heads, and ends a service that sends no other", function()
      local up = world:upstream(function(conn) conn:write("HTTP/1.1 103 Early Hints\r\n\r\n" .. OK) end)
      local result, probe = get(bind { up })
      assert.equal("hi", result)
      assert.truthy(probe:log():find("^head 103\nhead 200"))
    end)

    it("sends trailers that came before it was connected", function()
      local got = ""
      local up = world:upstream(function(conn, text)
        got = got .. text
        if got:find("x%-t: 1\r\n\r\n$") then conn:write(OK) end
      end, true)
      local probe = open(bind { up })
      probe:ask { method = "POST", length = streams.UNKNOWN }
      probe:send("a", false)
      probe:trail { { "x-t", "1" } }
      assert.equal("hi", wait(probe))
    end)
  end)

  it("says so when there is nobody to call", function()
    assert.equal("no_target", (get(bind {})))
    assert.equal("resolve", (get(bind { { host = "nowhere.invalid", port = 1 } })))
  end)

  it("says so when too many are being dialled", function()
    local up = world:upstream(function(conn) conn:write(OK) end)
    local config = world:bind { routes = { { name = "s", targets = { up }, limits = { pending = 1 } } } }
    local first = open(config.services[0])
    first:ask({}, true)
    assert.equal("overloaded", (get(config.services[0])))
    assert.equal("hi", wait(first))
  end)

  it("calls a target that no configuration names", function()
    local up = world:upstream(function(conn) conn:write(OK) end)
    local result, probe = get(nil, { target_host = c.slice("127.0.0.1"), target_port = up.port })
    assert.equal("hi", result)
    assert.equal(up.text, ffi.string(probe.info.target))
  end)
end)
