-- The server role of HTTP/2 as a raw client sees it, frame by frame: what it answers, what ends a stream, what ends the connection,
-- and that nothing is left of what it was made to begin.
local c = require("support.c")
local h2 = require("support.h2")
local net = require("support.net")
local streams = require("support.streams")

describe("an h2 server", function()
  local place, server, wire

  local function begin(over, settings)
    local near, far = net.memory_pair(place.loop)
    wire = place:keep(net.bind(far))
    server = place:keep(streams.accept_h2(near, over))
    server.on_request = function(probe)
      probe.on["end"] = function() probe:close("cancelled") end
    end
    server.on_refused = function(probe, why) probe:close(why) end
    if settings ~= false then
      wire:write(h2.hello(settings))
      place:turn()
    end
  end

  local function say(...)
    if #wire.ends == 0 then wire:write(...) end
    place:turn()
  end

  local function heard(stream) return h2.describe(wire:text(), stream) end

  local function answer(probe, body)
    probe:respond({ length = #body })
    probe:send(body, true)
    probe:close()
  end

  --- The connection was told to calm down, and ended; every request was told and closed.
  local function calmed()
    place:turn(8)
    place:advance(2)
    assert.is_truthy(heard(0):find("goaway ENHANCE_YOUR_CALM", 1, true))
    assert.equal(1, server.c.closed)
    for _, probe in ipairs(server.probes) do
      assert.is_false(probe:is_open())
    end
  end

  before_each(function() place = streams.place() end)
  after_each(function() place:free() end)

  describe("answers", function()
    it("a request", function()
      begin()
      say(h2.ask(1, { { "x-a", "1" } }))
      assert.equal("request GET / x-a=1 end\n", server:last():log())
      assert.equal(20, server:last().c.head.version)
      answer(server:last(), "hello")
      place:turn()
      assert.equal("head 200\ndata 5 end", heard(1))
    end)

    it("many at once, in any order", function()
      begin()
      say(h2.ask(1), h2.ask(3), h2.ask(5))
      answer(server.probes[3], "c")
      answer(server.probes[1], "a")
      place:turn()
      assert.equal("", heard(3))
      assert.equal("head 200\ndata 1 end", heard(5))
    end)

    it("cookie crumbs are one field", function()
      begin()
      say(h2.ask(1, { { "cookie", "a=1" }, { "x", "y" }, { "cookie", "b=2" } }))
      assert.equal("request GET / cookie=a=1; b=2 x=y end\n", server:last():log())
    end)

    it("an early answer, and does not want the rest", function()
      begin()
      say(h2.ask_with_body(1), h2.data(1, "some"))
      answer(server:last(), "no")
      place:turn()
      assert.equal("head 200\ndata 2 end\nreset NO_ERROR", heard(1))
    end)

    it("nothing more than the window takes", function()
      begin(nil, { { 4, 10 } })
      say(h2.ask(1))
      answer(server:last(), ("x"):rep(25))
      place:turn()
      assert.equal("head 200\ndata 10", heard(1))
      say(h2.frame(h2.WINDOW_UPDATE, 0, 1, h2.u32(100)))
      assert.equal("head 200\ndata 10\ndata 15 end", heard(1))
    end)

    it("500 in the place of a head that would be two", function() -- attacks.md 8
      for i, field in ipairs {
        { "x", "a\r\nset-cookie: b" },
        { "x", "a\0" },
        { "x\r\ny", "a" },
        { "x y", "a" },
        { "", "a" },
      } do
        begin()
        say(h2.ask(1))
        server:last():respond({ fields = { field } }, true)
        place:turn()
        assert.equal("head 500 end", heard(1), i)
        assert.equal("internal", server:last():error())
      end
    end)

    it("an extended CONNECT with 200, as a tunnel", function()
      begin()
      say(
        h2.headers(1, {
          { ":method", "CONNECT" },
          { ":protocol", "WebSocket" },
          { ":scheme", "http" },
          { ":path", "/chat" },
          { ":authority", "a.test" },
        }),
        h2.data(1, "early")
      )
      local probe = server:last()
      assert.equal("request GET /chat end\n", probe:log())
      assert.equal("websocket", c.str(probe.c.head.protocol))
      assert.equal("", probe:body())
      probe:respond({ status = 101, protocol = "websocket" })
      probe:send("hi")
      place:turn()
      assert.equal("early", probe:body())
      say(h2.data(1, "bye", true))
      assert.equal("earlybye", probe:body())
      assert.equal("head 200\ndata 2", heard(1))
    end)
  end)

  describe("refuses with an answer", function()
    local function refused(why, status, more)
      say(h2.headers(1, more, true))
      assert.equal(why, server:refusal())
      assert.equal("head " .. status .. " end", heard(1))
      say(h2.ask(3))
      assert.equal(1, server.c.requests, "the connection goes on")
    end

    local function asks(path, authority, more)
      local list = { { ":method", "GET" }, { ":scheme", "http" }, { ":path", path }, { ":authority", authority } }
      for _, pair in ipairs(more or {}) do
        list[#list + 1] = pair
      end
      return list
    end

    before_each(function() begin() end)

    it("a path that is none", function() refused("bad_target", 400, asks("/a%00b", "a.test")) end)
    it("an authority with a list in it", function() refused("bad_host", 400, asks("/", "a.test:99999")) end)
    it(
      "a host beside another authority",
      function() refused("bad_host", 400, asks("/", "a.test", { { "host", "b.test" } })) end
    )
    it("a long target", function() refused("target_too_long", 414, asks("/" .. ("a"):rep(9000), "a.test")) end)
    it(
      "a large head",
      function()
        refused(
          "head_too_large",
          431,
          asks(
            "/",
            "a.test",
            { { "x", ("y"):rep(16000) }, { "z", ("y"):rep(1000) }, { "cookie", ("c"):rep(16000) } }
          )
        )
      end
    )
    it(
      "an expectation it does not know",
      function() refused("expect", 417, asks("/", "a.test", { { "expect", "magic" } })) end
    )

    it("too many fields", function()
      local more = {}
      for i = 1, 101 do
        more[i] = { "x" .. i, "" }
      end
      refused("head_too_large", 431, asks("/", "a.test", more))
    end)
  end)

  -- attacks.md 18, 2, 3
  describe("ends the stream, and no other, for", function()
    local method, scheme, path, authority =
      { ":method", "GET" }, { ":scheme", "http" }, { ":path", "/" }, { ":authority", "a" }
    local cases = {
      ["a pseudo field twice"] = { method, method, scheme, path, authority },
      ["a pseudo field after others"] = { method, scheme, path, { "x", "y" }, authority },
      ["an unknown pseudo field"] = { method, scheme, path, authority, { ":x", "y" } },
      ["a pseudo field of answers"] = { method, scheme, path, authority, { ":status", "200" } },
      ["no method"] = { scheme, path, authority },
      ["no path"] = { method, scheme, authority },
      ["an empty method"] = { { ":method", "" }, scheme, path, authority },
      ["an empty scheme"] = { method, { ":scheme", "" }, path, authority },
      ["an empty authority"] = { method, scheme, path, { ":authority", "" } },
      ["an authority with a line end"] = { method, scheme, path, { ":authority", "a\r\nx: y" } },
      ["a scheme with a line end"] = { method, { ":scheme", "http\r\n" }, path, authority },
      ["a method with a line end"] = { { ":method", "GET\r\n" }, scheme, path, authority },
      ["a value with a bare CR"] = { method, scheme, path, authority, { "x", "y\rz" } },
      ["a value with a bare LF"] = { method, scheme, path, authority, { "x", "y\nz" } },
      ["a name with a NUL"] = { method, scheme, path, authority, { "x\0", "y" } },
      ["a name with a colon"] = { method, scheme, path, authority, { "x:y", "z" } },
      ["an empty name"] = { method, scheme, path, authority, { "", "y" } },
      ["an empty path"] = { method, scheme, { ":path", "" }, authority },
      ["an upper-case name"] = { method, scheme, path, authority, { "X-A", "y" } },
      ["a name with a space"] = { method, scheme, path, authority, { "x a", "y" } },
      ["a name with a line end"] = { method, scheme, path, authority, { "x\r\ny", "z" } },
      ["a value with a line end"] = { method, scheme, path, authority, { "x", "y\r\nz: 1" } },
      ["a value with a NUL"] = { method, scheme, path, authority, { "x", "y\0" } },
      ["a path with a line end"] = { method, scheme, { ":path", "/ HTTP/1.1\r\nx: y" }, authority },
      ["a method with a space"] = { { ":method", "GET /x" }, scheme, path, authority },
      ["connection"] = { method, scheme, path, authority, { "connection", "close" } },
      ["keep-alive"] = { method, scheme, path, authority, { "keep-alive", "1" } },
      ["proxy-connection"] = { method, scheme, path, authority, { "proxy-connection", "x" } },
      ["transfer-encoding"] = { method, scheme, path, authority, { "transfer-encoding", "chunked" } },
      ["upgrade"] = { method, scheme, path, authority, { "upgrade", "h2c" } },
      ["te that is not trailers"] = { method, scheme, path, authority, { "te", "gzip" } },
      ["two lengths"] = { method, scheme, path, authority, { "content-length", "0" }, { "content-length", "0" } },
      ["a length that is none"] = { method, scheme, path, authority, { "content-length", "+5" } },
      ["a length and no body"] = { method, scheme, path, authority, { "content-length", "5" } },
    }
    for name, list in pairs(cases) do
      it(name, function()
        begin()
        say(h2.headers(1, list, true), h2.ask(3))
        assert.equal("reset PROTOCOL_ERROR", heard(1))
        assert.equal(1, server.c.requests)
        assert.equal(1, server.c.refused) -- for the log
        answer(server.probes[1], "fine")
        place:turn()
        assert.equal("head 200\ndata 4 end", heard(3))
      end)
    end

    it("a head nobody heard of when the connection ends", function()
      begin(nil, { { 4, 0 } })
      say(h2.ask(1))
      answer(server:last(), "it waits for a window")
      wire:write(h2.headers(3, { method, scheme, path, authority, { "X", "y" } }, true))
      wire:close()
      place:turn()
      place:advance(2)
      assert.equal(1, server.c.closed)
    end)

    it("a body longer than declared", function()
      begin()
      say(h2.ask_with_body(1, { { "content-length", "3" } }), h2.data(1, "four", true))
      assert.equal("reset PROTOCOL_ERROR", heard(1))
      assert.equal("bad_body", server:last():error())
    end)

    it("a body shorter than declared", function()
      begin()
      say(h2.ask_with_body(1, { { "content-length", "5" } }), h2.data(1, "four", true))
      assert.equal("reset PROTOCOL_ERROR", heard(1))
      assert.equal("bad_body", server:last():error())
    end)
  end)

  it("leaves out of trailers what must not come there", function() -- attacks.md 6
    begin()
    say(h2.ask_with_body(1), h2.headers(1, { { "authorization", "x" }, { "x-sum", "1" }, { "host", "b" } }, true))
    assert.is_truthy(server:last():log():find("\ntrailers x-sum=1\n", 1, true))
  end)

  it("keeps what came for a held stream, and opens no window for it", function()
    begin({ stream_window = 65535 })
    server.on_request = function(probe) probe:hold(true) end
    say(h2.ask_with_body(1))
    for _ = 1, 4 do
      say(h2.data(1, ("x"):rep(16000)))
    end
    assert.equal("", server:last():body())
    for _, frame in ipairs(h2.read(wire:text())) do
      assert.is_false(frame.kind == h2.WINDOW_UPDATE and frame.stream == 1)
    end
    server:last():hold(false)
    place:turn()
    assert.equal(64000, #server:last():body())
  end)

  -- attacks.md 22
  describe("tells to calm down who", function()
    it("takes back what it asks for", function()
      begin()
      for i = 1, 399, 2 do
        say(h2.ask(i), h2.reset(i))
      end
      assert.is_true(server.c.requests > 100)
      for i = 401, 499, 2 do
        say(h2.ask(i), h2.reset(i))
      end
      calmed()
      for _, probe in ipairs(server.probes) do
        assert.is_truthy(probe:error())
      end
      assert.equal("client_gone", server.probes[1]:error())
    end)

    it("makes us take back what it asks for", function()
      begin()
      for i = 1, 299, 2 do
        say(h2.ask_with_body(i, { { "content-length", "1" } }), h2.data(i, "xx"))
      end
      calmed()
    end)

    it("never ends a head", function()
      begin()
      say(h2.frame(h2.HEADERS, h2.END_STREAM, 1, h2.block(h2.get)))
      for _ = 1, 20 do
        say(h2.frame(h2.CONTINUATION, 0, 1, h2.block({ { "x", "y" } })))
      end
      calmed()
      assert.equal(0, server.c.requests)
    end)

    it("sends a head of megabytes", function()
      begin()
      local block = h2.block(h2.get) .. h2.block({ { "x", ("y"):rep(4000) } }, true) .. ("\190"):rep(12000)
      say(h2.frame(h2.HEADERS, h2.END_HEADERS + h2.END_STREAM, 1, block))
      calmed()
      assert.equal(0, server.c.requests)
    end)

    it("sends crumbs of cookies without end", function()
      begin()
      local block = h2.block(h2.get) .. h2.block({ { "cookie", "a=1" } }, true) .. ("\190"):rep(12000)
      say(h2.frame(h2.HEADERS, h2.END_HEADERS + h2.END_STREAM, 1, block))
      calmed()
    end)

    local floods = {
      ["SETTINGS"] = { h2.settings(), 300 },
      ["PING"] = { h2.frame(h2.PING, 0, 0, "12345678"), 300 },
      ["empty DATA"] = { h2.data(1, ""), 3000 },
      ["WINDOW_UPDATE"] = { h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.u32(1)), 3000 },
      ["PRIORITY"] = { h2.frame(h2.PRIORITY, 0, 1, h2.u32(0) .. "\1"), 3000 },
    }
    for name, flood in pairs(floods) do
      it("floods with " .. name, function()
        begin()
        say(h2.ask_with_body(1))
        say(flood[1]:rep(flood[2]))
        calmed()
        assert.equal("flood", server:last():error())
      end)
    end

    it("asks for answers and does not read them", function()
      begin()
      wire:hold(true)
      for _ = 1, 8 do
        say(h2.frame(h2.PING, 0, 0, "12345678"):rep(40))
      end
      wire:hold(false)
      calmed()
    end)
  end)

  describe("ends a connection", function()
    it("that does not begin as HTTP/2", function()
      begin(nil, false)
      say("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      place:advance(2)
      assert.equal(1, server.c.closed)
      assert.equal(0, server.c.requests)
    end)

    it("that opens a window by nothing", function()
      begin()
      say(h2.ask(1), h2.frame(h2.WINDOW_UPDATE, 0, 1, h2.u32(0)))
      assert.equal("goaway PROTOCOL_ERROR", heard(0))
      assert.is_false(server:last():is_open())
    end)

    it("that begins with nothing", function()
      begin(nil, false)
      place:advance(11)
      assert.equal(1, server.c.closed)
    end)

    it("whose head takes too long", function()
      begin()
      say(h2.frame(h2.HEADERS, h2.END_STREAM, 1, h2.block(h2.get)))
      place:advance(9)
      assert.equal(0, server.c.closed)
      place:advance(3)
      assert.equal(1, server.c.closed)
    end)

    it("that is idle", function()
      begin()
      place:advance(58)
      assert.equal(0, server.c.closed)
      place:advance(4)
      assert.equal("goaway NO_ERROR", heard(0))
      assert.equal(1, server.c.closed)
    end)

    it("that opens no window for an answer", function()
      begin({ min_rate = 1000 }, { { 4, 0 } })
      say(h2.ask(1))
      answer(server:last(), "hello")
      place:advance(25)
      assert.equal("head 200\nreset CANCEL", heard(1))
    end)

    it("that opens no window, but not before it had time to", function()
      begin({ min_rate = 1000 }, { { 4, 0 } })
      place:advance(9)
      say(h2.ask(1))
      answer(server:last(), "hello")
      place:advance(5)
      assert.equal("head 200", heard(1))
      place:advance(20)
      assert.equal("head 200\nreset CANCEL", heard(1))
    end)

    it("that reads nothing", function()
      begin({ min_rate = 1000 }, { { 4, 2 ^ 31 - 1 } })
      say(h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.u32(2 ^ 30)))
      wire:hold(true)
      for i = 1, 99, 2 do
        say(h2.ask(i))
        local probe = server:last()
        probe:respond({})
        probe:send(("x"):rep(100000), true)
        probe:close()
      end
      place:advance(35)
      assert.equal(1, server.c.closed)
    end)

    it("after as many requests as it may have, and says so before", function()
      begin({ requests = 2 })
      say(h2.ask(1), h2.ask(3))
      assert.equal("goaway NO_ERROR", heard(0))
      say(h2.frame(h2.PING, h2.ACK, 0, "moongate"))
      assert.equal("goaway NO_ERROR\ngoaway NO_ERROR", heard(0))
      for _, probe in ipairs(server.probes) do
        answer(probe, "x")
      end
      place:turn()
      place:advance(2)
      assert.equal("head 200\ndata 1 end", heard(3))
      assert.equal(1, server.c.closed)
    end)

    it("with more streams than it allows", function()
      begin({ streams = 2 })
      say(h2.ask(1), h2.ask(3), h2.ask(5))
      place:advance(2)
      assert.equal(2, server.c.requests)
      assert.is_truthy(heard(0):find("goaway", 1, true) or heard(5):find("reset", 1, true))
    end)
  end)

  it("drains: tells, waits for what is on its way, ends", function()
    begin()
    say(h2.ask(1))
    c.gw_session_drain(server.c.server)
    place:turn()
    assert.equal("goaway NO_ERROR", heard(0))
    say(h2.ask(3)) -- it crossed
    assert.equal(2, server.c.requests)
    place:advance(1.5)
    assert.equal(0, server.c.closed)
    answer(server.probes[1], "a")
    answer(server.probes[2], "b")
    place:turn()
    place:advance(2)
    assert.equal(1, server.c.closed)
  end)

  it("tells what it has begun when it is closed", function()
    begin()
    say(h2.ask(1))
    local probe = server:last()
    c.gw_session_close(server.c.server)
    server.c.server = nil
    place:turn()
    assert.equal("shutdown", probe:error())
  end)
end)
