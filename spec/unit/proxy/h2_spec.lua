-- What clients of HTTP/2 can do to services and to each other through the whole gateway, frame by frame: the outcome is documented, what
-- waits is bounded, the service's connection is let go, and every counter is at zero in the end (attacks.md 3.4, in HTTP/2's form).
local h2 = require("support.h2")

local function ok(body, more)
  return ("HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%s\r\n"):format(#body, more or "") .. body
end

describe("a client of HTTP/2", function()
  local world, up, client

  local function start(answer, route, raw)
    world = require("support.proxy").new()
    up = world:upstream(answer, raw)
    local one = { name = "all", paths = { "/" }, targets = { up } }
    for key, value in pairs(route or {}) do
      one[key] = value
    end
    world:start { routes = { one } }
  end

  local function connect(settings)
    client = world:client_h2()
    client:write(h2.hello(settings))
    return client
  end

  local function heard(stream) return h2.describe(client:text(), stream) end
  local function hears(stream, text)
    world:until_true(function() return heard(stream):find(text, 1, true) end, text .. " of " .. stream)
  end
  local function wait_quiet()
    world:until_true(function() return world:is_quiet() end, "the end of every request")
  end

  after_each(function() world:free() end)

  it("is served", function()
    start(function(conn) conn:write(ok("hello")) end)
    connect():write(h2.ask(1))
    hears(1, "data 5 end")
    wait_quiet()
    assert.equal("HTTP/2", world.access().protocol)
  end)

  -- 22: rapid reset, and what it costs the service
  it("that takes a request back lets go of the service at once", function()
    start(function() end) -- which never answers
    connect():write(h2.ask(1))
    world:until_true(function() return #up.requests == 1 end, "the request")
    client:write(h2.reset(1))
    world:until_true(function() return up.conns[1].closed end, "the end of the service's connection")
    wait_quiet()
    assert.equal("client_gone", world.access().error)
    assert.equal(0, world:idle())
  end)

  it("that takes back all it asks for is let go, and so is every service", function()
    start(function() end)
    connect()
    for i = 1, 999, 2 do
      if client:ended() then break end
      client:write(h2.ask(i) .. h2.reset(i))
      world.loop:turn(false)
    end
    hears(0, "goaway ENHANCE_YOUR_CALM")
    wait_quiet()
    assert.is_true(#up.requests <= 300, #up.requests .. " reached the service")
    world:advance(2) -- its gentle end
    assert.equal(0, world.front.sessions)
  end)

  -- 22: MadeYouReset: frames that make us reset what we began
  local made = {
    ["a window beyond its size"] = function(i)
      return h2.ask(i) .. h2.frame(h2.WINDOW_UPDATE, 0, i, h2.u32(2 ^ 31 - 1))
    end,
    ["more body than declared"] = function(i)
      return h2.ask_with_body(i, { { "content-length", "1" } }) .. h2.data(i, "xx")
    end,
    ["a body behind its end"] = function(i) return h2.ask(i) .. h2.data(i, "x") end,
    ["a head behind its end"] = function(i) return h2.ask(i) .. h2.ask(i) end,
    ["a window opened by nothing"] = function(i) return h2.ask(i) .. h2.frame(h2.WINDOW_UPDATE, 0, i, h2.u32(0)) end,
    ["a frame of the wrong size"] = function(i) return h2.ask(i) .. h2.frame(h2.PRIORITY, 0, i, "abc") end,
    ["a stream that depends on itself"] = function(i)
      return h2.ask(i) .. h2.frame(h2.PRIORITY, 0, i, h2.u32(i) .. "\1")
    end,
  }
  for name, bytes in pairs(made) do
    it("that makes us reset what it asks for is let go: " .. name, function()
      start(function() end)
      connect()
      for i = 1, 1999, 2 do
        if client:ended() or heard(0) ~= "" then break end
        client:write(bytes(i))
        world.loop:turn(false)
        world.loop:turn(false)
      end
      hears(0, "goaway")
      wait_quiet()
      assert.is_true(#up.requests <= 250, #up.requests .. " reached the service")
      world:advance(2)
      assert.equal(0, world.front.sessions)
    end)
  end

  -- 19: slow in HTTP/2's form
  it("that sends its body too slowly hears 408", function()
    start(function() end)
    connect():write(h2.ask_with_body(1))
    for _ = 1, 11 do
      client:write(h2.data(1, "x"))
      world:advance(1)
    end
    hears(1, "head 408")
    wait_quiet()
    assert.equal("body_slow", world.access().error)
    assert.equal(1, world:scrape()['moongate_limit_rejections_total{limit="body_min_rate"}'])
  end)

  it("that opens no window for its answer is given up, and the service held until then", function()
    local big = ("x"):rep(1000000)
    start(function(conn) conn:write(ok(big)) end)
    connect { { 4, 0 } }
    client:write(h2.ask(1))
    hears(1, "head 200")
    world:settle(300)
    assert.equal(1, world:active())
    world:advance(11)
    wait_quiet()
    assert.equal("write_slow", world.access().error)
    assert.equal("head 200\nreset CANCEL", heard(1))
    client:write(h2.ask(3)) -- the connection goes on
    hears(3, "head 200")
  end)

  -- 22: a window of one byte a second is a stall, too
  it("that opens its window a byte at a time is given up", function()
    local big = ("x"):rep(1000000)
    start(function(conn) conn:write(ok(big)) end)
    connect { { 4, 0 } }
    client:write(h2.ask(1))
    hears(1, "head 200")
    for _ = 1, 24 do
      client:write(h2.frame(h2.WINDOW_UPDATE, 0, 1, h2.u32(1)))
      world:advance(1)
    end
    wait_quiet()
    assert.equal("write_slow", world.access().error)
  end)

  it("whose uploads a service does not take keeps no other request waiting", function()
    start(function(conn, text)
      if text:find("^POST") then
        conn:hold(true)
      elseif text:find("^GET") then
        conn:write(ok("fine"))
      end
    end, nil, true)
    connect()
    local windows = ("x"):rep(16384)
    for i = 1, 59, 2 do
      client:write(h2.ask_with_body(i) .. h2.data(i, windows):rep(4))
      world:settle(3)
    end
    client:write(h2.ask_with_body(61) .. h2.data(61, windows):rep(3) .. h2.data(61, "end", true))
    client:write(h2.ask(63))
    hears(63, "data 4 end")
    assert.equal("", heard(0))
    for i = 1, 61, 2 do
      client:write(h2.reset(i))
    end
    wait_quiet()
  end)

  -- 8, 18: nothing of a field gets between lines
  it("cannot write lines to a service", function()
    start(function(conn) conn:write(ok("x")) end)
    connect()
    local bad = {
      { { ":method", "GET" }, { ":scheme", "http" }, { ":path", "/ HTTP/1.1\r\nx: y" }, { ":authority", "a" } },
      { { ":method", "GET\r\n" }, { ":scheme", "http" }, { ":path", "/" }, { ":authority", "a" } },
      { { ":method", "GET" }, { ":scheme", "http" }, { ":path", "/" }, { ":authority", "a\r\nx: y" } },
      { { ":method", "GET" }, { ":scheme", "http\r\n" }, { ":path", "/" }, { ":authority", "a" } },
      { { ":method", "GET" }, { ":scheme", "http" }, { ":path", "/a b" }, { ":authority", "a" } },
      { { ":method", "" }, { ":scheme", "http" }, { ":path", "/" }, { ":authority", "a" } },
      { { ":method", "GET" }, { ":scheme", "http" }, { ":path", "/" }, { ":authority", "a" }, { "x", "a\nb" } },
      { { ":method", "GET" }, { ":scheme", "http" }, { ":path", "/" }, { ":authority", "a" }, { "x\0", "b" } },
      { { ":method", "GET" }, { ":scheme", "http" }, { ":path", "/" }, { ":authority", "a" }, { "te", "gzip" } },
    }
    for i, list in ipairs(bad) do
      client:write(h2.headers(2 * i - 1, list, true))
    end
    client:write(h2.ask(99))
    hears(99, "end")
    for i in ipairs(bad) do
      local what = heard(2 * i - 1)
      assert.is_true(what == "reset PROTOCOL_ERROR" or what:find("^head 400") ~= nil, i .. ": " .. what)
    end
    assert.equal(1, #up.requests)
    wait_quiet()
  end)

  it("hears no line that a service wrote into a field", function()
    start(function(conn) conn:write("HTTP/1.1 200 OK\r\nx: a\rset-cookie: b\r\ncontent-length: 0\r\n\r\n") end)
    connect():write(h2.ask(1))
    hears(1, "head 502")
    wait_quiet()
  end)

  -- 13: who it asks for
  it("is refused an authority that is none, and a host that is another one", function()
    start(function(conn) conn:write(ok("x")) end)
    connect()
    local bad =
      { "a,b", "u@a", "a:0", "a:65536", "a:b", "[fe80::1%25eth0]", "[::1", "a b", "a/b", "a?b", "a#b", "", "a:" }
    for i, authority in ipairs(bad) do
      client:write(h2.headers(2 * i - 1, {
        { ":method", "GET" },
        { ":scheme", "http" },
        { ":path", "/" },
        { ":authority", authority },
      }, true))
    end
    client:write(
      h2.ask(101, { { "host", "b.test" } }),
      h2.ask(103, { { "host", "a.test" }, { "host", "a.test" } })
    )
    client:write(h2.ask(105, { { "host", "a.test" } }))
    hears(105, "end")
    for i, authority in ipairs(bad) do
      local what = heard(2 * i - 1)
      assert.is_true(what == "reset PROTOCOL_ERROR" or what:find("^head 400") ~= nil, authority .. ": " .. what)
    end
    assert.is_truthy(heard(101):find("^head 400"))
    assert.is_truthy(heard(103):find("^head 400") or heard(103):find("^reset"))
    assert.equal(1, #up.requests)
    wait_quiet()
  end)

  -- 6: trailers of a request
  it("cannot put framing or credentials behind its body", function()
    start(function(conn) conn:write(ok("x")) end)
    connect():write(
      h2.ask_with_body(1) .. h2.data(1, "hi"),
      h2.headers(
        1,
        { { "content-length", "5" }, { "host", "b" }, { "authorization", "x" }, { "x-sum", "1" } },
        true
      )
    )
    world:until_true(function() return #up.requests == 1 or heard(1) ~= "" end, "an outcome")
    wait_quiet()
    local sent = up.requests[1]
    if sent then
      local behind = sent:match("\r\n\r\n(.*)$"):lower()
      assert.is_nil(behind:find("host:", 1, true))
      assert.is_nil(behind:find("authorization", 1, true))
      assert.is_nil(behind:find("content%-length"))
    else
      assert.is_truthy(heard(1):find("reset PROTOCOL_ERROR", 1, true))
    end
  end)

  -- 21: much of everything
  it("hears 431 and 414 where a head is too large, and the service nothing", function()
    start(function(conn) conn:write(ok("x")) end)
    connect()
    local many = {}
    for i = 1, 1000 do
      many[i] = { "x", "" }
    end
    client:write(h2.ask(1, many))
    client:write(h2.headers(3, {
      { ":method", "GET" },
      { ":scheme", "http" },
      { ":path", "/" .. ("a"):rep(8192) },
      { ":authority", "a" },
    }, true))
    hears(1, "head 431")
    hears(3, "head 414")
    client:write(h2.ask(5))
    hears(5, "end")
    assert.equal(1, #up.requests)
    wait_quiet()
  end)
end)
