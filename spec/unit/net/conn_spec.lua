local ffi = require("ffi")
local c = require("support.c")
local net = require("support.net")

for _, kind in ipairs({ "tcp", "unix", "memory" }) do
  describe("a connection over " .. kind, function()
    local loop, near, far

    before_each(function()
      loop = net.loop()
      near, far = net.bound_pair(kind, loop)
    end)

    after_each(function()
      for _, e in ipairs({ near, far }) do
        if not e.closed then e:close() end
      end
      loop:free()
      assert.equal(0, c.gw_conn_count())
    end)

    local function until_true(done, what) loop:until_true(done, what) end

    it("carries bytes both ways", function()
      near:write("ping")
      until_true(function() return far.count == 4 end)
      far:write("po", "", "ng!")
      until_true(function() return near.count == 5 end)
      assert.equal("ping", far:text())
      assert.equal("pong!", near:text())
      assert.equal(5, near.count)
      assert.equal(1, near.reads) -- one write of several slices is one piece
      assert.equal(4, tonumber(c.gw_conn_bytes_out(near.conn)))
      assert.equal(5, tonumber(c.gw_conn_bytes_in(near.conn)))
      assert.is_true(c.gw_conn_id(near.conn) ~= c.gw_conn_id(far.conn))
    end)

    it("never calls back before a call returned", function()
      far.on_read = function() error("too early") end
      near:write("x")
      near:shutdown()
      assert.equal(0, far.count)
      far.on_read = nil
      until_true(function() return #far.ends == 1 end)
    end)

    it("keeps order and every byte with a slow reader and a bounded queue", function()
      local total, sent = 8 * 1024 * 1024, 0
      local piece = ("0123456789abcdef"):rep(4096)
      c.gw_conn_set_write_limit(near.conn, 256 * 1024)
      local highest = 0
      local function fill(e)
        while sent < total do
          local more = e:write(piece)
          sent = sent + #piece
          highest = math.max(highest, e:queued())
          if not more then return end
        end
        e:shutdown()
      end
      near.on_room = fill
      far.keep = false
      local expect, wrong = 0, false
      far.on_read = function(e, bytes, n)
        -- The pattern is 16 bytes long: the first and the last byte tell whether something is missing.
        local hex = "0123456789abcdef"
        if bytes[0] ~= hex:byte(expect % 16 + 1) or bytes[n - 1] ~= hex:byte((expect + n - 1) % 16 + 1) then
          wrong = true
        end
        expect = expect + n
        e:hold(true) -- one read a turn
      end
      fill(near)
      assert.is_true(sent < total)
      until_true(function()
        far:hold(false)
        return #far.ends > 0
      end, "all bytes")
      assert.equal(total, far.count)
      assert.is_false(wrong)
      assert.is_true(near.rooms > 0)
      assert.is_true(highest <= 256 * 1024 + #piece, highest)
      assert.same({ "closed" }, far.ends)
      assert.equal(0, near:queued())
      assert.equal(total, tonumber(c.gw_conn_bytes_out(near.conn)))
    end)

    it("delivers nothing while held, also not the end", function()
      far:hold(true)
      near:write("later")
      near:shutdown()
      loop:settle()
      assert.equal(0, far.count)
      assert.same({}, far.ends)
      far:hold(false)
      until_true(function() return #far.ends == 1 end)
      assert.equal("later", far:text())
    end)

    it("stops at once when held inside on_read", function()
      far.on_read = function(e) e:hold(true) end
      c.gw_conn_set_read_limit(far.conn, 1000)
      near:write(("x"):rep(5000))
      until_true(function() return far.count > 0 end)
      loop:settle()
      assert.equal(1000, far.count)
      far.on_read = nil
      far:hold(false)
      until_true(function() return far.count == 5000 end)
    end)

    it("reads no more at once than its limit", function()
      c.gw_conn_set_read_limit(far.conn, 100)
      near:write(("x"):rep(1050))
      until_true(function() return far.count == 1050 end)
      assert.equal(100, far.largest)
    end)

    it("survives being closed inside on_read", function()
      far.on_read = function(e) e:close() end
      c.gw_conn_set_read_limit(far.conn, 10)
      near:write(("x"):rep(1000))
      until_true(function() return #near.ends > 0 end)
      assert.equal(10, far.count)
      assert.same({ "reset" }, near.ends) -- bytes were left unread
    end)

    it("half-closes from the near side: answers still come", function()
      near:write("question")
      near:shutdown()
      until_true(function() return #far.ends == 1 end)
      assert.same({ "closed" }, far.ends)
      far:write("answer")
      far:shutdown()
      until_true(function() return #near.ends == 1 end)
      assert.equal("answer", near:text())
      assert.same({ "closed" }, near.ends)
    end)

    it("sends its end behind what is queued", function()
      far:hold(true)
      local big = ("y"):rep(6 * 1024 * 1024)
      near:write(big)
      near:write("the last")
      near:shutdown()
      near:write("dropped: after the end")
      assert.is_true(near:queued() > 0)
      far:hold(false)
      until_true(function() return #far.ends == 1 end)
      assert.equal(#big + 8, far.count)
      assert.equal("the last", far:text():sub(-8))
    end)

    it("ends with closed when the other side closes, its last bytes first", function()
      near:write("bye")
      near:close()
      until_true(function() return #far.ends == 1 end)
      assert.equal("bye", far:text())
      assert.same({ "closed" }, far.ends)
    end)

    it("tells a write to a gone peer once, later", function()
      near:close()
      until_true(function() return #far.ends == 1 end)
      for _ = 1, 10 do
        far:write("nobody is there")
        assert.is_true(far:write(("z"):rep(100000)))
        loop:settle(3)
      end
      assert.same({ "closed", "reset" }, far.ends)
    end)

    it("hears of a reset", function()
      far:hold(true)
      near:write("never read")
      loop:settle()
      far:close()
      until_true(function() return #near.ends > 0 end)
      near:write("x")
      loop:settle()
      assert.same({ "reset" }, near.ends)
    end)

    it("can end with a reset, which no plain end looks like", function()
      near:write("cut he")
      until_true(function() return far.count == 6 end)
      c.gw_conn_reset(near.conn)
      near.closed = true
      until_true(function() return #far.ends > 0 end)
      assert.same({ kind == "unix" and "closed" or "reset" }, far.ends)
    end)

    it("reads what the peer said before it went away, though writing failed", function()
      near:hold(true)
      far:write("the answer came early")
      near:write("unread")
      loop:settle()
      far.on_read = nil
      far:hold(true)
      near:write("a body nobody wants")
      loop:settle()
      far:close()
      loop:settle()
      near:hold(false)
      near:write("more of it")
      near:write("more of it")
      until_true(function() return #near.ends > 0 end)
      assert.equal("the answer came early", near:text())
      assert.same({ "reset" }, near.ends)
    end)

    it("reads a long answer to its end after a write failed", function()
      local answer = ("0123456789"):rep(10000)
      c.gw_conn_set_read_limit(near.conn, 1000) -- it takes several turns
      near:hold(true)
      far:hold(true)
      near:write("unread")
      far:write(answer)
      loop:settle()
      far:close()
      loop:settle()
      near:hold(false)
      near:write("more of it")
      near:write("more of it")
      until_true(function() return #near.ends > 0 end)
      assert.equal(#answer, near.count)
      assert.same({ "reset" }, near.ends)
    end)

    it("closes with a full queue and writes under way", function()
      far:hold(true)
      near:write(("y"):rep(6 * 1024 * 1024))
      near:write_blob(("b"):rep(100000))
      near:close()
      far:hold(false)
      until_true(function() return #far.ends == 1 end)
    end)

    it("forgets an end that was about to be told", function()
      near:close()
      until_true(function() return #far.ends == 1 end)
      far:write("x")
      loop:settle(3)
      far:write("x")
      far:close()
      loop:settle()
      assert.is_true(#far.ends <= 2)
    end)

    it("sends parts of a blob without keeping it for ever", function()
      local body = ("0123456789"):rep(300000)
      far.keep = false
      near:write_blob(body, 10, #body - 20)
      near:write_blob("small", 1, 3)
      near:shutdown()
      until_true(function() return #far.ends == 1 end)
      assert.equal(#body - 20 + 3, far.count)
    end)

    it("takes a new owner while bytes are on their way", function()
      near:write("one")
      until_true(function() return far.count == 3 end)
      local first = far
      far = net.bind(first.conn)
      near:write("two")
      until_true(function() return far.count == 3 end)
      assert.equal("one", first:text())
      assert.equal("two", far:text())
    end)

    it("closes gently: the last answer is read though the peer goes on sending", function()
      near:write(("q"):rep(1000))
      until_true(function() return far.count == 1000 end)
      far:write("413")
      far:close_gently(5)
      near:write(("more"):rep(1000))
      until_true(function() return #near.ends == 1 end)
      assert.equal("413", near:text())
      assert.same({ "closed" }, near.ends)
      near:close()
      until_true(function() return c.gw_conn_count() == 0 end)
    end)

    it("closes gently behind a queue, reader first", function()
      local big = ("y"):rep(4 * 1024 * 1024)
      near.keep = false
      far:write(big)
      far:close_gently(5)
      until_true(function() return #near.ends == 1 end)
      assert.equal(#big, near.count)
      near:close()
      until_true(function() return c.gw_conn_count() == 0 end)
    end)

    it("does not discard for ever when closing gently", function()
      far:close_gently(1000)
      near.on_room = function(e) e:write(("m"):rep(100000)) end
      near:write(("m"):rep(100000))
      until_true(function()
        near:write(("m"):rep(1000))
        return near.ends[#near.ends] == "reset"
      end)
    end)

    it("closes gently at the latest after the given time", function()
      far:close_gently(0.02)
      until_true(function() return c.gw_conn_count() == 1 end)
      assert.same({ "closed" }, near.ends)
    end)

    it("is gone with the loop when it still lingers", function()
      far:close_gently(100)
      near:close()
    end)

    it("knows its addresses", function()
      if kind == "unix" then return end
      assert.equal(net.addr_text(c.gw_conn_peer(near.conn)), net.addr_text(c.gw_conn_local(far.conn)))
      assert.equal(net.addr_text(c.gw_conn_local(near.conn)), net.addr_text(c.gw_conn_peer(far.conn)))
    end)
  end)
end

describe("a TCP connection", function()
  ffi.cdef([[int getsockopt(int, int, int, void *, unsigned *); int uv_fileno(const void *, int *);
             void *gw_conn_stream(struct gw_conn *);]])

  it("has TCP_NODELAY on both sides", function()
    local loop = net.loop()
    local near, far = net.bound_pair("tcp", loop)
    for _, e in ipairs({ near, far }) do
      local fd, value, len = ffi.new("int[1]"), ffi.new("int[1]"), ffi.new("unsigned[1]", 4)
      assert.equal(0, ffi.C.uv_fileno(ffi.C.gw_conn_stream(e.conn), fd))
      assert.equal(0, ffi.C.getsockopt(fd[0], 6, 1, value, len))
      assert.equal(1, value[0])
      e:close()
    end
    loop:free()
  end)
end)
