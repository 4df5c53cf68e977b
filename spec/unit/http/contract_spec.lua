-- The contract of http/stream.h, sentence by sentence, for everything that offers a stream.
--
-- A rig has a stream under test, owned by the probe `near`, and its peer, owned by the probe `far`; both are of the real thing:
-- h1's two roles talk to each other over a connection in memory, plain or with TLS. `near` may be the server's end (it hears a
-- request and answers) or the client's (it asks and hears the answer).
local ffi = require("ffi")
local c = require("support.c")
local net = require("support.net")
local streams = require("support.streams")

local UNKNOWN = streams.UNKNOWN

ffi.cdef([[
struct gw_tls_server *gw_spec_tls_server(struct gw_tls_tickets *tickets, bool strict);
void gw_spec_tls_secure(struct gw_conn *near, struct gw_conn *far, struct gw_tls_server *server, unsigned *secure);
]])

local tickets, tls_server

setup(function()
  tickets = c.gw_tls_tickets_new()
  tls_server = ffi.C.gw_spec_tls_server(tickets, false)
end)

teardown(function()
  c.gw_tls_server_unref(tls_server)
  c.gw_tls_tickets_free(tickets)
end)

-- ── rigs ─────────────────────────────────────────────────────────────────────

local Rig = {}
Rig.__index = Rig

--- The far end sends its head. A server's stream exists from then on.
function Rig:hear_head(spec, stop)
  spec = spec or {}
  if self.near_is_server then
    spec.method = spec.method or "POST"
    self.far:ask(spec, stop)
  else
    self.far:respond(spec, stop)
  end
end

--- The near end sends its head.
function Rig:say_head(spec, stop)
  spec = spec or {}
  if self.near_is_server then
    self.near:respond(spec, stop)
  else
    spec.method = spec.method or "POST"
    self.near:ask(spec, stop)
  end
end

--- Goes on until the near end's stream is there and heads may be sent in both directions; the request is chunked and open.
function Rig:begin(spec)
  spec = spec or { length = UNKNOWN, method = "POST" }
  if self.near_is_server then
    self.far:ask(spec, spec.stop)
  else
    self.near:ask(spec, spec.stop)
  end
  self.place:turn()
end

function Rig:turn() self.place:turn(6) end

--- What near heard of the message, without the request's head that began it.
function Rig:heard() return (self.near:log():gsub("^request[^\n]*\n", "")) end

local function secure(place, near, far)
  local done = ffi.new("unsigned[1]")
  ffi.C.gw_spec_tls_secure(near, far, tls_server, done)
  place.loop:until_true(function() return done[0] == 2 end, "the handshake")
end

local function wire_rig(near_is_server, kind, over_tls)
  local place = streams.place()
  local rig = setmetatable({ place = place, near_is_server = near_is_server, kind = kind }, Rig)
  local near, far = net.memory_pair(place.loop)
  if over_tls then secure(place, near, far) end
  if kind == "h2" then
    rig.acceptor = place:keep(streams.accept_h2(near, { stream_window = 65536 }))
    rig.dialer = place:keep(streams.dial_h2(far, { stream_window = 65536 }))
    place:turn() -- what each side allows is known
  else
    rig.acceptor = place:keep(streams.accept(near))
    rig.dialer = place:keep(streams.dial(far))
  end
  local unused = rig.dialer.c.idle -- how often it was idle before
  local client = rig.dialer:open()
  if near_is_server then
    rig.far = client
  else
    rig.near = client
  end
  rig.acceptor.on_request = function(probe)
    if near_is_server then
      rig.near = probe
    else
      rig.far = probe
    end
    if rig.on_begin then rig.on_begin(probe) end
  end
  rig.kept = function() return rig.dialer.c.idle == unused + 1 and rig.acceptor.c.closed == 0 end
  rig.on_wire = true
  return rig
end

local function pair_rig(near_is_server)
  local place = streams.place()
  local rig = setmetatable({ place = place, near_is_server = near_is_server, kind = "pair" }, Rig)
  local client, server = place:pair()
  rig.near = near_is_server and server or client
  rig.far = near_is_server and client or server
  function rig:heard() return (self.near:log():gsub("^head 0[^\n]*\n", "")) end
  rig.kept = function() return rig.far.c.failures == 0 end
  return rig
end

local RIGS = {
  ["an h1 server stream"] = function() return wire_rig(true, "h1") end,
  ["an h1 client stream"] = function() return wire_rig(false, "h1") end,
  ["an h2 server stream"] = function() return wire_rig(true, "h2") end,
  ["an h2 client stream"] = function() return wire_rig(false, "h2") end,
  ["an h1 server stream over TLS"] = function() return wire_rig(true, "h1", true) end,
  ["an h1 client stream over TLS"] = function() return wire_rig(false, "h1", true) end,
  ["an h2 server stream over TLS"] = function() return wire_rig(true, "h2", true) end,
  ["an h2 client stream over TLS"] = function() return wire_rig(false, "h2", true) end,
  ["the server's end of a pair"] = function() return pair_rig(true) end,
  ["the client's end of a pair"] = function() return pair_rig(false) end,
}

-- ── the contract ─────────────────────────────────────────────────────────────

local function obeyed(probe)
  if not probe or not probe.c then return end
  assert.equal(0, probe.c.after_close, "an event after close")
  assert.equal(0, probe.c.nested, "an event inside an operation")
  assert.is_true(probe.c.failures <= 1, "on_end twice")
  local log = probe:log()
  local at = log:find("end %a+_?%a*\n")
  if at and log:sub(at - 1, at - 1) == "\n" then
    assert.is_nil(log:find("\n.", log:find("\n", at, true)), "an event after on_end: " .. log)
  end
end

for name, make in pairs(RIGS) do
  describe(name, function()
    local rig

    before_each(function() rig = make() end)

    after_each(function()
      obeyed(rig.near)
      obeyed(rig.far)
      rig.place:free()
    end)

    --- A request on its way (chunked), and the far end's message begun: near hears a body from here on.
    local function listen(spec)
      if rig.near_is_server then
        rig:begin(spec)
      else
        rig:begin({ method = "GET", stop = true })
        rig.far:respond(spec or { length = UNKNOWN })
        rig:turn()
      end
    end

    --- Near may send its body from here on.
    local function speak(spec)
      if rig.near_is_server then
        rig:begin({ method = "GET", stop = true })
        rig.near:respond(spec or { length = UNKNOWN })
      else
        rig:begin(spec)
      end
      rig:turn()
    end

    --- Both messages whole.
    local function complete()
      rig:begin({ method = "POST", length = UNKNOWN })
      local client = rig.near_is_server and rig.far or rig.near
      local server = rig.near_is_server and rig.near or rig.far
      client:send("ask", true)
      rig:turn()
      server:respond({ length = 6 })
      server:send("answer", true)
      rig:turn()
      return client, server
    end

    describe("hears", function()
      it("a message that ends with its body", function()
        listen()
        rig.far:send("hello ")
        rig:turn()
        rig.far:send("world", true)
        rig:turn()
        assert.equal("hello world", rig.near:body())
        assert.equal(1, rig.near.c.ends)
        assert.is_nil(rig.near:error())
      end)

      it("a message that ends with nothing more", function()
        listen()
        rig.far:send("hello")
        rig:turn()
        assert.equal(0, rig.near.c.ends)
        rig.far:send("", true)
        rig:turn()
        assert.equal("hello", rig.near:body())
        assert.equal(1, rig.near.c.ends)
      end)

      it("a message that ends with its head", function()
        if rig.near_is_server then
          rig:begin({ method = "GET", stop = true })
        else
          rig:begin({ method = "GET", stop = true })
          rig.far:respond({ length = 0 }, true)
          rig:turn()
        end
        assert.equal(1, rig.near.c.ends)
        assert.equal("", rig.near:body())
      end)

      it("a message that ends with trailers", function()
        listen()
        rig.far:send("hello")
        rig.far:trail({ { "x-sum", "1" }, { "x-b", "2" } })
        rig:turn()
        assert.equal("hello", rig.near:body())
        assert.is_truthy(rig.near:log():find("\ntrailers x-sum=1 x-b=2\n", 1, true))
        assert.equal(1, rig.near.c.ends)
      end)

      it("a message of a declared length", function()
        listen({ method = "POST", length = 5 })
        rig.far:send("hello", true)
        rig:turn()
        assert.equal("hello", rig.near:body())
        assert.equal(1, rig.near.c.ends)
        assert.equal(5, tonumber(rig.near.c.head.body_length))
      end)

      it("nothing of what is sent after the end", function()
        listen()
        rig.far:send("hello", true)
        rig.far:send("more")
        rig.far:send("", true)
        rig.far:trail({ { "x", "y" } })
        rig:turn()
        assert.equal("hello", rig.near:body())
        assert.equal(1, rig.near.c.ends)
        assert.is_nil(rig.far:error())
      end)

      it("fields with their order and duplicates", function()
        local fields = { { "a", "1" }, { "b", "2" }, { "a", "3" }, { "date", "x" } }
        listen({ method = "POST", length = UNKNOWN, fields = fields })
        local head = rig.near.c.head
        local got = {}
        for i = 0, head.fields.count - 1 do
          got[i + 1] = { c.str(head.fields.items[i].name), c.str(head.fields.items[i].value) }
        end
        assert.same(fields, got)
      end)

      it("large bodies whole, whatever is held meanwhile", function()
        listen()
        local piece, sent, n = {}, {}, 0
        for i = 1, 40000 do
          piece[i] = string.char(32 + i % 90)
        end
        piece = table.concat(piece)
        rig.near.on.body = function()
          n = n + 1
          if n % 3 == 0 then rig.near:hold(true) end
        end
        for i = 1, 30 do
          local bytes = i .. piece
          sent[i] = bytes
          rig.far:send(bytes, i == 30)
          rig:turn()
          if i % 2 == 0 then rig.near:hold(false) end
        end
        for _ = 1, 300 do
          rig.near:hold(false)
          rig.place:turn(1)
        end
        assert.is_true(table.concat(sent) == rig.near:body())
        assert.equal(1, rig.near.c.ends)
      end)
    end)

    describe("says", function()
      it("what the far end hears", function()
        speak()
        assert.is_true(rig.near:send("hello "))
        rig.near:send("world", true)
        rig:turn()
        assert.equal("hello world", rig.far:body())
        assert.equal(1, rig.far.c.ends)
      end)

      it("trailers", function()
        speak()
        rig.near:send("hi")
        rig.near:trail({ { "x-t", "1" } })
        rig:turn()
        assert.is_truthy(rig.far:log():find("\ntrailers x-t=1\n", 1, true))
      end)

      it("blobs", function()
        speak()
        rig.near:send_blob(("x"):rep(200000))
        rig.near:send_blob("y", true)
        for _ = 1, 10 do
          rig:turn()
        end
        assert.equal(200001, #rig.far:body())
        assert.equal(1, rig.far.c.ends)
      end)

      it("nothing with no bytes and no end", function()
        speak()
        local before = rig.far:log()
        assert.is_true(rig.near:send(""))
        rig:turn()
        assert.equal(before, rig.far:log())
      end)

      it("no more than there is room for, and hears of room again", function()
        speak()
        rig.far:hold(true)
        local sent = 0
        repeat
          sent = sent + 1
        until not rig.near:send(("x"):rep(65536)) or sent > 200
        assert.is_true(sent <= 200)
        rig:turn()
        assert.is_nil(rig.near:log():find("room"))
        rig.far:hold(false)
        for _ = 1, 20 do
          rig:turn()
        end
        assert.is_truthy(rig.near:log():find("room"))
        rig.near:send("", true)
        for _ = 1, 20 do
          rig:turn()
        end
        assert.equal(sent * 65536, #rig.far:body())
        assert.equal(1, rig.far.c.ends)
      end)
    end)

    describe("holds", function()
      it("bodies", function()
        listen()
        rig.near:hold(true)
        rig.far:send("hello")
        rig:turn()
        assert.equal("", rig.near:body())
        rig.near:hold(false)
        assert.equal("", rig.near:body())
        rig:turn()
        assert.equal("hello", rig.near:body())
      end)

      it("the clean end", function()
        listen()
        rig.far:send("hello")
        rig:turn()
        rig.near:hold(true)
        rig.far:send("", true)
        rig:turn()
        assert.equal(0, rig.near.c.ends)
        rig.near:hold(false)
        rig:turn()
        assert.equal(1, rig.near.c.ends)
      end)

      it("trailers", function()
        listen()
        rig.near:hold(true)
        rig.far:trail({ { "x", "y" } })
        rig:turn()
        assert.is_nil(rig.near:log():find("trailers"))
        rig.near:hold(false)
        rig:turn()
        assert.is_truthy(rig.near:log():find("trailers x=y"))
      end)

      it("bytes already read, from inside an event", function()
        listen()
        rig.near.on.body = function() rig.near:hold(true) end
        rig.far:send("a")
        rig.far:send("b")
        rig.far:send("c", true)
        rig:turn()
        local first = rig.near:body()
        rig:turn()
        assert.equal(first, rig.near:body())
        for _ = 1, 4 do
          rig.near:hold(false)
          rig:turn()
        end
        assert.equal("abc", rig.near:body())
        assert.equal(1, rig.near.c.ends)
      end)

      it("from the head on", function()
        local hold = function(probe) probe:hold(true) end
        if rig.near_is_server and rig.on_wire then
          rig.on_begin = hold
        else
          rig.near.on.head = hold
        end
        listen()
        rig.far:send("hello", true)
        rig:turn()
        assert.equal("", rig.near:body())
        rig.near:hold(false)
        rig:turn()
        assert.equal("hello", rig.near:body())
        assert.equal(1, rig.near.c.ends)
      end)

      it("and lets go inside the same event without losing anything", function()
        listen()
        rig.near.on.body = function()
          rig.near:hold(true)
          rig.near:hold(false)
        end
        for i = 1, 9 do
          rig.far:send(tostring(i))
        end
        rig.far:send("", true)
        for _ = 1, 5 do
          rig:turn()
        end
        assert.equal("123456789", rig.near:body())
        assert.equal(1, rig.near.c.ends)
      end)
    end)

    describe("fails", function()
      local function fails_internal()
        rig:turn()
        assert.equal("internal", rig.near:error())
        rig.near:send("ignored")
        rig.near:send("", true)
        rig.near:trail({})
        rig:turn()
        rig.near:close("internal")
        rig:turn()
      end

      it("for a body longer than declared", function()
        speak({ method = "POST", length = 5 })
        rig.near:send("hello!")
        fails_internal()
      end)

      it("for a body shorter than declared", function()
        speak({ method = "POST", length = 5 })
        rig.near:send("hell")
        rig.near:send("", true)
        fails_internal()
      end)

      it("for a second final head", function()
        speak()
        rig:say_head({ length = UNKNOWN })
        fails_internal()
      end)

      it("for a body before the head", function()
        if not rig.near_is_server then
          rig.near:send("x")
        else
          rig:begin()
          rig.near:send("x")
        end
        fails_internal()
      end)

      it("when the far end closes in the middle of its message", function()
        listen()
        rig.far:send("hello")
        rig:turn()
        rig.far:close("cancelled")
        rig:turn()
        assert.equal("hello", rig.near:body())
        assert.equal(0, rig.near.c.ends)
        assert.equal(rig.near_is_server and "body_cut" or "upstream_cut", rig.near:error())
      end)

      it("also while it holds, once it lets go at the latest", function()
        listen()
        rig.near:hold(true)
        rig.far:close("cancelled")
        rig:turn()
        rig.near:hold(false)
        rig:turn()
        assert.is_truthy(rig.near:error())
      end)
    end)

    describe("closed", function()
      it("with both messages whole is a clean end, and the connection is kept", function()
        local client, server = complete()
        assert.is_nil(rig.near:error())
        server:close()
        client:close()
        rig:turn()
        assert.is_true(rig.kept())
      end)

      it("with an error is not kept", function()
        local client, server = complete()
        server:close("cancelled")
        client:close("cancelled")
        rig:turn()
        if rig.kind == "h1" then assert.is_false(rig.kept()) end
      end)

      it("in the middle of its own message, the far end sees it cut", function()
        speak()
        rig.near:send("hello")
        rig:turn()
        rig.near:close("cancelled")
        rig:turn()
        assert.equal("hello", rig.far:body())
        assert.equal(0, rig.far.c.ends)
        assert.equal(rig.near_is_server and "upstream_cut" or "body_cut", rig.far:error())
      end)

      it("hears nothing any more", function()
        listen()
        rig.near:close("cancelled")
        if rig.far:is_open() then rig.far:send("hello", true) end
        rig:turn()
        assert.equal("", rig.near:body())
      end)

      it("before anything was said", function()
        if rig.near_is_server then rig:begin() end
        rig.near:close()
        rig:turn()
      end)

      for _, event in ipairs({ "head", "body", "trailers", "room" }) do
        it("inside on_" .. event, function()
          local closed = false
          local function close(probe)
            if closed then return end
            closed = true
            probe:close("cancelled")
          end
          if event == "room" then
            speak()
            rig.near.on.room = close
            rig.far:hold(true)
            local sent = 0
            repeat
              sent = sent + 1
            until not rig.near:send(("x"):rep(65536)) or sent > 200
            rig:turn()
            rig.far:hold(false)
          else
            if event == "head" and rig.near_is_server and rig.on_wire then
              rig.on_begin = close
            elseif rig.near then
              rig.near.on[event] = close
            end
            listen()
            if event ~= "head" then
              rig.near.on[event] = close
              rig.far:send("a")
              rig.far:send("b")
              rig.far:trail({ { "x", "y" } })
            end
          end
          for _ = 1, 20 do
            rig:turn()
          end
          assert.is_true(closed)
        end)
      end

      it("inside on_end", function()
        listen()
        rig.near.on["end"] = function(probe) probe:close("cancelled") end
        rig.far:close("cancelled")
        rig:turn()
        assert.is_false(rig.near:is_open())
      end)

      it("inside the last on_body, with both messages whole", function()
        rig:begin({ method = "POST", length = UNKNOWN })
        local client = rig.near_is_server and rig.far or rig.near
        local server = rig.near_is_server and rig.near or rig.far
        client.on.body = function()
          if client.c.ends == 1 then client:close() end
        end
        server.on.body = function()
          if server.c.ends == (rig.kind == "pair" and 1 or 1) then
            server:respond({ length = 2 })
            server:send("ok", true)
            server:close()
          end
        end
        client:send("ask", true)
        rig:turn()
        assert.equal("ok", client:body())
        assert.is_false(client:is_open())
        assert.is_false(server:is_open())
        assert.is_true(rig.kept())
      end)
    end)

    describe("passes", function()
      local function client() return rig.near_is_server and rig.far or rig.near end
      local function server() return rig.near_is_server and rig.near or rig.far end

      it("any number of heads below 200 before the final one", function()
        rig:begin({ method = "GET", stop = true })
        server():respond({ status = 103, fields = { { "link", "a" } } })
        server():respond({ status = 103 })
        rig:turn()
        server():respond({ status = 200, length = 0, fields = { { "date", "x" } } }, true)
        rig:turn()
        assert.equal("head 103 link=a\nhead 103\nhead 200 date=x end\n", client():log())
      end)

      it("a 100 the client waits for", function()
        rig:begin({ method = "POST", length = 5, expect = true })
        assert.is_true(server().c.head.expect_continue)
        server():respond({ status = 100 })
        rig:turn()
        assert.equal("head 100\n", client():log())
        client():send("hello", true)
        rig:turn()
        assert.equal("hello", server():body())
      end)

      it("a response before the request is whole", function()
        rig:begin({ method = "POST", length = 100 })
        client():send("some")
        rig:turn()
        server():respond({ status = 413, length = 3, fields = { { "date", "x" } } })
        server():send("big", true)
        rig:turn()
        assert.equal("big", client():body())
        assert.equal(1, client().c.ends)
        assert.is_nil(client():error())
        client():send("more")
        rig:turn()
        assert.equal("somemore", server():body())
      end)

      it("an answer to HEAD, whose body nobody hears", function()
        rig:begin({ method = "HEAD", stop = true })
        server():respond({ length = 5, fields = { { "date", "x" } } })
        server():send("hello", true)
        rig:turn()
        assert.equal("head 200 date=x end\n", client():log())
        assert.equal(5, tonumber(client().c.head.body_length))
        client():close()
        server():close()
        rig:turn()
        assert.is_true(rig.kept())
      end)

      it("a tunnel after 101, closed half by half", function()
        rig:begin({ method = "GET", protocol = "foo", stop = true })
        assert.equal("foo", c.str(server().c.head.protocol))
        server():respond({ status = 101, protocol = "foo" })
        rig:turn()
        local before = server().c.ends
        server():send("down")
        client():send("up")
        rig:turn()
        assert.equal("up", server():body())
        assert.equal("down", client():body())
        client():send("", true)
        rig:turn()
        assert.equal(before + 1, server().c.ends)
        assert.is_nil(server():error())
        server():send("last", true)
        rig:turn()
        assert.equal("downlast", client():body())
        assert.equal(1, client().c.ends)
        client():close()
        server():close()
        rig:turn()
      end)

      it("no tunnel nobody asked for", function()
        rig:begin({ method = "GET", stop = true })
        server():respond({ status = 101, protocol = "foo" })
        rig:turn()
        assert.equal("internal", server():error())
      end)

      it("a tunnel after 2xx to CONNECT", function()
        rig:begin({ method = "CONNECT", authority = "b:1", path = "", stop = true })
        server():respond({ status = 200 })
        rig:turn()
        client():send("up")
        server():send("down")
        rig:turn()
        assert.equal("up", server():body())
        assert.equal("down", client():body())
      end)

      it("that the client went away, to a server that has answered", function()
        if rig.kind == "h2" then return end -- both messages are whole: nobody can say more of them
        local near_client, near_server = complete()
        near_client:close("cancelled")
        rig:turn()
        assert.equal("client_gone", near_server:error())
      end)

      it("the bare status of an error a server closes with", function()
        rig:begin({ method = "GET", stop = true })
        server():close("no_target")
        rig:turn()
        assert.is_truthy(client():log():find("^head 503[^\n]* end\n"))
      end)

      it("nothing of a server that closes because the client is gone", function()
        rig:begin({ method = "GET", stop = true })
        server():close("client_gone")
        rig:turn()
        assert.equal("reset", client():error())
      end)
    end)
  end)
end
