-- The client role of HTTP/2 against a raw server: what it says, what it makes of answers good and bad, and how many streams it opens.
local c = require("support.c")
local h2 = require("support.h2")
local net = require("support.net")
local streams = require("support.streams")

local UNKNOWN = streams.UNKNOWN

describe("an h2 client", function()
  local place, client, wire

  local function begin(settings, over)
    local near, far = net.memory_pair(place.loop)
    wire = place:keep(net.bind(far))
    client = place:keep(streams.dial_h2(near, over))
    wire:write(h2.settings(settings), h2.frame(h2.SETTINGS, h2.ACK, 0))
    place:turn()
  end

  local function say(...)
    wire:write(...)
    place:turn()
  end

  local function heard(stream) return h2.describe(wire:text(), stream) end

  --- The fields of the n-th request.
  local function asked(n)
    for _, frame in ipairs(h2.read(wire:text())) do
      if frame.kind == h2.HEADERS then
        n = n - 1
        if n == 0 then
          local out = {}
          for i, pair in ipairs(frame.head) do
            out[i] = pair[1] .. "=" .. pair[2]
          end
          return table.concat(out, " ")
        end
      end
    end
  end

  local function ask(spec, stop)
    local probe = assert(client:open())
    probe:ask(spec or {}, stop ~= false)
    place:turn()
    return probe
  end

  local function ok(stream, more, stop)
    local list = { { ":status", "200" } }
    for _, pair in ipairs(more or {}) do
      list[#list + 1] = pair
    end
    return h2.headers(stream, list, stop)
  end

  before_each(function() place = streams.place() end)
  after_each(function() place:free() end)

  it("asks for no push", function()
    begin()
    local first = h2.read(wire:text())[1]
    assert.equal(h2.SETTINGS, first.kind)
    assert.is_truthy(first.payload:find("\0\2\0\0\0\0", 1, true))
  end)

  it("writes a request anew", function()
    begin()
    ask({
      method = "GET",
      path = "/a",
      query = "b=1",
      fields = {
        { "x", " y " },
        { "connection", "close" },
        { "te", "trailers" },
        { "transfer-encoding", "chunked" },
      },
    })
    assert.equal(":method=GET :scheme=http :path=/a?b=1 :authority=example.com x=y", asked(1))
  end)

  it("refuses to write what would split a request", function()
    begin()
    assert.equal("internal", ask({ fields = { { "x", "a\r\nb: c" } } }):error())
    assert.equal("internal", ask({ path = "/ x" }):error())
    assert.is_nil(asked(1))
  end)

  it("hears an answer, and is idle after it", function()
    begin()
    local probe = ask()
    say(ok(1, { { "content-length", "5" } }), h2.data(1, "hello", true))
    assert.equal("hello", probe:body())
    assert.equal(5, tonumber(probe.c.head.body_length))
    assert.equal(1, client.c.idle) -- before it was used
    probe:close()
    place:turn()
    assert.equal(2, client.c.idle)
    assert.equal("", heard(1):match("reset.*") or "")
  end)

  it("is idle when nobody has used it by the time the server has spoken", function()
    begin()
    assert.equal(1, client.c.idle)
  end)

  it("opens no more streams than the server allows, and tells of room", function()
    begin({ { 3, 2 } })
    assert.equal(1, client.c.rooms) -- its settings came
    assert.equal(2, c.gw_h2_client_free_streams(client.c.h2))
    local one = ask()
    ask()
    assert.is_nil(client:open())
    say(ok(1, nil, true))
    one:close()
    place:turn()
    assert.equal(2, client.c.rooms)
    assert.equal(1, c.gw_h2_client_free_streams(client.c.h2))
  end)

  it("asks for a tunnel only where the server allows it", function()
    begin()
    local probe = ask({ protocol = "websocket" }, true)
    assert.equal("no_tunnel", probe:error())
    assert.is_nil(asked(1))
  end)

  it("opens a tunnel by extended CONNECT", function()
    begin({ { 8, 1 } })
    local probe = ask({ protocol = "websocket", path = "/chat", fields = { { "sec-websocket-key", "k" } } }, true)
    assert.equal(":method=CONNECT :protocol=websocket :scheme=http :path=/chat :authority=example.com", asked(1))
    say(ok(1))
    assert.equal("head 101\n", probe:log())
    probe:send("up")
    say(h2.data(1, "down"))
    assert.equal("down", probe:body())
    assert.is_truthy(heard(1):find("data 2", 1, true))
  end)

  it("hears that a tunnel is declined", function()
    begin({ { 8, 1 } })
    local probe = ask({ protocol = "websocket" }, true)
    say(h2.headers(1, { { ":status", "403" } }, true))
    assert.equal("head 403 end\n", probe:log())
    probe:close()
    place:turn()
    assert.equal("data 0 end", heard(1):match("data.*"))
  end)

  describe("tells its owner", function()
    local function told(why, ...)
      begin()
      local probe = ask()
      say(...)
      place:turn()
      assert.equal(why, probe:error())
      return probe
    end

    it("of a stream that was refused, as one that was not sent", function()
      local probe = told("upstream_refused", h2.reset(1, 7))
      assert.is_false(probe.c.stream.ops.sent(probe.c.stream))
    end)

    it("of a GOAWAY that leaves it out", function()
      local probe = told("upstream_refused", h2.frame(h2.GOAWAY, 0, 0, h2.u32(0) .. h2.u32(0)))
      assert.is_false(probe.c.stream.ops.sent(probe.c.stream))
      assert.is_nil(client:open())
    end)

    it("of a reset before the head", function()
      local probe = told("reset", h2.reset(1, 2))
      assert.is_true(probe.c.stream.ops.sent(probe.c.stream))
    end)

    it("of a reset behind the head", function() told("upstream_cut", ok(1), h2.data(1, "x"), h2.reset(1, 2)) end)
    it(
      "of a body that is too short",
      function() told("upstream_protocol", ok(1, { { "content-length", "5" } }), h2.data(1, "x", true)) end
    )
    it(
      "of a body that is too long",
      function() told("upstream_protocol", ok(1, { { "content-length", "1" } }), h2.data(1, "xx")) end
    )
    it(
      "of a status that is none",
      function() told("upstream_protocol", h2.headers(1, { { ":status", "20x" } }, true)) end
    )
    it("of a status below 100", function() told("upstream_protocol", h2.headers(1, { { ":status", "038" } })) end)
    it("of a 101", function() told("upstream_protocol", h2.headers(1, { { ":status", "101" } })) end)
    it(
      "of connection fields",
      function() told("upstream_protocol", ok(1, { { "connection", "close" } }, true)) end
    )
    it(
      "of a large head",
      function()
        told("upstream_head_too_large", ok(1, { { "x", ("y"):rep(16000) }, { "z", ("y"):rep(17000) } }, true))
      end
    )
    it("of a body without a head", function() told("upstream_protocol", h2.data(1, "x")) end)
    it("of a push", function()
      told("upstream_protocol", h2.frame(h2.PUSH_PROMISE, h2.END_HEADERS, 1, h2.u32(2) .. h2.block(h2.get)))
      place:advance(2)
      assert.equal(0, client.c.closed)
    end)
    it("of bytes that are no frames", function() told("upstream_protocol", "HTTP/1.1 400 Bad Request\r\n\r\n") end)
  end)

  it("hears interim heads, and an answer that ends with trailers", function()
    begin()
    local probe = ask({ method = "POST", length = UNKNOWN }, false)
    say(
      h2.headers(1, { { ":status", "103" }, { "link", "a" } }),
      ok(1),
      h2.data(1, "x"),
      h2.headers(1, { { "grpc-status", "0" } }, true)
    )
    assert.equal("head 103 link=a\nhead 200\nbody 1\ntrailers grpc-status=0\n", probe:log())
  end)

  it("keeps a whole answer, whatever becomes of the request's rest", function()
    begin()
    local probe = ask({ method = "POST", length = UNKNOWN }, false)
    say(ok(1), h2.data(1, "no", true), h2.reset(1, 0))
    probe:send("more", true)
    place:turn()
    assert.equal("no", probe:body())
    assert.is_nil(probe:error())
  end)

  it("ends when the server does, with what has come", function()
    begin()
    local whole, cut = ask(), ask()
    whole:hold(true)
    say(ok(1), h2.data(1, "all", true), ok(3), h2.data(3, "some"))
    wire:shutdown()
    place:turn()
    assert.equal("upstream_cut", cut:error())
    whole:hold(false)
    place:turn()
    assert.equal("all", whole:body())
    assert.equal(1, whole.c.ends)
    whole:close()
    cut:close("upstream_cut")
    place:turn()
    assert.equal(1, client.c.closed)
  end)

  it("keeps a slow owner from slowing the others", function()
    begin()
    local slow, quick = ask(), ask()
    slow:hold(true)
    say(ok(1), ok(3))
    for _ = 1, 8 do
      say(h2.data(1, ("x"):rep(16000)))
    end
    say(h2.data(3, "quick", true))
    assert.equal("quick", quick:body())
    assert.equal("", slow:body())
  end)

  it("takes back what its owner gives up", function()
    begin()
    ask():close("cancelled")
    place:turn()
    assert.equal("reset CANCEL", heard(1):match("reset.*"))
  end)

  it("ends a connection that never takes our settings", function()
    local near, far = net.memory_pair(place.loop)
    wire = place:keep(net.bind(far))
    client = place:keep(streams.dial_h2(near))
    local probe = ask()
    place:advance(11)
    assert.equal("upstream_protocol", probe:error())
    probe:close("upstream_protocol")
    place:turn()
    assert.equal(1, client.c.closed)
  end)

  it("drains: opens nothing more, and ends with what it has", function()
    begin()
    local probe = ask()
    c.gw_h2_client_drain(client.c.h2)
    assert.is_nil(client:open())
    say(ok(1, nil, true))
    probe:close()
    place:turn(8)
    assert.equal(1, client.c.closed)
  end)
end)
