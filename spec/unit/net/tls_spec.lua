local ffi = require("ffi")
local c = require("support.c")
local engines = require("support.engines")
local net = require("support.net")

ffi.cdef([[
struct gw_tls *gw_spec_tls_client(const char *name, int version, const char *ciphers, const char *protocol);
struct gw_tls_server *gw_spec_tls_server(struct gw_tls_tickets *tickets, bool strict);
int gw_spec_tls_renegotiate(struct gw_tls *tls);
int gw_spec_tls_new_keys(struct gw_tls *tls);
const char *gw_spec_tls_version(struct gw_tls *tls);
]])
local support = ffi.C
local TLS12, TLS13 = 0x0303, 0x0304
local FAILED, ENDED = c.GW_TLS_FAILED, c.GW_TLS_ENDED

local room = engines.room
local side, feed, shake, write, take_records =
  engines.side, engines.feed, engines.shake, engines.write, engines.take_records
local tickets, server

setup(function()
  tickets = c.gw_tls_tickets_new()
  server = support.gw_spec_tls_server(tickets, false)
end)

teardown(function()
  c.gw_tls_server_unref(server)
  c.gw_tls_tickets_free(tickets)
end)

local function pair(options)
  options = options or {}
  local near = side(c.gw_tls_server_accept(options.server or server))
  local far =
    side(support.gw_spec_tls_client(options.name, options.version or TLS13, options.ciphers, options.protocol))
  ffi.gc(near.engine, c.gw_tls_free)
  ffi.gc(far.engine, c.gw_tls_free)
  return near, far
end

local function records(bytes)
  local count = 0
  while #bytes >= 5 do
    count = count + 1
    bytes = bytes:sub(6 + bytes:byte(4) * 256 + bytes:byte(5))
  end
  return count
end

local function reason(engine) return ffi.string(c.gw_tls_failure_reason(c.gw_tls_failure(engine))) end

describe("the TLS engine", function()
  for name, version in pairs { ["TLSv1.2"] = TLS12, ["TLSv1.3"] = TLS13 } do
    it("speaks " .. name .. ", also when every byte comes alone", function()
      local near, far = pair { version = version }
      assert.is_true(shake(near, far, 1))
      assert.equal(name, ffi.string(support.gw_spec_tls_version(near.engine)))
      write(far, near, "ques", "", "tion")
      write(near, far, "answer")
      feed(near, far, 1)
      feed(far, near, 1)
      assert.equal("question", table.concat(near.got))
      assert.equal("answer", table.concat(far.got))
    end)
  end

  it("may rest at any time, also within a record", function()
    local near, far = pair {}
    assert.is_true(shake(near, far))
    for i = 1, 40 do
      local text = ("%d"):format(i):rep(2000)
      near.got, far.got = {}, {}
      write(far, near, text)
      local late = near.inbox:sub(i * 40)
      near.inbox = near.inbox:sub(1, i * 40 - 1)
      feed(near, far, 1e6)
      if i % 3 ~= 0 then c.gw_tls_rest(near.engine) end
      near.inbox = late
      feed(near, far, 1e6)
      write(near, far, text)
      feed(far, near, 1e6)
      if i % 7 == 0 then c.gw_tls_rest(near.engine) end
      assert.equal(text, table.concat(near.got))
      assert.equal(text, table.concat(far.got))
    end
  end)

  it("puts small pieces into one record, and fills records of large ones", function()
    local near, far = pair()
    assert.is_true(shake(near, far))
    far.inbox = ""
    assert.equal(1302, write(near, far, ("h"):rep(300), "\r\n", ("b"):rep(1000)))
    assert.equal(1, records(far.inbox))
    far.inbox = ""
    near, far = pair()
    assert.is_true(shake(near, far))
    local big = ("0123456789abcdef"):rep(20000)
    assert.equal(#big + 5, write(near, far, "head:", big))
    assert.equal(math.ceil((#big + 5) / 16384), records(far.inbox))
    feed(far, near, 100000)
    assert.is_true(table.concat(far.got) == "head:" .. big)
  end)

  -- Anybody on the way can send one: what follows must not be taken for a secure connection.
  it("takes a close_notify in the clear for no handshake, in either role", function()
    local goodbye = "\21\3\3\0\2\1\0"
    for _, version in ipairs { TLS12, TLS13 } do
      local near, far = pair { version = version }
      feed(far, near, 1e6)
      feed(near, far, 1e6) -- the client's hello
      far.inbox, near.inbox = goodbye, goodbye
      for _, of in ipairs { near, far } do
        assert.equal(FAILED, feed(of, of == near and far or near, 1e6))
        assert.is_false(c.gw_tls_established(of.engine))
        assert.is_truthy(reason(of.engine) ~= "none")
        assert.equal(FAILED, c.gw_tls_handshake(of.engine, room, c.slice("")))
      end
      assert.equal("closed", reason(far.engine))
    end
  end)

  it("tells the end that was said, on both sides", function()
    local near, far = pair()
    assert.is_true(shake(near, far))
    write(far, near, "last")
    c.gw_tls_shutdown(far.engine, room)
    near.inbox = near.inbox .. take_records()
    assert.equal(ENDED, feed(near, far, 1e6))
    assert.equal("last", table.concat(near.got))
    write(near, far, "still")
    c.gw_tls_shutdown(near.engine, room)
    far.inbox = far.inbox .. take_records()
    assert.equal(ENDED, feed(far, near, 1e6))
    assert.equal("still", table.concat(far.got))
  end)

  it("refuses to negotiate anew, and goes on", function()
    local near, far = pair { version = TLS12 }
    assert.is_true(shake(near, far))
    assert.equal(1, support.gw_spec_tls_renegotiate(far.engine))
    c.gw_tls_handshake(far.engine, room, c.slice(""))
    near.inbox = near.inbox .. take_records()
    feed(near, far, 1e6)
    assert.is_true(c.gw_tls_established(near.engine))
    assert.equal(21, far.inbox:byte(1)) -- an alert: no_renegotiation
  end)

  it("bounds how often a peer may ask for new keys", function()
    local near, far = pair()
    assert.is_true(shake(near, far))
    local result
    for _ = 1, 5000 do
      support.gw_spec_tls_new_keys(far.engine)
      write(far, near, "x")
      result = feed(near, far, 1e6)
      if result == FAILED then break end
      far.inbox = "" -- nobody reads
    end
    assert.equal(FAILED, result)
    assert.equal("flood", reason(near.engine))
  end)

  it("knows plain HTTP, and garbage", function()
    local near, far = pair()
    near.inbox = "OPTIONS * HTTP/1.1\r\n\r\n"
    assert.equal(FAILED, feed(near, far, 1))
    assert.equal("plain_http", reason(near.engine))
    near, far = pair()
    near.inbox = ("\22\3\1\0\5hello"):rep(3)
    assert.equal(FAILED, feed(near, far, 1))
    assert.equal("malformed", reason(near.engine))
  end)

  it("has no version or cipher suite of yesterday", function()
    for _, version in ipairs { 0x0301, 0x0302 } do
      local near, far = pair { version = version, ciphers = "ALL:@SECLEVEL=0" }
      assert.is_false(shake(near, far))
      assert.equal("version", reason(near.engine))
    end
    for _, ciphers in ipairs { "AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "NULL:@SECLEVEL=0" } do
      local near, far = pair { version = TLS12, ciphers = ciphers }
      assert.is_false(shake(near, far))
      assert.equal("cipher", reason(near.engine))
    end
  end)

  it("refuses application protocols that it does not speak", function()
    local near, far = pair { protocol = "\8http/1.1" }
    assert.is_true(shake(near, far))
    near, far = pair { protocol = "\2h2" }
    assert.is_false(shake(near, far))
    assert.equal("protocol", reason(near.engine))
  end)

  it("is strict with names where it is told to be", function()
    local strict = support.gw_spec_tls_server(tickets, true)
    for name, good in pairs {
      ["a.test"] = true,
      ["A.TEST"] = true,
      ["x.b.test"] = true,
      ["x.y.b.test"] = false,
      ["b.test"] = false,
      ["c.test"] = false,
    } do
      local near, far = pair { server = strict, name = name }
      assert.equal(good, shake(near, far, 1), name)
      if not good then assert.equal("name", reason(near.engine)) end
    end
    local near, far = pair { server = strict }
    assert.is_false(shake(near, far))
    c.gw_tls_server_unref(strict)
  end)
end)

describe("the keys of tickets", function()
  it("change every hour, and are good for two more", function()
    local keys = c.gw_tls_tickets_new()
    local first, second, found =
      ffi.new("struct gw_tls_ticket_key"), ffi.new("struct gw_tls_ticket_key"), ffi.new("struct gw_tls_ticket_key")
    assert.is_true(c.gw_tls_tickets_current(keys, 1000, first))
    assert.is_true(c.gw_tls_tickets_current(keys, 4599, second))
    assert.equal(ffi.string(first.name, 16), ffi.string(second.name, 16))
    assert.is_true(c.gw_tls_tickets_current(keys, 4600, second))
    assert.not_equal(ffi.string(first.name, 16), ffi.string(second.name, 16))
    assert.is_true(c.gw_tls_tickets_find(keys, 11799, first.name, found))
    assert.equal(ffi.string(first.cipher, 32), ffi.string(found.cipher, 32))
    assert.is_false(c.gw_tls_tickets_find(keys, 11800, first.name, found))
    c.gw_tls_tickets_free(keys)
  end)
end)

describe("a connection with TLS", function()
  local loop, near, far

  before_each(function()
    loop = net.loop()
    near, far = net.bound_pair("memory", loop)
    c.gw_conn_start_tls(near.conn, c.gw_tls_server_accept(server), c.slice(""))
    c.gw_conn_start_tls(far.conn, support.gw_spec_tls_client("a.test", TLS13, nil, nil), c.slice(""))
    near:hold(false)
    far:hold(false)
    loop:until_true(
      function()
        return c.gw_tls_established(c.gw_conn_tls(near.conn)) and c.gw_tls_established(c.gw_conn_tls(far.conn))
      end,
      "the handshake"
    )
  end)

  after_each(function()
    for _, e in ipairs { near, far } do
      if not e.closed then e:close() end
    end
    loop:free()
    assert.equal(0, c.gw_conn_count())
  end)

  it("carries bytes both ways, a write as one read", function()
    near:write("ping", "", "pong")
    far:write("answer")
    loop:until_true(function() return far.count == 8 and near.count == 6 end)
    assert.equal("pingpong", far:text())
    assert.equal(1, far.reads)
  end)

  it("keeps order and every byte with a slow reader and a bounded queue", function()
    local total, sent = 4 * 1024 * 1024, 0
    local piece = ("0123456789abcdef"):rep(4096)
    c.gw_conn_set_write_limit(near.conn, 256 * 1024)
    local function fill(e)
      while sent < total do
        sent = sent + #piece
        if not e:write(piece) then return end
      end
      e:shutdown()
    end
    near.on_room = fill
    far.keep = false
    local expect, wrong = 0, false
    far.on_read = function(e, bytes, n)
      local hex = "0123456789abcdef"
      if bytes[0] ~= hex:byte(expect % 16 + 1) or bytes[n - 1] ~= hex:byte((expect + n - 1) % 16 + 1) then
        wrong = true
      end
      expect = expect + n
      e:hold(true)
    end
    fill(near)
    assert.is_true(sent < total)
    loop:until_true(function()
      far:hold(false)
      return #far.ends > 0
    end, "all bytes")
    assert.equal(total, far.count)
    assert.is_false(wrong)
    assert.same({ "closed" }, far.ends)
    assert.is_false(c.gw_conn_cut(far.conn))
  end)

  it("delivers nothing while held, also not the end", function()
    far:hold(true)
    near:write("later")
    near:shutdown()
    loop:settle()
    assert.equal(0, far.count)
    assert.same({}, far.ends)
    far:hold(false)
    loop:until_true(function() return #far.ends == 1 end)
    assert.equal("later", far:text())
    far:write("and back")
    loop:until_true(function() return near.count == 8 end)
  end)

  it("survives being closed inside on_read", function()
    far.on_read = function(e) e:close() end
    near:write(("x"):rep(100000))
    loop:until_true(function() return #near.ends > 0 end)
    assert.is_true(far.count > 0)
  end)

  it("says its end when it is closed, and nothing when it is reset", function()
    near:close()
    loop:until_true(function() return #far.ends == 1 end)
    assert.same({ "closed" }, far.ends)
    assert.is_false(c.gw_conn_cut(far.conn))
  end)

  it("knows an end that somebody cut", function()
    c.gw_conn_reset(near.conn)
    near.closed = true
    loop:until_true(function() return #far.ends == 1 end)
    assert.is_true(c.gw_conn_cut(far.conn) or far.ends[1] == "reset")
  end)
end)
