local ffi = require("ffi")
local c = require("support.c")
local net = require("support.net")
local redis = require("support.redis")

local MS = 1000

-- One callback for all jobs: the context is their number.
local ended, jobs, last = {}, {}, 0
local on_end = ffi.cast("gw_redis_cb", function(ctx, job)
  local id = tonumber(ffi.cast("intptr_t", ctx))
  ended[id] = tonumber(c.gw_redis_job_end(job))
end)

local function end_name(code) return ffi.string(c.gw_redis_end_text(code)) end

local function lua_of(value)
  local kind = tonumber(value.type)
  if kind == 0 then return false end
  if kind == 4 then return tonumber(value.integer) end
  if kind == 5 then
    local list = {}
    for i = 1, value.count do
      list[i] = lua_of(value.elements[i - 1])
    end
    return list
  end
  return (kind == 3 and "-" or kind == 2 and "+" or "") .. ffi.string(value.text.ptr, value.text.len)
end

describe("a hub of Redis", function()
  local loop, hub, server, path, source, listener, peers

  local function options(changes)
    local o = ffi.new("struct gw_redis_options")
    local texts = { name = "cache", unix_socket = path, password = changes.password, username = changes.username }
    for key, text in pairs(texts) do
      o[key] = c.slice(text)
    end
    o.database = changes.database or 0
    o.timeout_us = changes.timeout_us or 500 * MS
    o.connect_timeout_us = changes.connect_timeout_us or 1000 * MS
    o.idle_us = changes.idle_us or 60e6
    o.pool_size = changes.pool_size or 1
    o.max_commands = changes.max_commands or 100
    o.max_queued_bytes = changes.max_queued_bytes or 65536
    o.max_reply_bytes = changes.max_reply_bytes or 65536
    return o
  end

  local function use(changes)
    if server then c.gw_redis_server_unref(server) end
    server = c.gw_redis_server_new(options(changes or {}))
  end

  local function send(bytes, count, timeout_us)
    last = last + 1
    local request = ffi.new("struct gw_redis_request", c.slice(bytes), count or 1, timeout_us or 0)
    jobs[last] = c.gw_redis_send(hub, server, request, on_end, ffi.cast("void *", last))
    assert.is_nil(ended[last]) -- never before it returned
    return last
  end

  local function wait_for(id)
    loop:until_true(function() return ended[id] end, "the end of a job")
    return end_name(ended[id])
  end

  local function values(id)
    local list = {}
    for i = 1, c.gw_redis_job_count(jobs[id]) do
      list[i] = lua_of(c.gw_redis_job_values(jobs[id])[i - 1])
    end
    return list
  end

  local function free_jobs()
    for id, job in pairs(jobs) do
      c.gw_redis_job_free(job)
      jobs[id] = nil
    end
  end

  -- What the fake peer does with a connection: peers[n] is its end.
  local function listen(on_peer)
    local fd, _, kept = net.socket("unix:" .. path)
    source = kept
    listener = net.listen(loop, fd, function(conn)
      local peer = net.bind(conn)
      peers[#peers + 1] = peer
      on_peer(peer, #peers)
    end)
  end

  -- Answers to the greeting, then says `replies` to every command after it.
  local function answers(reply)
    return function(peer)
      local greeted = false
      peer.on_read = function(e)
        local text = e:text()
        if not greeted and text:find("moongate\r\n", 1, true) then
          greeted = true
          e:write("+OK\r\n")
          e.got = { (text:gsub("^.-moongate\r\n", "")) }
          text = e:text()
        end
        if greeted and text ~= "" and reply then reply(e, text) end
      end
    end
  end

  before_each(function()
    loop = net.loop()
    path = os.tmpname()
    os.remove(path)
    peers = {}
    hub = c.gw_redis_hub_new(loop.c)
    use()
  end)

  after_each(function()
    free_jobs()
    if hub then c.gw_redis_hub_free(hub) end
    for _, peer in ipairs(peers) do
      if not peer.closed then peer:close() end
    end
    if listener then c.gw_listener_close(listener) end
    if source then c.gw_socket_source_free(source) end
    c.gw_redis_server_unref(server)
    listener, source, server = nil, nil, nil
    loop:settle()
    loop:free()
    os.remove(path)
    assert.equal(0, c.gw_conn_count())
  end)

  it("answers commands in their order over one connection", function()
    listen(answers(function(e, text)
      e.got = {}
      for n in text:gmatch("\r\n(%d)\r\n") do
        e:write(("$1\r\n%s\r\n"):format(n))
      end
    end))
    local first, second = send(redis.command("GET", "x", 1)), send(redis.command("GET", "x", 2))
    assert.equal("answered", wait_for(second))
    assert.equal("answered", wait_for(first))
    assert.same({ "1" }, values(first))
    assert.same({ "2" }, values(second))
    assert.equal(1, #peers)
  end)

  it("keeps several commands of one job together, with one reply each", function()
    listen(answers(function(e) e:write("+OK\r\n:7\r\n*2\r\n$-1\r\n-ERR no\r\n") end))
    local job = send(redis.command("MULTI") .. redis.command("INCR", "x") .. redis.command("EXEC"), 3)
    assert.equal("answered", wait_for(job))
    assert.same({ "+OK", 7, { false, "-ERR no" } }, values(job))
  end)

  it("takes replies in any pieces", function()
    local piece = 0
    local reply = "*3\r\n$5\r\na\r\nb\0\r\n:-12\r\n*1\r\n+fine\r\n"
    local peer_of
    listen(answers(function(e) peer_of = e end))
    local job = send(redis.command("X"))
    loop:until_true(function() return peer_of end)
    while piece < #reply do
      piece = piece + 1
      peer_of:write(reply:sub(piece, piece))
      loop:settle(3)
    end
    assert.equal("answered", wait_for(job))
    assert.same({ { "a\r\nb\0", -12, { "+fine" } } }, values(job))
  end)

  it("logs in and picks the database before anything else", function()
    use { username = "me", password = "secret", database = 3 }
    local said
    listen(function(peer)
      peer.on_read = function(e)
        said = e:text()
        if not e.greeted then
          e.greeted = true
          e:write("+OK\r\n+OK\r\n-ERR not here\r\n")
        else
          e:write(":1\r\n")
        end
      end
    end)
    local job = send(redis.command("GET", "x"))
    assert.equal("answered", wait_for(job))
    assert.equal(
      redis.command("AUTH", "me", "secret")
        .. redis.command("SELECT", 3)
        .. redis.command("CLIENT", "SETNAME", "moongate")
        .. redis.command("GET", "x"),
      said
    )
  end)

  it("says that it is not let in, and tries again by itself", function()
    use { password = "wrong" }
    listen(function(peer, n)
      peer.on_read = function(e)
        e:write(n == 1 and "-WRONGPASS wrong\r\n+OK\r\n" or "+OK\r\n+OK\r\n+PONG\r\n")
        e.on_read = function() e:write("+PONG\r\n") end
      end
    end)
    assert.equal("it does not let us in", wait_for(send(redis.command("PING"))))
    assert.equal("it does not let us in", wait_for(send(redis.command("PING"))))
    loop:until_true(function() return #peers == 2 end, "another connection")
  end)

  it("refuses at once while nobody is there, and comes back by itself", function()
    local first = send(redis.command("PING"))
    assert.equal("not connected", wait_for(first))
    local second = send(redis.command("PING"), 1, 60e6)
    loop:turn(false)
    assert.equal("not connected", end_name(ended[second])) -- without its minute
    listen(answers(function(e)
      e.got = {}
      e:write("+PONG\r\n")
    end))
    loop:until_true(function() return c.gw_redis_hub_numbers(hub).ready == 1 end, "the connection")
    assert.equal("answered", wait_for(send(redis.command("PING"))))
  end)

  it("ends every command that waits when the connection is lost, and sends none again", function()
    local seen = {}
    listen(answers(function(e, text)
      seen[#seen + 1] = text
      if #peers == 1 then e:close() end
    end))
    local a, b = send(redis.command("INCR", "a")), send(redis.command("INCR", "b"))
    assert.equal("the connection was lost", wait_for(a))
    assert.equal("the connection was lost", wait_for(b))
    loop:until_true(function() return c.gw_redis_hub_numbers(hub).ready == 1 end, "the connection")
    loop:settle()
    assert.equal(1, #seen)
  end)

  it("makes no fuss of an idle connection that the server closes", function()
    listen(answers(function(e)
      e.got = {}
      e:write("+PONG\r\n")
    end))
    assert.equal("answered", wait_for(send(redis.command("PING"))))
    peers[1]:close()
    loop:until_true(function() return c.gw_redis_hub_numbers(hub).ready == 0 end, "its end")
    assert.equal("answered", wait_for(send(redis.command("PING"))))
  end)

  it("drops the late reply of a command whose time was over, and keeps the order", function()
    local peer_of
    listen(answers(function(e, text)
      e.got = {}
      peer_of = e
      if text:find("second") then e:write("+late\r\n+second\r\n") end
    end))
    local first = send(redis.command("first"), 1, 20 * MS)
    loop:until_true(function() return peer_of end)
    assert.equal("timeout", wait_for(first))
    -- nothing came since it was sent: it stalls, and nobody waits
    assert.equal("it does not answer", wait_for(send(redis.command("third"))))
    c.gw_redis_job_free(jobs[first])
    jobs[first] = nil
    peer_of:write("+late\r\n")
    loop:settle()
    peer_of.on_read = function(e) e:write("+second\r\n") end
    local second = send(redis.command("second"))
    assert.equal("answered", wait_for(second))
    assert.same({ "+second" }, values(second))
  end)

  it("gives a connection up that stays silent", function()
    listen(answers())
    assert.equal("timeout", wait_for(send(redis.command("PING"), 1, 10 * MS)))
    loop:until_true(function() return #peers == 2 end, "another connection")
  end)

  it("never sends what was given up before the connection was there", function()
    local said = ""
    listen(function(peer)
      peer.on_read = function(e) said = e:text() end
    end)
    use { connect_timeout_us = 5e6 }
    local late, cancelled = send(redis.command("LATE"), 1, 10 * MS), send(redis.command("CANCELLED"))
    local kept = send(redis.command("KEPT"), 1, 5e6)
    c.gw_redis_job_free(jobs[cancelled])
    jobs[cancelled] = nil
    assert.equal("timeout", wait_for(late))
    peers[1]:write("+OK\r\n")
    loop:until_true(function() return said:find("KEPT") end, "the command")
    assert.is_nil(said:find("LATE"))
    assert.is_nil(said:find("CANCELLED"))
    peers[1]:write("+yes\r\n")
    assert.equal("answered", wait_for(kept))
  end)

  it("bounds what waits, in commands and in bytes", function()
    use { max_commands = 2, max_queued_bytes = 200 }
    listen(answers())
    send(redis.command("A"))
    assert.equal("too many commands wait for it", wait_for(send(redis.command("SET", "x", ("v"):rep(300)))))
    send(redis.command("B"))
    assert.equal("too many commands wait for it", wait_for(send(redis.command("C"))))
  end)

  it("makes more connections where it may, when those it has are in use", function()
    use { pool_size = 2 }
    listen(answers(function(e, text)
      e.got = {}
      if text:find("PING") then e:write("+PONG\r\n") end
    end))
    assert.equal("answered", wait_for(send(redis.command("PING"))))
    send(redis.command("SLOW"))
    assert.equal("answered", wait_for(send(redis.command("PING"))))
    assert.equal(2, #peers)
  end)

  it("closes what nobody uses", function()
    use { idle_us = 50 * MS }
    listen(answers(function(e) e:write("+PONG\r\n") end))
    assert.equal("answered", wait_for(send(redis.command("PING"))))
    loop:until_true(function() return c.gw_redis_hub_numbers(hub).ready == 0 end, "its end")
  end)

  it("ends everything when it is freed", function()
    listen(answers())
    local job = send(redis.command("PING"))
    loop:until_true(function() return #peers == 1 end)
    c.gw_redis_hub_free(hub)
    hub = nil
    assert.equal("shutting down", end_name(ended[job]))
  end)

  describe("with a server that means harm", function()
    local function outcome(reply)
      listen(answers(function(e) e:write(reply) end))
      return wait_for(send(redis.command("PING"), 1, 5e6))
    end

    it(
      "bounds the elements of an array before there is memory for them",
      function() assert.equal("its reply is too large", outcome("*100000000\r\n")) end
    )

    it(
      "is not fooled by counts beyond an int",
      function() assert.equal("it does not speak Redis", outcome("*4611686018427387905\r\n")) end
    )

    it(
      "bounds arrays in arrays together",
      function() assert.equal("its reply is too large", outcome(("*2000\r\n"):rep(6))) end
    )

    it(
      "does not go deeper than seven arrays",
      function() assert.equal("it does not speak Redis", outcome(("*1\r\n"):rep(12))) end
    )

    it(
      "does not wait for a string that is larger than allowed",
      function() assert.equal("its reply is too large", outcome("$999999999\r\n" .. ("x"):rep(200000))) end
    )

    it(
      "does not wait for the end of a line for ever",
      function() assert.equal("its reply is too large", outcome("+" .. ("x"):rep(70000))) end
    )

    it(
      "refuses what is no reply",
      function() assert.equal("it does not speak Redis", outcome("HTTP/1.1 400 Bad Request\r\n\r\n")) end
    )

    it("refuses replies that nobody asked for", function()
      listen(answers(function(e) e:write("+PONG\r\n+PONG\r\n") end))
      local job = send(redis.command("PING"))
      assert.equal("answered", wait_for(job))
      loop:until_true(function() return c.gw_redis_hub_numbers(hub).ready == 0 end, "its end")
      assert.equal("it does not speak Redis", wait_for(send(redis.command("PING"))))
    end)
  end)
end)
