local c = require("support.c")
local proxy = require("support.proxy")

local function ok(body, more)
  return ("HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%s\r\n%s"):format(#body, more or "", body)
end

local function problem(response)
  assert.equal("application/problem+json", response.headers["content-type"])
  return response.body:match('"reason":"([%w_]+)"')
end

describe("the request's way", function()
  local world

  before_each(function() world = proxy.new() end)
  after_each(function() world:free() end)

  local function start(on_request, options, raw)
    local up = world:upstream(on_request, raw)
    local route = { name = "all", targets = { up } }
    for k, v in pairs(options or {}) do
      route[k] = v
    end
    world:start { routes = { route }, limits = options and options.limits, trusted = options and options.trusted }
    return up
  end

  local function wait_quiet()
    world:until_true(function() return world:is_quiet() end, "quiet")
  end

  describe("plain", function()
    it("carries a request to the service and its answer back", function()
      local up = start(function(conn) conn:write(ok("hi", "x-a: 1\r\n")) end)
      local response = world:client():ask("GET /users?a=1 HTTP/1.1\nhost: example.com")
      assert.equal(200, response.status)
      assert.equal("hi", response.body)
      assert.equal("1", response.headers["x-a"])
      assert.truthy(up.requests[1]:find("^GET /users%?a=1 HTTP/1.1\r\n"))
      world:settle()
      assert.equal(0, world:active())
      assert.equal(1, world:idle())
    end)

    it("keeps connections on both sides", function()
      local up = start(function(conn) conn:write(ok("hi")) end)
      local client = world:client()
      for _ = 1, 5 do
        assert.equal("hi", client:ask("GET / HTTP/1.1\nhost: a").body)
      end
      assert.equal(1, #up.conns)
      assert.equal(5, #up.requests)
    end)

    it("answers pipelined requests in their order", function()
      start(function(conn, _, nth) conn:write(ok("answer " .. nth)) end)
      local client = world:client()
      client:write(("GET / HTTP/1.1\r\nhost: a\r\n\r\n"):rep(3))
      for i = 1, 3 do
        assert.equal("answer " .. i, client:response().body)
      end
    end)

    it("carries bodies of known and unknown length both ways", function()
      local up = start(
        function(conn, request)
          conn:write(
            request:find("chunked")
                and "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
              or ok("fixed")
          )
        end
      )
      local client = world:client()
      assert.equal("fixed", client:ask("POST / HTTP/1.1\nhost: a", "hello").body)
      assert.equal("hello", up.requests[1]:match("\r\n\r\n(.*)$"))
      client:write("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
      assert.equal("abcde", client:response().body)
      assert.truthy(up.requests[2]:find("3\r\nabc\r\n0\r\n\r\n", 1, true))
    end)

    it("carries trailers both ways", function()
      local got
      start(function(conn, text)
        got = (got or "") .. text
        if got:find("x%-in: 1\r\n\r\n$") then
          conn:write(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-out\r\n\r\n1\r\na\r\n0\r\nx-out: 2\r\n\r\n"
          )
        end
      end, nil, true)
      local client = world:client()
      client:write(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: x-in\r\n\r\n1\r\nz\r\n0\r\nx-in: 1\r\n\r\n"
      )
      local response = client:response()
      assert.equal("a", response.body)
      assert.equal("2", response.trailers["x-out"])
    end)

    it("sends no body with HEAD, 204 and 304", function()
      local answers = {
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
      }
      local up = start(function(conn, _, nth) conn:write(answers[nth]) end)
      local client = world:client()
      local response = client:ask("HEAD / HTTP/1.1\nhost: a")
      assert.equal("5", response.headers["content-length"])
      assert.equal(204, client:ask("GET / HTTP/1.1\nhost: a").status)
      assert.equal(304, client:ask("GET / HTTP/1.1\nhost: a").status)
      assert.equal(1, #up.conns)
    end)

    it("carries a body that ends with the connection", function()
      start(function(conn)
        conn:write("HTTP/1.1 200 OK\r\n\r\nuntil ")
        conn:write("close")
        conn:close_gently(1)
      end)
      assert.equal("until close", world:client():ask("GET / HTTP/1.1\nhost: a").body)
    end)
  end)

  describe("what goes to the service", function()
    local function sent(options, request, peer)
      local up = start(function(conn) conn:write(ok("")) end, options)
      world:client(peer):ask(request)
      return up.requests[1], up
    end

    it("says who asks, and that it went through us", function()
      local request = sent(nil, "GET / HTTP/1.1\nhost: shop.example.com:8000")
      assert.truthy(request:find("\r\nx-forwarded-for: 192.0.2.7\r\n", 1, true))
      assert.truthy(request:find("\r\nx-forwarded-proto: http\r\n", 1, true))
      assert.truthy(request:find("\r\nx-forwarded-host: shop.example.com\r\n", 1, true))
      assert.truthy(request:find("\r\nx-forwarded-port: 8000\r\n", 1, true))
      assert.truthy(request:find("\r\nx-real-ip: 192.0.2.7\r\n", 1, true))
      assert.truthy(request:find("\r\nvia: 1.1 moongate\r\n", 1, true))
    end)

    it("believes nothing a stranger says about itself", function()
      local request = sent(
        nil,
        "GET / HTTP/1.1\nhost: a\nx-forwarded-for: 10.0.0.1\nX_Forwarded_For: 10.0.0.2\n"
          .. "x-real-ip: 10.0.0.3\nforwarded: for=10.0.0.4\nx-forwarded-proto: https\nproxy: evil\nx-consumer-id: root\n"
          .. "x-moongate-mirror: evil\nX_Moongate_Mirror: evil"
      )
      for _, word in ipairs { "10.0.0", "https", "evil", "root" } do
        assert.is_nil(request:find(word, 1, true))
      end
    end)

    it("extends what a trusted proxy says", function()
      local request = sent(
        { trusted = { "10.0.0.0/8" } },
        "GET / HTTP/1.1\nhost: a\nx-forwarded-for: 203.0.113.9, 10.1.1.1\nx-forwarded-proto: https",
        "10.2.2.2:99"
      )
      assert.truthy(request:find("\r\nx-forwarded-for: 203.0.113.9, 10.1.1.1, 10.2.2.2\r\n", 1, true))
      assert.truthy(request:find("\r\nx-forwarded-proto: https\r\n", 1, true))
    end)

    it("names the target as Host, unless told otherwise", function()
      local request, up = sent(nil, "GET / HTTP/1.1\nhost: a.example.com")
      assert.truthy(request:find(("\r\nhost: 127.0.0.1:%d\r\n"):format(up.port)))
    end)

    it(
      "keeps the client's Host with preserve_host",
      function()
        assert.truthy(
          sent({ preserve_host = true }, "GET / HTTP/1.1\nhost: a.example.com"):find(
            "\r\nhost: a.example.com\r\n",
            1,
            true
          )
        )
      end
    )

    it(
      "takes the upstream's host_header",
      function()
        assert.truthy(
          sent({ host_header = "inner.test" }, "GET / HTTP/1.1\nhost: a"):find("\r\nhost: inner.test\r\n", 1, true)
        )
      end
    )

    it("strips the route's path and puts the service's before the rest", function()
      local request = sent(
        { paths = { "/users" }, strip_path = true, service = { path = "/api" } },
        "GET /users/7?x HTTP/1.1\nhost: a"
      )
      assert.truthy(request:find("^GET /api/7%?x HTTP"))
    end)

    it("drops what belongs to one hop", function()
      local request = sent(
        nil,
        "GET / HTTP/1.1\nhost: a\nconnection: keep-alive, x-hop\nx-hop: 1\n"
          .. "keep-alive: 5\nte: trailers\nproxy-connection: x"
      )
      for _, name in ipairs { "x%-hop", "keep%-alive", "\r\nte:", "proxy%-connection" } do
        assert.is_nil(request:find(name), name)
      end
    end)
  end)

  describe("replies made here", function()
    it("says 404 when no route matches", function()
      start(function() end, { paths = { "/only" } })
      local response = world:client():ask("GET /other HTTP/1.1\nhost: a")
      assert.equal(404, response.status)
      assert.equal("no_route", problem(response))
      assert.truthy(response.body:find('"correlationId":"%x+%-%x+%-7%x+%-%x+%-%x+"'))
    end)

    it("says 405 and which methods are allowed", function()
      start(function() end, { methods = { "GET", "PUT" } })
      local response = world:client():ask("DELETE / HTTP/1.1\nhost: a")
      assert.equal(405, response.status)
      assert.truthy(response.headers.allow:find("GET") and response.headers.allow:find("PUT"))
    end)

    it("has no body for HEAD, and keeps the connection", function()
      start(function(conn) conn:write(ok("hi")) end, { paths = { "/only" } })
      local client = world:client()
      assert.equal(404, client:ask("HEAD /other HTTP/1.1\nhost: a").status)
      assert.equal("hi", client:ask("GET /only HTTP/1.1\nhost: a").body)
    end)

    it("does not proxy CONNECT and TRACE, and answers OPTIONS * itself", function()
      start(function() end)
      assert.equal(501, world:client():ask("TRACE / HTTP/1.1\nhost: a").status)
      local client = world:client()
      client:write("CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n")
      assert.equal(501, client:response().status)
      local response = world:client():ask("OPTIONS * HTTP/1.1\nhost: a")
      assert.equal(204, response.status)
      assert.truthy(response.headers.allow)
    end)

    it("refuses a body that is announced too large, without asking the service", function()
      local up = start(function() end, { limits = { body = 10 } })
      local client = world:client()
      client:write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\n")
      local response = client:response()
      assert.equal(413, response.status)
      assert.equal("body_too_large", problem(response))
      assert.equal(0, #up.conns)
    end)

    it("refuses a body that turns out too large, and closes", function()
      start(function() end, { limits = { body = 10 } })
      local client = world:client()
      client:write("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n8\r\n12345678\r\n")
      world:settle()
      client:write("8\r\n12345678\r\n")
      assert.equal(413, client:response().status)
      wait_quiet()
    end)

    it("answers a body that turns out malformed, like everything else", function()
      local up = start(function() end)
      local client = world:client()
      client:write("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n")
      local response = client:response()
      assert.equal(400, response.status)
      assert.equal("bad_body", problem(response))
      assert.equal("close", response.headers.connection)
      client:wait_end()
      wait_quiet()
      assert.equal("bad_body", world.access().error)
      assert.equal(400, world.access().statusCode)
      assert.equal(0, #up.requests)
    end)

    it("answers what the codec refuses", function()
      start(function() end)
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nbad header\r\n\r\n")
      local response = client:response()
      assert.equal(400, response.status)
      assert.equal("bad_request", problem(response))
      client:wait_end()
    end)
  end)

  describe("failing services", function()
    it("says 502 when nobody listens", function()
      world:start { routes = { { name = "all", targets = { proxy.closed_port() }, service = { retries = 0 } } } }
      local response = world:client():ask("GET / HTTP/1.1\nhost: a")
      assert.equal(502, response.status)
      assert.equal("connect", problem(response))
    end)

    it("says 503 when there is no target", function()
      world:start { routes = { { name = "all", targets = {} } } }
      assert.equal("no_target", problem(world:client():ask("GET / HTTP/1.1\nhost: a")))
    end)

    it("says 502 when the service closes instead of answering", function()
      start(function(conn) conn:close() end)
      assert.equal("reset", problem(world:client():ask("GET / HTTP/1.1\nhost: a")))
    end)

    it("says 502 when the answer is no HTTP", function()
      start(function(conn) conn:write("SSH-2.0-OpenSSH\r\n\r\n") end)
      assert.equal("upstream_protocol", problem(world:client():ask("GET / HTTP/1.1\nhost: a")))
    end)

    it("says 504 when the answer takes too long", function()
      local up = start(function() end, { service = { response_timeout = 3 } })
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      world:until_true(function() return #up.requests == 1 end)
      world:advance(2)
      assert.equal("", client:text())
      world:advance(1.1)
      local response = client:response()
      assert.equal(504, response.status)
      assert.equal("response_timeout", problem(response))
    end)

    it("cuts the client's stream when the service pauses in the middle", function()
      local up = start(
        function(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf") end,
        { service = { read_timeout = 3 } }
      )
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      world:until_true(function() return client:text():find("half") end)
      world:advance(3.1)
      client:wait_end()
      assert.equal(1, #up.requests)
      wait_quiet()
    end)

    it("cuts the client's stream when the service's body is cut", function()
      start(function(conn)
        conn:write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        conn:close_gently(1)
      end)
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      client:wait_end()
      assert.truthy(client:text():find("half"))
      assert.is_nil(client:text():find("\r\n0\r\n"))
      wait_quiet()
    end)

    it("refuses a switch of protocols that nobody asked for", function()
      start(
        function(conn) conn:write("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n") end
      )
      assert.equal(502, world:client():ask("GET / HTTP/1.1\nhost: a").status)
    end)

    it("ends the request after its total time", function()
      local up = start(function() end, { limits = { total_timeout = 5 } })
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      world:until_true(function() return #up.requests == 1 end)
      world:advance(5.1)
      assert.equal("total_timeout", problem(client:response()))
    end)
  end)

  describe("interim heads", function()
    it("asks for the body from end to end", function()
      local seen = ""
      start(function(conn, text)
        seen = seen .. text
        if text:find("expect: 100%-continue") then conn:write("HTTP/1.1 100 Continue\r\n\r\n") end
        if seen:find("hello") then conn:write(ok("got it")) end
      end, nil, true)
      local client = world:client()
      client:write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n")
      world:until_true(function() return client:text():find("100 Continue") end)
      assert.is_nil(seen:find("hello"))
      assert.equal(100, client:response().status)
      client:write("hello")
      assert.equal("got it", client:response().body)
    end)

    it("passes early hints", function()
      start(function(conn) conn:write("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" .. ok("hi")) end)
      local client = world:client()
      assert.equal(103, client:ask("GET / HTTP/1.1\nhost: a").status)
      assert.equal("hi", client:response().body)
    end)

    it("sends none to an HTTP/1.0 client", function()
      start(function(conn) conn:write("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" .. ok("hi")) end)
      assert.equal(200, world:client():ask("GET / HTTP/1.0\nhost: a").status)
    end)

    it("ends a service that never comes to the point", function()
      start(function(conn) conn:write(("HTTP/1.1 103 Early Hints\r\n\r\n"):rep(100)) end)
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      world:until_true(function() return client:text():find("502") end)
      wait_quiet()
    end)
  end)

  describe("an early response", function()
    it("reaches the client while its body is still on the way", function()
      local up = start(function(conn, text)
        if text:find("POST") then conn:write("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno") end
      end, nil, true)
      local client = world:client()
      client:write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\nbegin")
      assert.equal(403, client:response().status)
      wait_quiet()
      assert.equal(0, world:idle()) -- half a request was sent on it
      assert.equal(1, #up.conns)
    end)
  end)

  describe("a tunnel", function()
    local hello =
      "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

    local function echo(conn, text)
      if text:find("^GET") then
        assert(text:lower():find("upgrade: websocket"), text)
        conn:write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
      elseif text == "bye" then
        conn:write("ciao")
        conn:close_gently(1)
      else
        conn:write("echo " .. text)
      end
    end

    it("carries bytes both ways after the service agreed", function()
      start(echo, nil, true)
      local client = world:client()
      client:write(hello)
      assert.equal(101, client:response().status)
      client:write("one")
      world:until_true(function() return client:text() == "echo one" end)
      client:write("bye")
      client:wait_end()
      assert.equal("echo oneciao", client:text())
      client:close()
      wait_quiet()
      assert.equal(0, world:idle())
    end)

    it("may be silent for as long as the service says, either side's bytes counting", function()
      start(echo, { service = { read_timeout = 5, websocket_timeout = 60 } }, true)
      local client = world:client()
      client:write(hello)
      assert.equal(101, client:response().status)
      world:advance(59)
      client:write("one")
      world:until_true(function() return client:text() == "echo one" end)
      world:advance(59)
      assert.is_nil(client:ended())
      world:advance(2)
      client:wait_end()
      client:close()
      wait_quiet()
    end)

    it("lets one side end while the other goes on", function()
      local up = start(function(conn, text)
        if text:find("^GET") then
          conn:write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        end
      end, nil, true)
      local ended
      up.on_conn = function(conn)
        conn.on_end = function() ended = true end
      end
      local client = world:client()
      client:write(hello)
      assert.equal(101, client:response().status)
      client.conn:shutdown()
      world:until_true(function() return ended end)
      up.conns[1]:write("still here")
      world:until_true(function() return client:text() == "still here" end)
      up.conns[1]:close()
      client:wait_end()
      wait_quiet()
    end)

    it("is none when the service declines, and what came for it is not read as requests", function()
      local asked = 0
      start(function(conn)
        asked = asked + 1
        conn:write(ok("plain"))
      end)
      local client = world:client()
      client:write(hello .. "GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      local response = client:response()
      assert.equal("plain", response.body)
      assert.equal("close", response.headers.connection)
      client:wait_end()
      assert.equal(1, asked)
    end)
  end)

  describe("slow peers", function()
    local big = ("0123456789"):rep(100000)

    it("holds the service while the client does not read", function()
      start(function(conn) conn:write(ok(big)) end)
      local client = world:client()
      client.conn:hold(true)
      client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      world:settle(300)
      assert.equal(1, world:active())
      client.conn:hold(false)
      assert.equal(big, client:response().body)
    end)

    it("gives up on a client that reads nothing for too long", function()
      start(function(conn) conn:write(ok(big)) end, { limits = { idle_timeout = 20, body_min_rate = 0 } })
      local client = world:client()
      client.conn:hold(true)
      client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      world:settle(300)
      world:advance(19)
      assert.equal(1, world:active())
      world:advance(2)
      wait_quiet()
      assert.equal("write_slow", world.access().error)
    end)

    -- Reads so many bytes every second, for so many seconds.
    local function sip(client, bytes, seconds)
      c.gw_conn_set_read_limit(client.conn.conn, bytes)
      client.conn.on_read = function(e) e:hold(true) end
      for _ = 1, seconds do
        client.conn:hold(false)
        world:settle(3)
        world:advance(1)
      end
    end

    it("gives up on a client that reads below body_min_rate", function()
      start(function(conn) conn:write(ok(big)) end)
      local client = world:client()
      client.conn:hold(true)
      client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      world:settle(300)
      sip(client, 900, 9)
      assert.equal(1, world:active())
      sip(client, 900, 3)
      wait_quiet()
      assert.equal("write_slow", world.access().error)
      assert.equal(1, world:scrape()['moongate_limit_rejections_total{limit="body_min_rate"}'])
    end)

    it("bears with one that reads slowly, but not too slowly", function()
      start(function(conn) conn:write(ok(big)) end)
      local client = world:client()
      client.conn:hold(true)
      client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      world:settle(300)
      sip(client, 1200, 45)
      assert.equal(1, world:active())
    end)

    it("holds the client while the service does not read", function()
      local up = start(function(conn) conn:write(ok("done")) end, { limits = { body = 1e7 } })
      up.on_conn = function(conn) conn:hold(true) end
      local client = world:client()
      local body = big:rep(8)
      client:write(("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n"):format(#body))
      for at = 1, #body, 65536 do
        client:write(body:sub(at, at + 65535))
      end
      world:settle(300)
      assert.equal(0, #up.requests)
      assert.equal(1, world:active())
      up.conns[1]:hold(false)
      assert.equal("done", client:response().body)
      assert.equal(body, up.requests[1]:match("\r\n\r\n(.*)$"))
    end)

    it("gives up on a client that sends its body too slowly", function()
      start(function() end)
      local client = world:client()
      client:write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nx")
      world:settle()
      world:advance(10.1)
      world:until_true(function() return client:text():find("408") end)
      wait_quiet()
    end)
  end)

  describe("a client that goes away", function()
    local function goes_at(when, on_request)
      local up = start(on_request or function() end)
      local client = world:client()
      when(client, up)
      client:close()
      wait_quiet()
      return up
    end

    it("before its body was whole", function()
      goes_at(function(client)
        client:write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf")
        world:settle()
      end)
    end)

    it("while the gateway dials", function()
      local up = start(function() end)
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      while world:active() == 0 do
        world.loop:turn(false)
      end
      client:close()
      wait_quiet()
      assert.equal(0, #up.requests)
    end)

    it("while the service thinks", function()
      local ended
      local up = goes_at(function(client, up)
        up.on_conn = function(conn)
          conn.on_end = function()
            ended = true
            conn:close()
          end
        end
        client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        world:until_true(function() return #up.requests == 1 end)
      end)
      world:until_true(function() return ended end) -- the service learns it
      assert.equal(1, #up.conns)
    end)

    it("in the middle of the answer", function()
      goes_at(function(client)
        client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        world:until_true(function() return client:text():find("half") end)
      end, function(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf") end)
      world:settle()
      assert.equal(0, world:idle()) -- the rest of that answer must never reach anybody
    end)

    it("in a tunnel", function()
      goes_at(
        function(client)
          client:write("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")
          assert.equal(101, client:response().status)
        end,
        function(conn) conn:write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n") end
      )
    end)

    it("with more requests behind it than are read ahead", function()
      local more = ("GET /more HTTP/1.1\r\nhost: a\r\n\r\n"):rep(2000)
      goes_at(function(client, up)
        client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n" .. more)
        world:until_true(function() return #up.requests == 1 end)
        world:settle()
        client:close()
        world:advance(1.1)
      end)
      assert.equal("client_gone", world.access().error)
    end)

    it("with a body that nobody has read", function()
      local up = start(function() end)
      up.on_conn = function(conn) conn:hold(true) end
      local client = world:client()
      client:write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 900000\r\n\r\n" .. ("x"):rep(900000))
      world:settle(300)
      assert.equal(1, world:active())
      client:close()
      world:advance(1.1)
      wait_quiet()
      assert.equal("client_gone", world.access().error)
    end)

    it("while a reply is on its way", function()
      goes_at(
        function(client) client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\nGET /x HTTP/1.1\r\n") end,
        function(conn) conn:close() end
      )
    end)
  end)

  it("sends what may not be repeated on a reused connection only behind another request of its client", function()
    local up = start(function(conn) conn:write(ok("")) end)
    world:client():ask("GET / HTTP/1.1\nhost: a")
    world:until_true(function() return world:idle() == 1 end)
    local client = world:client()
    client:ask("POST / HTTP/1.1\nhost: a", "x")
    assert.equal(2, #up.conns)
    world:settle()
    client:ask("POST / HTTP/1.1\nhost: a", "x")
    world:client():ask("GET / HTTP/1.1\nhost: a")
    assert.equal(2, #up.conns)
  end)

  describe("generations", function()
    it("let a request end on the one it began with", function()
      local first = start(function() end)
      local client, other = world:client(), world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      world:until_true(function() return #first.requests == 1 end)
      local second = world:upstream(function(conn) conn:write(ok("new")) end)
      world:use(world:configure { routes = { { name = "second", targets = { second } } } })
      assert.equal("new", other:ask("GET / HTTP/1.1\nhost: a").body)
      first.conns[1]:write(ok("old"))
      assert.equal("old", client:response().body)
      assert.equal("new", client:ask("GET / HTTP/1.1\nhost: a").body)
    end)
  end)

  describe("the record", function()
    it("says who asked what of whom, and how it went", function()
      local up = start(function(conn) conn:write(ok("hello")) end)
      local response = world:client():ask("POST /a%20b?q=1 HTTP/1.1\nhost: a", "four")
      assert.equal(200, response.status)
      wait_quiet()
      local line = world.access()
      assert.truthy(line.correlationId:find("^%x+%-%x+%-7"))
      assert.equal("POST", line.method)
      assert.truthy(line.path:find("^/a%%20b"))
      assert.equal(200, line.statusCode)
      assert.equal("all", line.route)
      assert.equal("all", line.service)
      assert.equal(up.text, line.upstream)
      assert.equal(200, line.upstreamStatus)
      assert.equal(1, line.tries)
      assert.equal(4, line.bytesIn)
      assert.equal(5, line.bytesOut)
      assert.equal("192.0.2.7", line.clientIp)
      assert.equal(1, world.access_count())
    end)

    it("names the error of what failed", function()
      start(function(conn) conn:close() end)
      world:client():ask("GET / HTTP/1.1\nhost: a")
      wait_quiet()
      assert.equal("reset", world.access().error)
      assert.equal(502, world.access().statusCode)
    end)

    it("is 499 when the client went away", function()
      local up = start(function() end)
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      world:until_true(function() return #up.requests == 1 end)
      client:close()
      wait_quiet()
      assert.equal(499, world.access().statusCode)
      assert.equal("client_gone", world.access().error)
    end)

    it("is there for what the codec refused, too", function()
      start(function() end)
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n")
      assert.equal(400, client:response().status)
      assert.equal("bad_host", world.access().error)
      assert.equal(1, world:scrape()['moongate_requests_total{service="",route="",code="400"}'])
    end)

    it("counts requests by service, route and code, and what happened upstream", function()
      start(function(conn, _, nth)
        if nth == 3 then return conn:close() end
        conn:write(ok("hi"))
      end)
      local client = world:client()
      client:ask("GET / HTTP/1.1\nhost: a")
      client:ask("GET / HTTP/1.1\nhost: a")
      client:ask("POST / HTTP/1.1\nhost: a", "x")
      wait_quiet()
      local values = world:scrape()
      assert.equal(2, values['moongate_requests_total{service="all",route="all",code="200"}'])
      assert.equal(1, values['moongate_requests_total{service="all",route="all",code="502"}'])
      assert.equal(3, values['moongate_request_duration_seconds_count{service="all",route="all"}'])
      assert.equal(2, values['moongate_upstream_requests_total{service="all",outcome="ok"}'])
      assert.equal(1, values['moongate_upstream_requests_total{service="all",outcome="reset"}'])
      assert.equal(0, values['moongate_upstream_active_requests{service="all"}'])
    end)
  end)

  it("describes what is under way", function()
    local ffi = require("ffi")
    local up = start(function() end)
    world:client():write("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
    world:until_true(function() return #up.requests == 1 end)
    local out = ffi.new("struct gw_buf")
    c.gw_buf_init(out, 1e5)
    c.gw_proxy_describe(world.proxy, out)
    assert.truthy(ffi.string(out.data, out.len):find("GET /slow at head for %d+ ms, down open, up open"))
    c.gw_buf_deinit(out)
  end)

  it("ends everything when the worker stops", function()
    local up = start(function() end)
    for _ = 1, 3 do
      world:client():write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    end
    world:until_true(function() return #up.requests == 3 end)
    c.gw_proxy_abort(world.proxy, c.GW_E_SHUTDOWN)
    wait_quiet()
    for i = 1, 3 do
      world.clients[i]:wait_end()
    end
  end)
end)
