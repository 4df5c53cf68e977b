local ffi = require("ffi")
local c = require("support.c")
local streams = require("support.streams")

local take, take_now = ffi.new("struct gw_defer"), nil
local on_take = ffi.cast("void (*)(struct gw_defer *)", function() take_now() end)

local OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

describe("gw_h1_client", function()
  local place, client, wire

  before_each(function()
    place = streams.place()
    client, wire = place:client()
  end)

  after_each(function()
    for _, probe in ipairs(client.probes or {}) do
      if probe.c then
        assert.equal(0, probe.c.after_close, "an event after close")
        assert.equal(0, probe.c.nested, "an event inside an operation")
        assert.is_true(probe.c.failures <= 1)
      end
    end
    place:free()
  end)

  local function reply(text)
    wire:write(text)
    place:turn()
  end

  --- A request without a body, sent.
  local function get(spec)
    local probe = client:open()
    probe:ask(spec or {}, true)
    place:turn()
    return probe
  end

  local function finish(probe)
    probe:close()
    place:turn()
  end

  describe("writes requests", function()
    local function written(spec, stop)
      local probe = client:open()
      probe:ask(spec, stop == nil or stop)
      place:turn()
      return wire:text(), probe
    end

    it("with Host from the authority, first of all fields", function()
      assert.equal("GET /a?b HTTP/1.1\r\nhost: b.c:81\r\nx-a: 1\r\n\r\n",
        written({ path = "/a", query = "b", authority = "b.c:81", fields = { { "x-a", "1" } } }))
    end)

    it("with an empty query", function()
      assert.equal("GET /a? HTTP/1.1\r\nhost: example.com\r\n\r\n", written({ path = "/a", query = "" }))
    end)

    it("with a zero length where a body means something", function()
      assert.equal("POST / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 0\r\n\r\n", written({ method = "POST" }))
    end)

    it("of any method", function()
      assert.equal("BREW / HTTP/1.1\r\nhost: example.com\r\n\r\n", written({ method = "BREW" }))
    end)

    it("with *", function()
      assert.equal("OPTIONS * HTTP/1.1\r\nhost: example.com\r\n\r\n", written({ method = "OPTIONS", path = "*" }))
    end)

    it("CONNECT with the authority as its target", function()
      assert.equal("CONNECT b:1 HTTP/1.1\r\nhost: b:1\r\n\r\n", written({ method = "CONNECT", authority = "b:1", path = "" }))
    end)

    it("with an upgrade", function()
      assert.equal("GET / HTTP/1.1\r\nhost: example.com\r\nconnection: upgrade\r\nupgrade: foo\r\n\r\n",
        written({ protocol = "foo" }))
    end)

    it("with the expectation of a 100", function()
      assert.equal("POST / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n",
        written({ method = "POST", length = 5, expect = true }, false))
    end)

    it("without framing fields that somebody put among the others", function()
      assert.equal("GET / HTTP/1.1\r\nhost: example.com\r\n\r\n", written({ fields = { { "host", "evil" },
        { "content-length", "5" }, { "transfer-encoding", "chunked" }, { "connection", "close" }, { "te", "x" },
        { "upgrade", "x" }, { "expect", "x" }, { "keep-alive", "x" }, { "proxy-connection", "x" } } }))
    end)

    it("head and first bytes of body in one write", function()
      local probe = client:open()
      probe:ask({ method = "POST", length = 5 })
      probe:send("hello", true)
      place:turn()
      assert.equal("POST / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 5\r\n\r\nhello", wire:text())
      assert.equal(1, wire.reads)
    end)

    it("in chunks with trailers", function()
      local probe = client:open()
      probe:ask({ method = "POST", length = streams.UNKNOWN })
      probe:send("hello")
      probe:trail({ { "x-t", "1" } })
      place:turn()
      assert.equal("POST / HTTP/1.1\r\nhost: example.com\r\ntransfer-encoding: chunked\r\n\r\n" ..
        "5\r\nhello\r\n0\r\nx-t: 1\r\n\r\n", wire:text())
    end)

    for name, spec in pairs({
      ["no authority"] = { authority = "" }, ["CR LF in the authority"] = { authority = "a\r\nb" },
      ["a space in the path"] = { path = "/a b" }, ["CR LF in the path"] = { path = "/a\r\nb" },
      ["NUL in the path"] = { path = "/\0" }, ["a path without a slash"] = { path = "a" },
      ["an empty path"] = { path = "" }, ["CR LF in the query"] = { query = "a\r\nb" },
      ["a space in the method"] = { method = "GET /" }, ["an empty method"] = { method = "" },
      ["CR LF in a value"] = { fields = { { "a", "b\r\nc: d" } } }, ["NUL in a value"] = { fields = { { "a", "\0" } } },
      ["LF in a name"] = { fields = { { "a\nb", "c" } } }, ["CR LF in the protocol"] = { protocol = "a\r\nb" },
    }) do
      it("nothing with " .. name, function()
        local text, probe = written(spec)
        assert.equal("", text)
        assert.equal("internal", probe:error())
        assert.is_false(c.gw_stream_sent(probe.c.stream))
      end)
    end
  end)

  describe("tells responses", function()
    it("head, body and end", function()
      local probe = get()
      reply(OK)
      assert.equal("head 200\nbody 2 end\n", probe:log())
      assert.equal("hi", probe:body())
    end)

    it("in pieces of one byte", function()
      local probe = get()
      local all = "HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-t: 1\r\n\r\n"
      for i = 1, #all do reply(all:sub(i, i)) end
      assert.equal("head 200 a=b\nbody 1\nbody 1\ntrailers x-t=1\n", probe:log())
      finish(probe)
      assert.equal(1, client.c.idle)
    end)

    it("1xx before", function()
      local probe = get()
      reply("HTTP/1.1 103 E\r\nLink: x\r\n\r\n" .. OK)
      assert.equal("head 103 link=x\nhead 200\nbody 2 end\n", probe:log())
    end)

    it("until the connection ends", function()
      local probe = get()
      reply("HTTP/1.1 200 OK\r\n\r\nhi")
      assert.equal(0, probe.c.ends)
      wire:close()
      place:turn()
      assert.equal("head 200\nbody 2\nbody 0 end\n", probe:log())
      finish(probe)
      assert.equal(0, client.c.idle)
      assert.equal(1, client.c.closed)
    end)

    it("to HEAD without a body", function()
      local probe = get({ method = "HEAD" })
      reply("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
      assert.equal("head 200 end\n", probe:log())
      assert.equal(5, tonumber(probe.c.head.body_length))
      finish(probe)
      assert.equal(1, client.c.idle)
    end)

    it("that come before the request was whole", function()
      local probe = client:open()
      probe:ask({ method = "POST", length = 100 })
      probe:send("x")
      place:turn()
      reply("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
      assert.equal("head 413 end\n", probe:log())
      finish(probe)
      assert.equal(0, client.c.idle)
      assert.equal(1, client.c.closed)
    end)

    it("held, also bytes already read", function()
      local probe = get()
      probe.on.head = function() probe:hold(true) end
      reply(OK)
      assert.equal("head 200\n", probe:log())
      probe:hold(false)
      assert.equal("head 200\n", probe:log())
      place:turn()
      assert.equal("head 200\nbody 2 end\n", probe:log())
    end)

    it("held over the end of the connection", function()
      local probe = get()
      probe.on.head = function() probe:hold(true) end
      reply("HTTP/1.1 200 OK\r\n\r\nhi")
      wire:close()
      place:turn()
      assert.equal("head 200\n", probe:log())
      probe:hold(false)
      place:turn()
      assert.equal("head 200\nbody 2\nbody 0 end\n", probe:log())
    end)
  end)

  describe("reuses the connection", function()
    it("when both messages were whole", function()
      for i = 1, 3 do
        local probe = get({ path = "/" .. i })
        reply(OK)
        finish(probe)
        assert.equal(i, client.c.idle)
        assert.equal("head 200\nbody 2 end\n", probe:log())
      end
      assert.equal(3, c.gw_h1_client_requests(client.c.client))
      assert.equal(0, client.c.closed)
    end)

    local refusals = {
      ["the server said close"] = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
      ["HTTP/1.0"] = "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
      ["bytes stand behind the response"] = OK .. "x",
      ["a second response stands behind the first"] = OK .. OK,
      ["a body stands behind 204"] = "HTTP/1.1 204 N\r\n\r\nhi",
      ["a body stands behind 304"] = "HTTP/1.1 304 N\r\nContent-Length: 2\r\n\r\nhi",
    }
    for name, text in pairs(refusals) do
      it("not when " .. name, function()
        local probe = get()
        reply(text)
        assert.is_nil(probe:error())
        assert.equal(1, probe.c.ends)
        finish(probe)
        assert.equal(0, client.c.idle)
        assert.equal(1, client.c.closed)
        assert.is_true(wire.ends[1] ~= nil)
      end)

      it("not when " .. name .. ", closed inside the event", function()
        local probe = client:open()
        local function close() if probe.c.ends == 1 then probe:close() end end
        probe.on.head, probe.on.body = close, close
        probe:ask({}, true)
        place:turn()
        reply(text)
        place:turn()
        assert.equal(0, client.c.idle)
        assert.equal(1, client.c.closed)
      end)
    end

    it("not when a body stands behind the answer to HEAD", function()
      local probe = get({ method = "HEAD" })
      reply(OK)
      assert.equal("head 200 end\n", probe:log())
      finish(probe)
      assert.equal(1, client.c.closed)
    end)

    it("not when bytes come later", function()
      local probe = get()
      reply(OK)
      reply("x")
      assert.equal("head 200\nbody 2 end\n", probe:log())
      finish(probe)
      assert.equal(1, client.c.closed)
    end)

    it("not when the owner closed with an error", function()
      local probe = get()
      reply(OK)
      probe:close("client_gone")
      place:turn()
      assert.equal(1, client.c.closed)
    end)

    it("not when the owner closed early", function()
      local probe = get()
      reply("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi")
      finish(probe)
      assert.equal(1, client.c.closed)
      assert.is_true(wire.ends[1] ~= nil)
    end)
  end)

  describe("an idle connection", function()
    it("closes when the server closes it", function()
      finish(get()) -- no answer yet: not reusable
      assert.equal(1, client.c.closed)
    end)

    it("closes when bytes come that nobody asked for", function()
      reply("HTTP/1.1 200 OK\r\n\r\n")
      assert.equal(1, client.c.closed)
      assert.is_true(wire.ends[1] ~= nil)
    end)

    it("closes when the server ends it", function()
      wire:shutdown()
      place:turn()
      assert.equal(1, client.c.closed)
    end)

    it("taken in the turn in which it broke gives a stream that ends unsent", function()
      local first = get()
      reply(OK)
      finish(first)
      wire:write("x")
      local second
      -- The connection's own call comes first; its owner hears of it in a later one.
      c.gw_loop_defer(place.loop.c, take, on_take)
      take_now = function() second = client:open() second:ask({}, true) end
      place:turn()
      assert.equal("reset", second:error())
      assert.is_false(c.gw_stream_sent(second.c.stream))
      assert.equal(0, client.c.closed)
      second:close("reset")
      place:turn()
      assert.equal(1, client.c.closed)
    end)
  end)

  describe("fails", function()
    local function fails(reason, act, text)
      local probe = get()
      if text then reply(text) end
      if act then
        act()
        place:turn()
      end
      assert.equal(reason, probe:error())
      probe:close(reason)
      place:turn()
      assert.equal(0, client.c.idle)
      assert.equal(1, client.c.closed)
      return probe
    end

    it("when the server closes before its answer", function() fails("reset", function() wire:shutdown() end) end)
    it("when the server breaks the connection before its answer", function()
      local probe = client:open()
      wire:hold(true)
      probe:ask({}, true)
      place:turn()
      wire:close()
      place:turn()
      assert.equal("reset", probe:error())
    end)
    it("when the server closes after a 1xx", function()
      fails("reset", function() wire:shutdown() end, "HTTP/1.1 103 E\r\n\r\n")
    end)
    it("when the server closes inside its head", function()
      fails("upstream_cut", function() wire:shutdown() end, "HTTP/1.1 200 OK\r\nA")
    end)
    it("when the server closes inside a body", function()
      local probe = fails("upstream_cut", function() wire:shutdown() end,
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi")
      assert.equal("hi", probe:body())
    end)
    it("when the server closes inside chunks", function()
      fails("upstream_cut", function() wire:shutdown() end,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi")
    end)
    it("on an invalid response", function() fails("upstream_protocol", nil, "HTTP/1.1 200 OK\nA: b\r\n\r\n") end)
    it("on an invalid chunk", function()
      fails("upstream_protocol", nil, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n")
    end)
    it("on a head too large", function()
      fails("upstream_head_too_large", nil, "HTTP/1.1 200 OK\r\nA: " .. ("x"):rep(40000))
    end)
    it("on 101 nobody asked for", function()
      fails("upstream_protocol", nil, "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n")
    end)
    it("on endless 1xx", function() fails("upstream_protocol", nil, ("HTTP/1.1 103 E\r\n\r\n"):rep(100)) end)

    it("on bytes that came before the request", function()
      local probe = client:open()
      reply(OK)
      assert.equal("reset", probe:error())
      assert.is_false(c.gw_stream_sent(probe.c.stream))
    end)

    it("when its session is closed", function()
      local probe = get()
      c.gw_h1_client_close(client.c.client)
      client.c.client = nil
      assert.is_nil(probe:error())
      place:turn()
      assert.equal("shutdown", probe:error())
      probe:close("shutdown")
      place:turn()
      assert.equal(0, client.c.closed)
    end)
  end)

  describe("knows whether a byte was sent", function()
    it("not before the head", function()
      local probe = client:open()
      place:turn()
      assert.is_false(c.gw_stream_sent(probe.c.stream))
      probe:ask({ method = "POST", length = 5 })
      assert.is_false(c.gw_stream_sent(probe.c.stream))
      place:turn()
      assert.is_true(c.gw_stream_sent(probe.c.stream))
    end)

    it("also when the connection is gone", function()
      local probe = get()
      wire:close()
      place:turn()
      assert.equal("reset", probe:error())
      assert.is_true(c.gw_stream_sent(probe.c.stream))
    end)
  end)

  describe("tunnels", function()
    it("open with 101 and are never reused", function()
      local probe = get({ protocol = "foo" })
      reply("HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\nraw")
      assert.equal("head 101\nbody 3\n", probe:log())
      assert.equal("foo", c.str(probe.c.head.protocol))
      probe:send("up")
      place:turn()
      assert.is_truthy(wire:text():find("\r\n\r\nup$"))
      probe:send("", true)
      place:turn()
      assert.equal("closed", wire.ends[1])
      wire:shutdown()
      place:turn()
      assert.equal("head 101\nbody 3\nbody 0 end\n", probe:log())
      finish(probe)
      assert.equal(0, client.c.idle)
      assert.equal(1, client.c.closed)
    end)

    it("do not open with another answer, and the connection is kept", function()
      local probe = get({ protocol = "foo" })
      reply(OK)
      assert.equal("head 200\nbody 2 end\n", probe:log())
      finish(probe)
      assert.equal(1, client.c.idle)
    end)
  end)
end)
