local ffi = require("ffi")
local c = require("support.c")
local streams = require("support.streams")

describe("gw_reply_stream", function()
  local place

  before_each(function() place = streams.place() end)
  after_each(function()
    for _, probe in ipairs(place.things) do
      if probe.c then
        assert.equal(0, probe.c.after_close, "an event after close")
        assert.equal(0, probe.c.nested, "an event inside an operation")
        assert.equal(0, probe.c.failures)
      end
    end
    place:free()
  end)

  it("tells head and body in a later call", function()
    local probe = place:reply({ status = 403, fields = { { "a", "b" } }, body = "hello" })
    assert.equal("", probe:log())
    place:turn()
    assert.equal("head 403 a=b\nbody 5 end\n", probe:log())
    assert.equal("hello", probe:body())
    assert.equal(5, tonumber(probe.c.head.body_length))
  end)

  it("without a body ends with its head", function()
    local probe = place:reply({ status = 204 })
    place:turn()
    assert.equal("head 204 end\n", probe:log())
  end)

  it("with an empty body ends with its head", function()
    local probe = place:reply({ status = 200, body = "" })
    place:turn()
    assert.equal("head 200 end\n", probe:log())
    assert.equal(0, tonumber(probe.c.head.body_length))
  end)

  it("tells large bodies in pieces that can be held", function()
    local body = ("0123456789"):rep(30000)
    local probe = place:reply({ body = body })
    probe.on.body = function() probe:hold(true) end
    place:turn()
    assert.is_true(#probe:body() < #body / 2)
    local held = probe:body()
    place:turn()
    assert.equal(#held, #probe:body())
    for _ = 1, 10 do
      probe:hold(false)
      place:turn()
    end
    assert.is_true(body == probe:body())
    assert.equal(1, probe.c.ends)
  end)

  it("holds from the head on", function()
    local probe = place:reply({ body = "hello" })
    probe.on.head = function() probe:hold(true) end
    place:turn()
    assert.equal("", probe:body())
    probe:hold(false)
    assert.equal("", probe:body())
    place:turn()
    assert.equal("hello", probe:body())
  end)

  it("takes a request and drops it", function()
    local probe = place:reply({ body = "hello" })
    probe:ask({ method = "POST", length = 5 })
    assert.is_true(probe:send("hello", true))
    probe:trail({})
    place:turn()
    assert.equal("hello", probe:body())
  end)

  for _, event in ipairs({ "head", "body" }) do
    it("can be closed inside on_" .. event, function()
      local probe = place:reply({ body = ("x"):rep(200000) })
      probe.on[event] = function() probe:close() end
      place:turn()
      assert.is_false(probe:is_open())
    end)
  end

  it("can be closed before anything was told", function()
    local probe = place:reply({ body = "hello" })
    probe:close("cancelled")
    place:turn()
    assert.equal("", probe:log())
  end)

  it("tells nothing until it is bound", function()
    local arena = c.gw_arena_new()
    local reply = ffi.cast("struct gw_reply *", c.gw_arena_alloc_zero(arena, ffi.sizeof("struct gw_reply")))
    reply.status = 200
    local stream = c.gw_reply_stream_open(place.loop.c, arena, reply)
    place:turn()
    local probe = place:keep(streams.probe(stream, arena))
    probe:hold(false)
    place:turn()
    assert.equal("head 200 end\n", probe:log())
  end)
end)
