local c = require("support.c")
local streams = require("support.streams")

local H = "Host: a\r\n"
local DATE = { "date", "now" }
local GET = "GET / HTTP/1.1\r\n" .. H .. "\r\n"
local OK = "HTTP/1.1 200 OK\r\ndate: now\r\n"
local EMPTY = OK .. "content-length: 0\r\n\r\n"

local function get(path, rest) return "GET " .. path .. " HTTP/1.1\r\n" .. H .. (rest or "") .. "\r\n" end
local function post(rest, body) return "POST / HTTP/1.1\r\n" .. H .. rest .. "\r\n" .. (body or "") end

describe("gw_h1_server", function()
  local place, server, wire

  local function open(over)
    if place then place:free() end
    place = streams.place()
    server, wire = place:server(over)
  end

  before_each(function() open() end)
  after_each(function()
    for _, probe in ipairs(server.probes or {}) do
      if probe.c then
        assert.equal(0, probe.c.after_close, "an event after close")
        assert.equal(0, probe.c.nested, "an event inside an operation")
        assert.is_true(probe.c.failures <= 1)
      end
    end
    place:free()
    place = nil
  end)

  local function send(text)
    wire:write(text)
    place:turn()
  end

  local function reply(probe, spec)
    spec = spec or { length = 0 }
    spec.fields = spec.fields or { DATE }
    if spec.body then
      spec.length = spec.length or #spec.body
      probe:respond(spec)
      probe:send(spec.body, true)
    else
      probe:respond(spec, true)
    end
    probe:close()
  end

  local function answer(probe, spec)
    reply(probe, spec)
    place:turn()
  end

  --- Answers every request at once, inside the event.
  local function answer_all()
    server.on_request = function(probe) reply(probe) end
  end

  local function closed() return wire.ends[1] end

  describe("writes responses", function()
    it("head and body in one write", function()
      send(get("/a?b=c", "X-Y:  z \r\n"))
      local probe = server:last()
      assert.equal("request GET /a x-y=z end\n", probe:log())
      answer(probe, { body = "hello", fields = { DATE, { "a", "b" } } })
      assert.equal(OK .. "a: b\r\ncontent-length: 5\r\n\r\nhello", wire:text())
      assert.equal(1, wire.reads)
    end)

    it("a head alone at the end of the turn", function()
      send(GET)
      server:last():respond({ length = 5, fields = { DATE } })
      assert.equal("", wire:text())
      place:turn()
      assert.equal(OK .. "content-length: 5\r\n\r\n", wire:text())
    end)

    it("in chunks where the length is not known, each in one write", function()
      send(GET)
      local probe = server:last()
      probe:respond({ fields = { DATE } })
      probe:send("hello")
      probe:send(("x"):rep(26))
      probe:send("", true)
      place:turn()
      assert.equal(
        OK .. "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1a\r\n" .. ("x"):rep(26) .. "\r\n0\r\n\r\n",
        wire:text()
      )
      assert.equal(3, wire.reads)
    end)

    it("the last chunk and the end in one write", function()
      send(GET)
      local probe = server:last()
      probe:respond({ fields = { DATE } })
      probe:send("hello", true)
      place:turn()
      assert.equal(1, wire.reads)
      assert.is_truthy(wire:text():find("5\r\nhello\r\n0\r\n\r\n", 1, true))
    end)

    it("large blobs behind their head", function()
      send(GET)
      local probe = server:last()
      local big = ("0123456789abcdef"):rep(8192)
      probe:respond({ fields = { DATE } })
      probe:send_blob(big, true)
      place:turn()
      assert.equal(OK .. "transfer-encoding: chunked\r\n\r\n20000\r\n" .. big .. "\r\n0\r\n\r\n", wire:text())
    end)

    it("trailers behind chunks", function()
      send(GET)
      local probe = server:last()
      probe:respond({ fields = { DATE } })
      probe:send("hi")
      probe:trail({ { "x-sum", "1" } })
      place:turn()
      assert.is_truthy(wire:text():find("2\r\nhi\r\n0\r\nx-sum: 1\r\n\r\n", 1, true))
    end)

    it("no trailers behind a length", function()
      send(GET)
      local probe = server:last()
      probe:respond({ length = 2, fields = { DATE } })
      probe:send("hi")
      probe:trail({ { "x-sum", "1" } })
      probe:close()
      place:turn()
      assert.equal(OK .. "content-length: 2\r\n\r\nhi", wire:text())
      assert.is_nil(closed())
    end)

    it("a Date where there is none", function()
      send(GET)
      answer(server:last(), { length = 0, fields = {} })
      assert.equal(
        "HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\ncontent-length: 0\r\n\r\n",
        wire:text()
      )
    end)

    it("to HEAD the length only", function()
      send("HEAD / HTTP/1.1\r\n" .. H .. "\r\n")
      answer(server:last(), { body = "hello" })
      assert.equal(OK .. "content-length: 5\r\n\r\n", wire:text())
      assert.is_nil(closed())
    end)

    it("204 and 304 without a body", function()
      send(GET)
      answer(server:last(), { status = 204, body = "hello" })
      send(GET)
      answer(server:last(), { status = 304, length = 7 })
      assert.equal(
        "HTTP/1.1 204 No Content\r\ndate: now\r\n\r\n"
          .. "HTTP/1.1 304 Not Modified\r\ndate: now\r\ncontent-length: 7\r\n\r\n",
        wire:text()
      )
    end)

    it("to HTTP/1.0 until the connection ends, without 1xx", function()
      send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
      local probe = server:last()
      probe:respond({ status = 103 })
      probe:respond({ fields = { DATE } })
      probe:send("hello")
      probe:send("", true)
      probe:close()
      place:turn()
      assert.equal(OK .. "connection: close\r\n\r\nhello", wire:text())
      assert.equal("closed", closed())
    end)

    it("to HTTP/1.0 that would stay", function()
      send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
      answer(server:last())
      assert.equal(OK .. "content-length: 0\r\nconnection: keep-alive\r\n\r\n", wire:text())
      assert.is_nil(closed())
    end)

    it("1xx at once, any number", function()
      send(GET)
      local probe = server:last()
      probe:respond({ status = 103, fields = { { "link", "x" } } })
      probe:respond({ status = 103 })
      place:turn()
      assert.equal("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n", wire:text())
      answer(probe)
      assert.is_nil(closed())
    end)

    it("no framing fields that somebody put among the others", function()
      send(GET)
      answer(server:last(), {
        body = "hi",
        fields = {
          DATE,
          { "content-length", "9" },
          { "transfer-encoding", "chunked" },
          { "connection", "x" },
          { "keep-alive", "1" },
          { "upgrade", "y" },
        },
      })
      assert.equal(OK .. "content-length: 2\r\n\r\nhi", wire:text())
    end)

    for name, field in pairs({
      ["CR LF in a value"] = { "a", "b\r\nset-cookie: x" },
      ["LF in a value"] = { "a", "b\nc" },
      ["CR in a value"] = { "a", "b\rc" },
      ["NUL in a value"] = { "a", "b\0" },
      ["CR LF in a name"] = { "a\r\nb", "c" },
      ["a space in a name"] = { "a b", "c" },
      ["a name in upper case"] = { "A", "c" },
      ["an empty name"] = { "", "c" },
    }) do
      it("500 instead of a head with " .. name, function()
        send(GET)
        local probe = server:last()
        probe:respond({ fields = { field }, length = 0 }, true)
        place:turn()
        assert.equal("internal", probe:error())
        probe:close("internal")
        place:turn()
        assert.is_truthy(wire:text():find("^HTTP/1.1 500 Internal Server Error\r\n"))
        assert.is_nil(wire:text():find("set%-cookie"))
        assert.equal("closed", closed())
      end)
    end

    it("nothing of a second final head", function()
      send(GET)
      local probe = server:last()
      probe:respond({ fields = { DATE }, length = 2 })
      probe:respond({ fields = { DATE }, length = 2 })
      place:turn()
      assert.equal("internal", probe:error())
    end)

    for name, bytes in pairs({ more = "hello!", less = "hell" }) do
      it(name .. " body than declared cuts the connection", function()
        send(GET)
        local probe = server:last()
        probe:respond({ fields = { DATE }, length = 5 })
        probe:send(bytes, true)
        place:turn()
        assert.equal("internal", probe:error())
        probe:close("internal")
        place:turn()
        assert.is_nil(wire:text():find("hell"))
        assert.equal("closed", closed())
      end)
    end

    it("a body before a head fails", function()
      send(GET)
      local probe = server:last()
      probe:send("x")
      place:turn()
      assert.equal("internal", probe:error())
    end)
  end)

  describe("keeps the connection", function()
    it("for one request after the other", function()
      answer_all()
      send(get("/1"))
      send(get("/2"))
      assert.equal(EMPTY .. EMPTY, wire:text())
      assert.equal(2, server.c.requests)
      assert.is_true(c.gw_session_idle(server.c.server))
    end)

    it("for pipelined requests, answered in order", function()
      answer_all()
      send(get("/1") .. get("/2") .. get("/3"))
      assert.equal(3, server.c.requests)
      assert.equal(EMPTY:rep(3), wire:text())
    end)

    it("for pipelined requests answered later, one at a time", function()
      send(get("/1") .. get("/2"))
      assert.equal(1, server.c.requests)
      answer(server:last())
      assert.equal(2, server.c.requests)
      answer(server:last())
      assert.equal(EMPTY .. EMPTY, wire:text())
    end)

    it("for pipelined bodies, byte by byte", function()
      server.on_request = function(probe)
        local function done() reply(probe, { body = "<" .. probe:body() .. ">" }) end
        probe.on.body = function()
          if probe.c.ends == 1 then done() end
        end
        if probe.c.ends == 1 then done() end
      end
      local all = post("Content-Length: 2\r\n", "ab")
        .. get("/")
        .. post("Transfer-Encoding: chunked\r\n", "1\r\nc\r\n0\r\n\r\n")
      for i = 1, #all do
        send(all:sub(i, i))
      end
      assert.equal(3, server.c.requests)
      local bodies = {}
      for body in wire:text():gmatch("<(.-)>") do
        bodies[#bodies + 1] = body
      end
      assert.same({ "ab", "", "c" }, bodies)
    end)

    it("only so many times", function()
      open({ requests = 2 })
      answer_all()
      send(get("/1"))
      assert.is_nil(closed())
      send(get("/2") .. get("/3"))
      assert.equal(2, server.c.requests)
      assert.equal(EMPTY .. OK .. "content-length: 0\r\nconnection: close\r\n\r\n", wire:text())
      assert.equal("closed", closed())
      wire:close()
      place:advance(5)
      assert.equal(1, server.c.closed)
    end)

    it("not after Connection: close, whose followers are ignored", function()
      answer_all()
      send(get("/1", "Connection: close\r\n") .. get("/2"))
      assert.equal(1, server.c.requests)
      assert.equal(OK .. "content-length: 0\r\nconnection: close\r\n\r\n", wire:text())
      assert.equal("closed", closed())
    end)

    it("and holds no buffer while idle", function()
      answer_all()
      send(get("/1"):sub(1, 10))
      send(get("/1"):sub(11) .. get("/2"))
      assert.equal(2, server.c.requests)
    end)

    it("but does not read far ahead", function()
      send(GET)
      send(("x"):rep(17 * 1024))
      local before = tonumber(c.gw_conn_bytes_in(c.gw_session_conn(server.c.server)))
      send(("x"):rep(1000))
      assert.equal(before, tonumber(c.gw_conn_bytes_in(c.gw_session_conn(server.c.server))))
    end)
  end)

  describe("a body nobody reads", function()
    it("is waited for when it is small", function()
      answer_all()
      send(post("Content-Length: 10\r\n", "hello"))
      assert.equal(EMPTY, wire:text())
      send("world" .. get("/2"))
      assert.equal(2, server.c.requests)
      assert.equal(EMPTY .. EMPTY, wire:text())
      assert.is_nil(closed())
    end)

    it("is walked over in chunks, trailers and all", function()
      answer_all()
      send(post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"))
      send("0\r\nx-t: 1\r\n\r\n" .. get("/2"))
      assert.equal(2, server.c.requests)
      assert.is_nil(closed())
    end)

    it("ends the connection when it is declared large", function()
      answer_all()
      send(post("Content-Length: 100000\r\n", "hello"))
      assert.equal("closed", closed())
    end)

    it("ends the connection when it grows large", function()
      answer_all()
      send(post("Transfer-Encoding: chunked\r\n", "11000\r\n" .. ("x"):rep(0x11000) .. "\r\n"))
      assert.equal("closed", closed())
    end)

    it("ends the connection when it does not come", function()
      answer_all()
      send(post("Content-Length: 10\r\n", "hello"))
      place:advance(0.9)
      assert.is_nil(closed())
      place:advance(0.2)
      assert.equal("closed", closed())
    end)

    it("ends the connection when it is malformed", function()
      answer_all()
      send(post("Transfer-Encoding: chunked\r\n", "x\r\n"))
      assert.equal("closed", closed())
    end)
  end)

  describe("100-continue", function()
    local EXPECTS = post("Expect: 100-continue\r\nContent-Length: 5\r\n")

    it("is asked for by the head and sent by the owner", function()
      send(EXPECTS)
      local probe = server:last()
      assert.is_true(probe.c.head.expect_continue)
      probe:respond({ status = 100 })
      place:turn()
      assert.equal("HTTP/1.1 100 Continue\r\n\r\n", wire:text())
      send("hello")
      assert.equal("hello", probe:body())
      answer(probe)
      assert.is_nil(closed())
    end)

    it("not sent, ends the connection after the answer", function()
      send(EXPECTS)
      answer(server:last(), { status = 403, length = 0 })
      assert.equal(
        "HTTP/1.1 403 Forbidden\r\ndate: now\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        wire:text()
      )
      assert.equal("closed", closed())
    end)

    it("not waited for keeps the connection", function()
      answer_all()
      send(EXPECTS .. "hello")
      assert.equal(EMPTY, wire:text())
      assert.is_nil(closed())
    end)
  end)

  describe("tunnels", function()
    local UPGRADE = get("/", "Connection: Upgrade\r\nUpgrade: foo\r\n")

    it("hold what follows the request until 101, then pass bytes both ways", function()
      send(UPGRADE .. "GET / HTTP/1.1\r\n\r\n")
      local probe = server:last()
      assert.equal("request GET / end\n", probe:log())
      assert.equal("foo", c.str(probe.c.head.protocol))
      place:turn()
      assert.equal("", probe:body())
      probe:respond({ status = 101, protocol = "foo", fields = { DATE } })
      place:turn()
      assert.equal(
        "HTTP/1.1 101 Switching Protocols\r\ndate: now\r\nconnection: upgrade\r\nupgrade: foo\r\n\r\n",
        wire:text()
      )
      assert.equal("GET / HTTP/1.1\r\n\r\n", probe:body())
      send("more")
      probe:send("back")
      place:turn()
      assert.equal("GET / HTTP/1.1\r\n\r\nmore", probe:body())
      assert.is_truthy(wire:text():find("\r\n\r\nback$"))
    end)

    it("close half by half", function()
      send(UPGRADE)
      local probe = server:last()
      probe:respond({ status = 101, fields = { DATE } })
      place:turn()
      wire:shutdown()
      place:turn()
      assert.equal(2, probe.c.ends)
      assert.is_nil(probe:error())
      probe:send("bye")
      place:turn()
      assert.is_nil(closed())
      probe:send("", true)
      place:turn()
      assert.equal("closed", closed())
      probe:close()
      place:turn()
      assert.equal(1, server.c.closed)
    end)

    it("are not opened for those who did not ask", function()
      send(GET)
      local probe = server:last()
      probe:respond({ status = 101, protocol = "foo" })
      place:turn()
      assert.equal("internal", probe:error())
    end)

    it("do not open with another answer, and what follows is never a request", function()
      answer_all()
      send(UPGRADE .. get("/2"))
      assert.equal(1, server.c.requests)
      assert.equal("HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", wire:text())
      assert.equal("closed", closed())
    end)

    it("that CONNECT asked for and did not get end the connection", function()
      send("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n" .. get("/2"))
      server:last():respond({ status = 501, fields = { DATE }, length = 0 }, true)
      server:last():close()
      place:turn()
      assert.equal(1, server.c.requests)
      assert.equal("closed", closed())
    end)

    it("open with 2xx to CONNECT", function()
      send("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\nraw")
      local probe = server:last()
      probe:respond({ fields = { DATE } })
      place:turn()
      assert.equal(OK .. "\r\n", wire:text())
      assert.equal("raw", probe:body())
    end)
  end)

  describe("tells its owner", function()
    it("that the client went away", function()
      send(GET)
      wire:shutdown()
      place:turn()
      assert.equal("client_gone", server:last():error())
      server:last():close("client_gone")
      place:turn()
      assert.equal("", wire:text())
      assert.equal(1, server.c.closed)
    end)

    it("that the client went away with requests still queued", function()
      send(get("/1") .. get("/2"))
      wire:shutdown()
      place:turn()
      assert.equal("client_gone", server:last():error())
      assert.equal(1, server.c.requests)
    end)

    it("that the client broke the connection", function()
      send(GET)
      server:last():respond({ length = 5, fields = { DATE } })
      place:turn()
      wire:close()
      place:turn()
      assert.equal("client_gone", server:last():error())
      server:last():close("client_gone")
      place:turn()
      assert.equal(1, server.c.closed)
    end)

    it("that the client ended in the middle of a body", function()
      send(post("Content-Length: 5\r\n", "he"))
      wire:shutdown()
      place:turn()
      assert.equal("body_cut", server:last():error())
      server:last():close("body_cut")
      place:turn()
      assert.is_truthy(wire:text():find("^HTTP/1.1 400 Bad Request\r\n"))
    end)

    it("that a body is malformed, and closing answers it", function()
      send(post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\nzz\r\n"))
      local probe = server:last()
      assert.equal("hello", probe:body())
      assert.equal("bad_body", probe:error())
      probe:close("bad_body")
      place:turn()
      assert.is_truthy(wire:text():find("^HTTP/1.1 400 Bad Request\r\n"))
      assert.is_truthy(wire:text():find("connection: close\r\n", 1, true))
      assert.equal("closed", closed())
    end)

    it("cuts a response that has begun", function()
      send(GET)
      local probe = server:last()
      probe:respond({ fields = { DATE } })
      probe:send("hi")
      place:turn()
      probe:close("upstream_cut")
      place:turn()
      assert.is_nil(wire:text():find("\r\n0\r\n", 1, true))
      assert.equal("closed", closed())
    end)

    it("cuts a response that only the end of the connection would end with a reset", function()
      send("GET / HTTP/1.0\r\n\r\n")
      local probe = server:last()
      probe:respond({ fields = { DATE } })
      probe:send("hi")
      place:turn()
      probe:close("upstream_cut")
      place:turn()
      assert.equal(OK .. "connection: close\r\n\r\nhi", wire:text())
      assert.equal("reset", closed())
      assert.equal(1, server.c.closed)
    end)

    it("which request of its connection it is", function()
      for i = 1, 3 do
        send(GET)
        assert.equal(i, c.gw_stream_number(server:last().c.stream))
        answer(server:last())
      end
    end)

    it("that there is room again", function()
      send(GET)
      local probe = server:last()
      wire:hold(true)
      probe:respond({ length = 4 * 1024 * 1024, fields = { DATE } })
      local sent = 0
      while probe:send(("x"):rep(65536)) do
        sent = sent + 1
      end
      assert.is_true(sent < 40)
      place:turn()
      assert.is_nil(probe:log():find("room"))
      wire:hold(false)
      place:turn()
      assert.is_truthy(probe:log():find("room"))
    end)
  end)

  describe("holds bodies", function()
    it("also bytes already read, and lets them go in a later call", function()
      send(post("Transfer-Encoding: chunked\r\n"))
      local probe = server:last()
      probe.on.body = function() probe:hold(true) end
      send("1\r\na\r\n1\r\nb\r\n0\r\n\r\n")
      assert.equal("a", probe:body())
      place:turn()
      probe:hold(false)
      assert.equal("a", probe:body())
      place:turn()
      assert.equal("ab", probe:body())
      assert.equal(0, probe.c.ends)
      probe:hold(false)
      place:turn()
      assert.equal(1, probe.c.ends)
    end)

    it("and stops reading from the connection", function()
      send(post("Content-Length: 10000000\r\n"))
      local probe = server:last()
      probe:hold(true)
      for _ = 1, 8 do
        wire:write(("x"):rep(65536))
      end
      place:turn(20)
      assert.equal("", probe:body())
      assert.is_true(tonumber(c.gw_conn_bytes_in(c.gw_session_conn(server.c.server))) < 40000)
      probe:hold(false)
      place:turn(20)
      assert.equal(8 * 65536, #probe:body())
    end)
  end)

  describe("refuses", function()
    it("and lets the owner answer, then ends the connection", function()
      server.on_refused = function(probe, reason)
        probe:respond({ status = 400, length = #reason, fields = { DATE } })
        probe:send(reason, true)
        probe:close(reason)
      end
      send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" .. GET)
      assert.equal("bad_host", server:refusal())
      assert.equal("GET", c.str(server.probes[1].c.head.method_name))
      assert.equal(
        "HTTP/1.1 400 Bad Request\r\ndate: now\r\ncontent-length: 8\r\nconnection: close\r\n\r\nbad_host",
        wire:text()
      )
      assert.equal("closed", closed())
      assert.equal(0, server.c.requests)
      place:advance(3)
      assert.equal(1, server.c.closed)
    end)

    it("with the bare status when the owner only closes", function()
      server.on_refused = function(probe, reason) probe:close(reason) end
      send("GET / HTTP/1.2\r\n\r\n")
      assert.is_truthy(wire:text():find("^HTTP/1.1 505 HTTP Version Not Supported\r\n"))
    end)

    it("later requests after good ones", function()
      answer_all()
      server.on_refused = function(probe, reason) probe:close(reason) end
      send(get("/1") .. "G@T / HTTP/1.1\r\n\r\n")
      assert.equal(1, server.c.requests)
      assert.is_truthy(wire:text():find("^" .. EMPTY:gsub("%p", "%%%0") .. "HTTP/1.1 400 "))
    end)

    it("a head that comes too slowly", function()
      server.on_refused = function(probe, reason) probe:close(reason) end
      place:advance(30)
      send("GET /slow HTTP/1.1\r\n")
      for _ = 1, 9 do
        place:advance(1)
        send("a: b\r\n")
      end
      assert.is_nil(server:refusal())
      place:advance(1.1)
      assert.equal("head_slow", server:refusal())
      assert.equal("/slow", c.str(server.probes[1].c.head.raw_target))
      assert.is_truthy(wire:text():find("^HTTP/1.1 408 Request Timeout\r\n"))
      assert.equal("closed", closed())
    end)
  end)

  describe("ends idle connections", function()
    it("that never sent a byte, silently", function()
      place:advance(59)
      assert.is_nil(closed())
      place:advance(1.1)
      assert.equal("closed", closed())
      assert.equal("", wire:text())
      assert.equal(1, server.c.closed)
    end)

    it("counting from the last answer", function()
      answer_all()
      place:advance(50)
      send(GET)
      place:advance(50)
      assert.is_nil(closed())
      place:advance(11)
      assert.equal("closed", closed())
    end)

    it("but not those at work", function()
      send(GET)
      place:advance(300)
      assert.is_nil(closed())
      answer(server:last())
      assert.equal(EMPTY, wire:text())
    end)

    it("that the client closed", function()
      wire:close()
      place:turn()
      assert.equal(1, server.c.closed)
    end)

    it("that the client left in the middle of a head", function()
      send("GET / HT")
      wire:close()
      place:turn()
      assert.equal(1, server.c.closed)
      assert.is_nil(server:refusal())
    end)
  end)

  describe("drains", function()
    it("idle connections at once", function()
      c.gw_session_drain(server.c.server)
      place:turn()
      assert.equal("closed", closed())
      assert.equal(1, server.c.closed)
    end)

    it("busy ones after their answer", function()
      send(get("/1") .. get("/2"))
      c.gw_session_drain(server.c.server)
      place:turn()
      assert.is_nil(closed())
      answer(server:last())
      assert.equal(1, server.c.requests)
      assert.equal(OK .. "content-length: 0\r\nconnection: close\r\n\r\n", wire:text())
      assert.equal("closed", closed())
    end)
  end)

  describe("is closed by its owner", function()
    it("while idle", function()
      local before = server.c.closed
      c.gw_session_close(server.c.server)
      server.c.server = nil
      place:turn()
      assert.equal("closed", closed())
      assert.equal(before, server.c.closed)
    end)

    it("with a stream in flight", function()
      send(GET)
      c.gw_session_close(server.c.server)
      server.c.server = nil
      assert.is_nil(server:last():error())
      place:turn()
      assert.equal("shutdown", server:last():error())
      server:last():close("shutdown")
      place:turn()
      assert.equal(0, server.c.closed)
    end)
  end)
end)
