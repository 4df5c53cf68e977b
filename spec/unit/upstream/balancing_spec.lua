local proxy = require("support.proxy")

describe("an upstream's balancing", function()
  local world, ups

  local function answer(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") end

  before_each(function()
    world = proxy.new()
    ups = {}
    for i = 1, 4 do
      ups[i] = world:upstream(answer)
    end
  end)
  after_each(function() world:free() end)

  local function start(route)
    route.name, route.targets = "b", route.targets or ups
    world:start { routes = { route } }
    return world:client()
  end

  -- The number of the only target that got requests since the last time.
  local seen = {}
  local function who()
    local found
    for i, up in ipairs(ups) do
      if #up.requests > (seen[up] or 0) then
        assert.is_nil(found, "more than one target got requests")
        found = i
      end
      seen[up] = #up.requests
    end
    return found
  end

  it("sends what has the same header to the same target", function()
    local client, targets = start { algorithm = "consistent-hashing", hash = { { "header", "x-user" } } }, {}
    for user = 1, 12 do
      for _ = 1, 3 do
        client:ask("GET / HTTP/1.1\nhost: a\nx-user: u" .. user)
      end
      targets[who()] = true
    end
    assert.is_true(#targets > 1 or next(targets, (next(targets))) ~= nil)
  end)

  it("asks the fallback where a request has no such header", function()
    local client = start { algorithm = "consistent-hashing", hash = { { "header", "x-user" }, { "path" } } }
    for _, path in ipairs { "/a", "/b", "/c" } do
      for _ = 1, 3 do
        client:ask(("GET %s HTTP/1.1\nhost: a"):format(path))
      end
      assert.is_not_nil(who())
    end
  end)

  it("hashes on arguments, decoded", function()
    local client = start { algorithm = "consistent-hashing", hash = { { "query_arg", "u" } } }
    client:ask("GET /?x=1&u=a%20b HTTP/1.1\nhost: a")
    client:ask("GET /?u=a+b&x=2 HTTP/1.1\nhost: a")
    assert.is_not_nil(who())
  end)

  it("gives a client the cookie it has not, and knows it again", function()
    local client = start { algorithm = "consistent-hashing", hash = { { "cookie", "at" } } }
    local cookie = client:ask("GET / HTTP/1.1\nhost: a").headers["set-cookie"]
    local pair = cookie:match("^(at=%x+%-[%x%-]+); Path=/; HttpOnly; SameSite=Lax$")
    local first = who()
    for _ = 1, 4 do
      local response = client:ask("GET / HTTP/1.1\nhost: a\ncookie: attic=x; " .. pair .. "; at2=y")
      assert.is_nil(response.headers["set-cookie"])
    end
    assert.equal(first, who())
  end)

  it("keeps to the better priority", function()
    local client =
      start { targets = { { port = ups[1].port, priority = 1 }, { port = ups[2].port, priority = 0 } } }
    for _ = 1, 4 do
      client:ask("GET / HTTP/1.1\nhost: a")
    end
    assert.equal(2, who())
  end)

  it("goes to a backup when it cannot connect", function()
    local client = start {
      targets = { { port = ups[1].port, priority = 1 }, { port = world.closed_port(), priority = 0 } },
    }
    assert.equal(200, client:ask("GET / HTTP/1.1\nhost: a").status)
    assert.equal(1, who())
  end)

  it("counts what is on its way for least-connections", function()
    local waiting = {}
    ups[1] = world:upstream(function(conn) waiting[#waiting + 1] = conn end)
    start { algorithm = "least-connections", targets = { ups[1], ups[2] } }
    for _ = 1, 40 do
      world:client():write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    end
    world:until_true(function() return #waiting + #ups[2].requests == 40 end)
    for _ = 1, 20 do -- those that are answered make room; those that wait do not
      world:client():ask("GET / HTTP/1.1\nhost: a")
    end
    assert.is_true(#waiting <= 21 and #ups[2].requests >= 39)
    for _, conn in ipairs(waiting) do
      answer(conn)
    end
    world:until_true(function() return world:in_flight() == 0 end)
  end)
end)
