local proxy = require("support.proxy")

describe("gw_pool", function()
  local world, up

  before_each(function() world = proxy.new() end)
  after_each(function() world:free() end)

  local function start(service, answer)
    up = world:upstream(answer or function(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") end)
    world:start { routes = { { name = "s", targets = { up }, service = service } } }
  end

  -- So many requests at once, and all answered.
  local function ask(count)
    local clients = {}
    for i = 1, count do
      clients[i] = world:client()
      clients[i]:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    end
    for i = 1, count do
      assert.equal(200, clients[i]:response().status)
    end
    world:until_true(function() return world:is_quiet() end)
    world:settle()
  end

  it("keeps as many idle connections as the service wishes", function()
    start { keepalive_connections = 2 }
    ask(5)
    assert.equal(2, world:idle())
  end)

  it("keeps none that named its client, and lends it none", function()
    start({ proxy_protocol = 1 }, function(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") end)
    ask(1)
    assert.equal(0, world:idle())
    ask(2)
    assert.equal(3, #up.conns)
    assert.equal(0, world:idle())
  end)

  it("retires a connection after so many requests", function()
    start { keepalive_requests = 2 }
    for _ = 1, 4 do
      ask(1)
    end
    assert.equal(2, #up.conns)
  end)

  it("closes what was idle for too long", function()
    start { keepalive_idle = 10 }
    ask(2)
    assert.equal(2, world:idle())
    world:advance(9)
    assert.equal(2, world:idle())
    world:advance(2.5)
    assert.equal(0, world:idle())
  end)

  it("lets a connection go that the server closed", function()
    start()
    ask(1)
    up.conns[1]:close()
    world:until_true(function() return world:idle() == 0 end, "the connection to leave")
    ask(1)
    assert.equal(2, #up.conns)
  end)

  it("never lends a connection on which bytes came that nobody asked for", function()
    start()
    ask(1)
    up.conns[1]:write("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison")
    world:until_true(function() return world:idle() == 0 end, "the connection to leave")
    ask(1)
    assert.equal(2, #up.conns)
  end)

  it("does not keep one whose server said close, or whose answer was not whole", function()
    start(nil, function(conn) conn:write("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n") end)
    ask(2)
    assert.equal(0, world:idle())
  end)

  it("does not keep one behind whose answer more came", function()
    start(
      nil,
      function(conn)
        conn:write(
          "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"
        )
      end
    )
    ask(1)
    assert.equal(0, world:idle())
  end)

  it("closes everything when drained, and what becomes idle after it", function()
    local c = require("support.c")
    start()
    ask(2)
    c.gw_pool_drain(world.pool)
    assert.equal(0, world:idle())
    ask(1)
    assert.equal(0, world:idle())
  end)
end)
