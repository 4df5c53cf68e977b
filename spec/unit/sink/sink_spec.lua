local ffi = require("ffi")
local c = require("support.c")
local net = require("support.net")
local scripts = require("support.scripts")

pcall(
  ffi.cdef,
  [[
int sink_socket(int, int, int) __asm__("socket");
int sink_bind(int, const void *, unsigned) __asm__("bind");
int sink_close(int) __asm__("close");
int sink_getsockname(int, void *, unsigned *) __asm__("getsockname");
ssize_t sink_recv(int, void *, size_t, int) __asm__("recv");
int sink_unlink(const char *) __asm__("unlink");
]]
)

local DGRAM, NONBLOCK = 2, 0x800

describe("sinks", function()
  local loop, sinks, opened, kept, listener

  before_each(function()
    loop, opened, kept = net.loop(), {}, {}
    sinks = c.gw_sinks_new(ffi.new("struct gw_sinks_options", { loop = loop.c, alone = true }))
    scripts.catch()
  end)

  after_each(function()
    for _, sink in ipairs(opened) do
      c.gw_sink_close(sink)
    end
    c.gw_sinks_stop(sinks)
    if listener then c.gw_listener_close(listener) end
    listener = nil
    loop:free()
    c.gw_sinks_free(sinks)
    scripts.release()
  end)

  local function text(slice, value)
    kept[#kept + 1] = value
    slice.ptr, slice.len = value, #value
  end

  local LIMITS = {
    max_entries = 1000,
    max_bytes = 64e6,
    max_batch_size = 1,
    max_coalescing_delay_us = 0,
    initial_retry_delay_us = 2000,
    max_retry_delay_us = 20000,
    max_retry_time_us = 5e6,
  }
  local KINDS = { file = 0, tcp = 1, udp = 2, syslog = 3, http = 4 }

  local function open(kind, over)
    local options = ffi.new("struct gw_sink_options")
    options.kind, options.timeout_us, options.keepalive_us = KINDS[kind], 5e6, 5e6
    for name, value in pairs(LIMITS) do
      options.limits[name] = over[name] or value
    end
    for _, name in ipairs { "path", "host", "authority", "method", "target" } do
      if over[name] then text(options[name], over[name]) end
    end
    options.port = over.port or 0
    options.timeout_us = over.timeout_us or options.timeout_us
    options.keepalive_us = over.keepalive_us or options.keepalive_us
    local why = ffi.new("char[256]")
    local sink = c.gw_sinks_open(sinks, options, why, 256)
    if sink == nil then return nil, ffi.string(why) end
    opened[#opened + 1] = sink
    return sink
  end

  local function put(sink, line) return c.gw_sink_put(sink, c.slice(line)) end

  local function info()
    local infos = ffi.new("struct gw_sink_info[10]")
    local count = c.gw_sinks_list(sinks, infos, 10)
    local list = {}
    for i = 0, count - 1 do
      list[i + 1] = { name = ffi.string(infos[i].name) }
      for _, field in ipairs { "sent", "dropped", "lost", "failures", "entries", "bytes" } do
        list[i + 1][field] = tonumber(infos[i][field])
      end
    end
    return list[1] or {}, count
  end

  -- Receivers: { port, conns = { End… } }.
  local function receive(port, on_conn)
    local fd, addr = net.socket("127.0.0.1:" .. (port or 0))
    local receiver = { conns = {}, port = c.gw_addr_port(addr) }
    if receiver.port == 0 then
      local raw, len = ffi.new("uint8_t[16]"), ffi.new("unsigned[1]", 16)
      ffi.C.sink_getsockname(fd, raw, len)
      receiver.port = raw[2] * 256 + raw[3]
    end
    listener = net.listen(loop, fd, function(conn)
      local e = net.bind(conn)
      receiver.conns[#receiver.conns + 1] = e
      e.on_end = function()
        if not e.closed then e:close() end
      end
      if on_conn then on_conn(e) end
    end)
    return receiver
  end

  local function shut()
    c.gw_listener_close(listener)
    listener = nil
  end

  local function free_port()
    local receiver = receive()
    shut()
    loop:settle(3)
    return receiver.port
  end

  local function wait(what, done) loop:until_true(done, what) end

  local function got(receiver)
    local parts = {}
    for i, conn in ipairs(receiver.conns) do
      parts[i] = conn:text()
    end
    return table.concat(parts)
  end

  local function close_ends(receiver)
    for _, conn in ipairs(receiver.conns) do
      if not conn.closed then conn:close() end
    end
  end

  describe("over TCP", function()
    it("deliver lines in their order on one connection that is kept", function()
      local receiver = receive()
      local sink = open("tcp", { host = "127.0.0.1", port = receiver.port })
      put(sink, "one")
      put(sink, "two")
      wait("two lines", function() return got(receiver) == "one\ntwo\n" end)
      put(sink, "three\nforged")
      wait("a third", function() return got(receiver) == "one\ntwo\nthree forged\n" end)
      assert.equal(1, #receiver.conns)
      wait("it to count", function() return info().sent == 3 end)
      assert.equal("tcp:127.0.0.1:" .. receiver.port, info().name)
      close_ends(receiver)
    end)

    it("wait for a receiver that is down, and say so once", function()
      local port = free_port()
      local sink = open("tcp", { host = "127.0.0.1", port = port })
      for i = 1, 5 do
        put(sink, "line " .. i)
      end
      wait("failures", function() return info().failures >= 3 end)
      local receiver = receive(port)
      wait("the lines", function() return got(receiver) == "line 1\nline 2\nline 3\nline 4\nline 5\n" end)
      wait("it to count", function() return info().sent == 5 end)
      assert.equal(0, info().lost)
      local log = scripts.caught()
      assert.equal(1, select(2, log:gsub("no connection is accepted %(lines that wait: %d", "")))
      assert.matches("takes lines again %(lost meanwhile: 0%)", log)
      close_ends(receiver)
    end)

    it("send a delivery that was cut again as a whole", function()
      local receiver = receive(nil, function(e) e:hold(true) end)
      local sink = open("tcp", { host = "127.0.0.1", port = receiver.port })
      for i = 1, 900 do
        put(sink, ("%03d "):format(i) .. ("x"):rep(20000))
      end
      loop:settle(50)
      local sent = info().sent -- the kernel's buffers are full
      assert.is_true(sent > 0 and sent < 900)
      local first = receiver.conns[1]
      c.gw_conn_reset(first.conn)
      first.closed = true
      wait("another connection", function() return receiver.conns[2] end)
      receiver.conns[2]:hold(false)
      wait(
        "the rest",
        function() return info().sent == 900 and receiver.conns[2].count == (900 - sent) * 20005 end
      )
      assert.equal(("%03d x"):format(sent + 1), receiver.conns[2]:text():sub(1, 5)) -- the beginning of a line
      assert.equal(1, info().failures)
      assert.equal(0, info().lost)
      close_ends(receiver)
    end)

    it("hold no more than their bound while a receiver reads nothing", function()
      local receiver = receive(nil, function(e) e:hold(true) end)
      local sink = open("tcp", { host = "127.0.0.1", port = receiver.port, timeout_us = 400e3, max_entries = 300 })
      local line, full = ("x"):rep(60000), 0
      wait("a failure", function()
        for _ = 1, 50 do
          if not put(sink, line) then full = full + 1 end
        end
        assert.is_true(info().entries <= 300)
        assert.is_true(info().bytes <= 300 * 60001)
        return info().failures > 0 and full > 0
      end)
      assert.equal(full, info().dropped)
      assert.matches("it takes lines too slowly %(lines that wait: %d+", scripts.caught())
      close_ends(receiver)
    end)

    it("close a connection that is idle, and open another", function()
      local receiver = receive()
      local sink = open("tcp", { host = "127.0.0.1", port = receiver.port, keepalive_us = 10e3 })
      put(sink, "one")
      wait("the end", function() return receiver.conns[1] and receiver.conns[1].closed end)
      put(sink, "two")
      wait("the second", function() return receiver.conns[2] and receiver.conns[2]:text() == "two\n" end)
      close_ends(receiver)
    end)

    it("take the receiver's end of an idle connection for what it is", function()
      local receiver = receive()
      local sink = open("tcp", { host = "127.0.0.1", port = receiver.port })
      put(sink, "one")
      wait("the line", function() return got(receiver) == "one\n" end)
      receiver.conns[1]:close()
      wait("it to be noticed", function()
        loop:settle(3)
        return info().sent == 1
      end)
      put(sink, "two")
      wait("the second", function() return receiver.conns[2] and receiver.conns[2]:text() == "two\n" end)
      assert.equal(0, info().failures)
      close_ends(receiver)
    end)
  end)

  describe("by datagrams", function()
    local fd
    local buffer = ffi.new("char[?]", 70000)

    after_each(function()
      if fd then ffi.C.sink_close(fd) end
      fd = nil
    end)

    local function read()
      local len = tonumber(ffi.C.sink_recv(fd, buffer, 70000, 0))
      return len >= 0 and ffi.string(buffer, len) or nil
    end

    local function receive_udp()
      local addr, len = ffi.new("uint8_t[16]", { 2, 0, 0, 0, 127, 0, 0, 1 }), ffi.new("unsigned[1]", 16)
      fd = ffi.C.sink_socket(2, DGRAM + NONBLOCK, 0)
      assert(ffi.C.sink_bind(fd, addr, 16) == 0)
      ffi.C.sink_getsockname(fd, addr, len)
      return addr[2] * 256 + addr[3]
    end

    it("send each line as one", function()
      local sink = open("udp", { host = "127.0.0.1", port = receive_udp() })
      put(sink, "one")
      put(sink, "two")
      wait("them to be sent", function() return info().sent == 2 end)
      assert.equal("one", read())
      assert.equal("two", read())
      assert.is_nil(read())
    end)

    it("lose a line that is longer than one can be, and none of the others", function()
      local sink = open("udp", { host = "127.0.0.1", port = receive_udp() })
      put(sink, ("x"):rep(66000))
      put(sink, "two")
      wait("the second", function() return info().sent == 1 end)
      assert.equal("two", read())
      assert.equal(1, info().lost)
    end)

    it("need nobody who listens", function()
      local port = receive_udp()
      ffi.C.sink_close(fd)
      fd = nil
      local sink = open("udp", { host = "127.0.0.1", port = port })
      for i = 1, 10 do
        put(sink, "line " .. i)
      end
      wait("them to be gone", function() return info().entries == 0 end)
    end)

    local function unix(path)
      local addr = ffi.new("uint8_t[110]", { 1, 0 })
      ffi.copy(addr + 2, path)
      fd = ffi.C.sink_socket(1, DGRAM + NONBLOCK, 0)
      assert(ffi.C.sink_bind(fd, addr, 110) == 0)
    end

    it("wait for a local socket that is not there yet, that is full, and that is made anew", function()
      local path = os.tmpname()
      os.remove(path)
      local sink = open("syslog", { path = path })
      put(sink, "early")
      wait("failures", function() return info().failures >= 2 end)
      assert.matches("nobody listens there", scripts.caught())
      unix(path)
      wait("the first", function() return info().sent == 1 end)
      assert.equal("early", read())

      for i = 1, 900 do
        assert.is_true(put(sink, "line " .. i))
      end
      wait("it to be full", function() return info().failures > 5 and info().entries > 0 end)
      local came = 0
      wait("all", function()
        while read() do
          came = came + 1
        end
        return came == 900
      end)

      ffi.C.sink_close(fd)
      ffi.C.sink_unlink(path)
      put(sink, "late")
      wait(
        "another failure",
        function() return info().entries == 1 and scripts.caught():find("nobody listens", 1, true) end
      )
      unix(path)
      wait("the last", function() return read() == "late" end)
      ffi.C.sink_unlink(path)
      assert.equal(0, info().lost)
    end)
  end)

  describe("over HTTP", function()
    -- A server that answers request after request; answer(n) gives status or raw bytes.
    local function serve(answer, port)
      local server
      server = receive(port, function(e)
        e.on_read = function()
          local all = e:text():sub((e.taken or 0) + 1)
          local head, body = all:match("^(.-\r\n\r\n)(.*)$")
          local len = head and tonumber(head:lower():match("content%-length: (%d+)"))
          if not len or #body < len then return end
          e.taken = (e.taken or 0) + #head + len
          server.requests[#server.requests + 1] = { head = head, body = body:sub(1, len) }
          local status = answer(#server.requests, e)
          if status then e:write(("HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nok"):format(status)) end
        end
      end)
      server.requests = {}
      return server
    end

    local function open_http(server, over)
      local options =
        { host = "127.0.0.1", port = server.port, authority = "logs.test", method = "POST", target = "/in?t=1" }
      for name, value in pairs(over or {}) do
        options[name] = value
      end
      return open("http", options)
    end

    it("post one line after the other on a kept connection", function()
      local server = serve(function() return 200 end)
      local sink = open_http(server)
      put(sink, '{"a":1}')
      put(sink, '{"b":2}')
      wait("both", function() return info().sent == 2 end)
      assert.matches("^POST /in%?t=1 HTTP/1.1\r\n", server.requests[1].head)
      assert.matches("\r\nhost: logs.test\r\n", server.requests[1].head:lower())
      assert.equal('{"a":1}', server.requests[1].body)
      assert.equal('{"b":2}', server.requests[2].body)
      assert.equal(1, #server.conns)
      close_ends(server)
    end)

    it("gather batches as JSON arrays, full ones at once", function()
      local server = serve(function() return 201 end)
      local sink = open_http(server, { max_batch_size = 3, max_coalescing_delay_us = 30e3 })
      for i = 1, 7 do
        put(sink, tostring(i))
      end
      wait("all", function() return info().sent == 7 end)
      assert.same(
        { "[1,2,3]", "[4,5,6]", "[7]" },
        { server.requests[1].body, server.requests[2].body, server.requests[3].body }
      )
      close_ends(server)
    end)

    it("try again what is answered by anything but 2xx", function()
      local server = serve(function(n) return n == 1 and 503 or n == 2 and 302 or 200 end)
      local sink = open_http(server)
      put(sink, "{}")
      wait("it", function() return info().sent == 1 end)
      assert.equal(3, #server.requests)
      assert.equal(2, info().failures)
      assert.matches("it answers 503", scripts.caught())
      close_ends(server)
    end)

    it("give a batch up after its time, and go on with the next", function()
      local server = serve(function(n) return n > 3 and 200 or 500 end)
      local sink = open_http(server, { max_retry_time_us = 20e3, initial_retry_delay_us = 10e3 })
      put(sink, "1")
      wait("a loss or a delivery", function() return info().lost + info().sent == 1 end)
      wait("the next", function()
        if info().entries == 0 then put(sink, "2") end
        return info().sent > 0
      end)
      close_ends(server)
    end)

    it("try once only, when that is wanted", function()
      local server = serve(function() return 500 end)
      local sink = open_http(server, { max_retry_time_us = 0 })
      put(sink, "1")
      wait("the loss", function() return info().lost == 1 end)
      assert.equal(1, #server.requests)
      close_ends(server)
    end)

    it("send it again when the connection is cut before the answer", function()
      local server = serve(function(n, e)
        if n > 1 then return 200 end
        c.gw_conn_reset(e.conn)
        e.closed = true
      end)
      local sink = open_http(server)
      put(sink, "1")
      wait("it", function() return info().sent == 1 end)
      assert.equal(2, #server.requests)
      close_ends(server)
    end)

    it("do not wait for an answer that does not come", function()
      local server = serve(function(n) return n > 1 and 200 or nil end)
      local sink = open_http(server, { timeout_us = 30e3 })
      put(sink, "1")
      wait("it", function() return info().sent == 1 end)
      assert.matches("took too long to answer", scripts.caught())
      close_ends(server)
    end)

    it("do not read an answer without end", function()
      local server = serve(
        function(_, e) e:write("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" .. ("x"):rep(100000)) end
      )
      local sink = open_http(server)
      put(sink, "1")
      wait("it", function() return info().sent == 1 end)
      wait("its end", function() return server.conns[1].closed end)
      close_ends(server)
    end)
  end)

  describe("as they are shared", function()
    it("are the same for the same settings, and another for others", function()
      local receiver = receive()
      local one = open("tcp", { host = "127.0.0.1", port = receiver.port })
      assert.equal(one, open("tcp", { host = "127.0.0.1", port = receiver.port }))
      assert.are_not.equal(one, open("tcp", { host = "127.0.0.1", port = receiver.port, max_entries = 5 }))
      assert.are_not.equal(one, open("udp", { host = "127.0.0.1", port = receiver.port }))
    end)

    it("deliver what they have when the last user goes, then go themselves", function()
      local port = free_port()
      local sink = open("tcp", { host = "127.0.0.1", port = port })
      put(sink, "one")
      put(sink, "two")
      c.gw_sink_close(sink)
      opened = {}
      wait("failures", function() return info().failures > 0 end)
      local receiver = receive(port)
      wait("it to be gone", function() return select(2, info()) == 0 end)
      wait("the lines", function() return got(receiver) == "one\ntwo\n" end)
      close_ends(receiver)
    end)

    it("stay when somebody comes back meanwhile", function()
      local port = free_port()
      local sink = open("tcp", { host = "127.0.0.1", port = port })
      put(sink, "one")
      c.gw_sink_close(sink)
      opened = {}
      wait("failures", function() return info().failures > 0 end)
      assert.equal(sink, open("tcp", { host = "127.0.0.1", port = port }))
      local receiver = receive(port)
      wait("the line", function() return info().sent == 1 end)
      put(sink, "two")
      wait("the next", function() return got(receiver) == "one\ntwo\n" end)
      close_ends(receiver)
    end)
  end)

  describe("at the end", function()
    local function flush(timeout_us)
      local done = false
      local callback = ffi.cast("void (*)(void *)", function() done = true end)
      c.gw_sinks_flush(sinks, timeout_us, callback, nil)
      assert.is_false(done)
      wait("the flush", function() return done end)
      callback:free()
    end

    it("flush at once when nothing waits", function() flush(5e6) end)

    it("flush what waits, without gathering any longer", function()
      local receiver = receive()
      local sink = open(
        "tcp",
        { host = "127.0.0.1", port = receiver.port, max_batch_size = 1000, max_coalescing_delay_us = 3600e6 }
      )
      for i = 1, 100 do
        put(sink, "line " .. i)
      end
      flush(5e6)
      assert.equal(100, info().sent)
      close_ends(receiver)
    end)

    it("give up what does not go out in time, and say how much", function()
      local sink = open("tcp", { host = "127.0.0.1", port = free_port() })
      for i = 1, 3 do
        put(sink, "line " .. i)
      end
      flush(50e3)
      c.gw_sink_close(sink)
      opened = {}
      c.gw_sinks_stop(sinks)
      loop:free()
      c.gw_sinks_free(sinks)
      assert.matches("lines that were not delivered before the end: 3", scripts.caught())
      loop = net.loop()
      sinks = c.gw_sinks_new(ffi.new("struct gw_sinks_options", { loop = loop.c, alone = true }))
    end)
  end)

  it("say why a file cannot be", function()
    local _, why = open("file", { path = "/nowhere/x.log" })
    assert.equal("cannot write /nowhere/x.log: No such file or directory", why)
  end)

  it("write files on their loop where there is no other thread", function()
    local path = os.tmpname()
    local sink = open("file", { path = path })
    put(sink, "one")
    put(sink, "two")
    wait("both", function() return info().sent == 2 end)
    local file = io.open(path)
    assert.equal("one\ntwo\n", file:read("*a"))
    file:close()
    os.remove(path)
  end)
end)
