--- Copies of requests for another service: what they are, what is not copied, and that the original never minds.
local c = require("support.c")
local proxy = require("support.proxy")

describe("a mirrored request", function()
  local world, main, copy

  local function answer(body)
    return function(conn) conn:write(("HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s"):format(#body, body)) end
  end

  local function start(mirror, on_copy)
    main, copy = world:upstream(answer("main")), world:upstream(on_copy or answer("copy"))
    mirror.to = 2
    world:start {
      routes = {
        { name = "shop", paths = { "/shop" }, targets = { main }, mirror = mirror },
        { name = "shadow", paths = { "/shadow" }, targets = { mirror.port or copy } },
      },
      limits = { body = 1e8 },
    }
  end

  local function counted(outcome)
    return world:scrape()[('moongate_mirror_requests_total{service="shadow",outcome="%s"}'):format(outcome)] or 0
  end

  local function until_counted(outcome, count)
    world:until_true(function()
      world:advance(0)
      return counted(outcome) == (count or 1)
    end, outcome)
  end

  before_each(function() world = proxy.new() end)
  -- As a worker does that ends.
  local function free()
    c.gw_mirrors_end(world.proxy)
    world:free()
  end

  after_each(free)

  it("is the request as the service gets it, with a mark; its answer is seen by nobody", function()
    start {}
    local client = world:client()
    assert.equal("main", client:ask("GET /shop/1?a=b HTTP/1.1\nhost: x.test\nx-own: 7").body)
    until_counted("answered")
    assert.equal(1, #copy.requests)
    assert.truthy(copy.requests[1]:find("^GET /shop/1%?a=b HTTP/1.1\r\n"))
    assert.truthy(copy.requests[1]:find("\r\nx%-own: 7\r\n"))
    assert.truthy(copy.requests[1]:find("\r\nx%-moongate%-mirror: shop\r\n"))
    assert.truthy(copy.requests[1]:find("\r\nx%-forwarded%-for: 192.0.2.7\r\n"))
    assert.is_nil(main.requests[1]:find("x-moongate-mirror", 1, true))
    assert.is_nil(copy.requests[1]:find("content-length", 1, true))
    assert.equal("main", client:ask("GET /shop/2 HTTP/1.1\nhost: x.test").body)
    until_counted("answered", 2)
  end)

  it("says what the mark says, whatever the client says", function()
    start {}
    world:client():ask("GET /shop HTTP/1.1\nhost: x\nx-moongate-mirror: me")
    until_counted("answered")
    assert.truthy(copy.requests[1]:find("\r\nx%-moongate%-mirror: shop\r\n"))
    assert.is_nil(copy.requests[1]:find("mirror: me", 1, true))
  end)

  it("has the body, also of one that comes in pieces", function()
    start {}
    local client = world:client()
    assert.equal(200, client:ask("POST /shop HTTP/1.1\nhost: x", "hello").status)
    until_counted("answered")
    assert.truthy(copy.requests[1]:find("\r\ncontent%-length: 5\r\n"))
    assert.equal("hello", copy.requests[1]:match("\r\n\r\n(.*)$"))
    client:write("POST /shop HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
    world:settle()
    client:write("2\r\nde\r\n0\r\n\r\n")
    assert.equal(200, client:response().status)
    until_counted("answered", 2)
    assert.equal("abcde", copy.requests[2]:match("\r\n\r\n(.*)$"))
  end)

  it("is not made of a body that is too large, whether its length is known or not", function()
    start { max_body = 10 }
    local client = world:client()
    assert.equal(200, client:ask("POST /shop HTTP/1.1\nhost: x", ("a"):rep(11)).status)
    assert.equal(1, counted("too_large"))
    client:write("POST /shop HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
    client:write("8\r\n12345678\r\n8\r\n12345678\r\n0\r\n\r\n")
    assert.equal(200, client:response().status)
    assert.equal(2, counted("too_large"))
    assert.equal(200, client:ask("POST /shop HTTP/1.1\nhost: x", ("a"):rep(10)).status)
    until_counted("answered")
    assert.equal(1, #copy.requests)
  end)

  it("delays and fails nothing where its service refuses, hangs or breaks off", function()
    start { port = proxy.closed_port() }
    assert.equal("main", world:client():ask("GET /shop HTTP/1.1\nhost: x").body)
    world:pass_until(function() return counted("connect") == 1 end, "connect")
    free()
    world = proxy.new()
    start({ timeout = 3 }, function() end)
    assert.equal("main", world:client():ask("POST /shop HTTP/1.1\nhost: x", "b").body)
    world:until_true(function() return #copy.requests == 1 end)
    world:advance(2)
    assert.equal(0, counted("timeout"))
    world:advance(1.1)
    until_counted("timeout")
    free()
    world = proxy.new()
    start({}, function(conn)
      conn:write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx")
      conn:close()
    end)
    assert.equal("main", world:client():ask("GET /shop HTTP/1.1\nhost: x").body)
    until_counted("upstream_cut")
  end)

  it("is thrown away whatever is answered: chunks, nothing, much", function()
    local answers = {
      "HTTP/1.1 204 No Content\r\n\r\n",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
      "HTTP/1.1 500 No\r\ncontent-length: 300000\r\n\r\n" .. ("x"):rep(300000),
    }
    start({}, function(conn, _, nth) conn:write(answers[nth]) end)
    local client = world:client()
    for i = 1, #answers do
      assert.equal("main", client:ask("GET /shop HTTP/1.1\nhost: x").body)
      until_counted("answered", i)
    end
  end)

  it("is not made while too many are on their way", function()
    start({ max_concurrent = 2, timeout = 5 }, function() end)
    local client = world:client()
    for _ = 1, 5 do
      assert.equal("main", client:ask("GET /shop HTTP/1.1\nhost: x").body)
    end
    assert.equal(3, counted("too_many"))
    world:until_true(function() return #copy.requests == 2 end)
    world:advance(6)
    until_counted("timeout", 2)
    client:ask("GET /shop HTTP/1.1\nhost: x")
    assert.equal(3, counted("too_many"))
  end)

  it("is forgotten with an original that does not become whole", function()
    start {}
    local client = world:client()
    client:write("POST /shop HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc")
    world:settle()
    client:close()
    until_counted("incomplete")
    assert.equal(0, #copy.requests)
  end)

  it("is a share of the requests", function()
    start { percentage = 25 }
    local client = world:client()
    for _ = 1, 400 do
      client:ask("GET /shop HTTP/1.1\nhost: x")
    end
    world:until_true(function()
      world:advance(0)
      return counted("answered") == #copy.requests
    end)
    assert.is_true(#copy.requests > 60 and #copy.requests < 145, #copy.requests)
  end)

  it("is never made of an upgrade", function()
    start({})
    local client = world:client()
    client:write(
      "GET /shop HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    client:response()
    world:settle()
    assert.equal(0, #copy.requests)
  end)

  it("ends with the worker and with its configuration gone", function()
    start({}, function() end)
    world:client():ask("GET /shop HTTP/1.1\nhost: x")
    world:until_true(function() return #copy.requests == 1 end)
    world:use(world:configure { routes = { { name = "shop", paths = { "/shop" }, targets = { main } } } })
    assert.equal("main", world:client():ask("GET /shop HTTP/1.1\nhost: x").body)
    world:settle()
    assert.equal(1, #copy.requests)
  end)
end)
