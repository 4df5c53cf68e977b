local h2 = require("support.h2")
local proxy = require("support.proxy")
local scripts = require("support.scripts")

-- How fast stands in a request's headers: x-up and x-down, "rate burst".
local HANDLER = [[
local M = {}
local function numbers(text)
  local rate, burst = text:match("(%d+) (%d+)")
  return tonumber(rate), tonumber(burst)
end
function M.access(_, ctx)
  local up, down = ctx.request:get_header("x-up"), ctx.request:get_header("x-down")
  if up then ctx.request:limit_rate(numbers(up)) end
  if down then ctx.response:limit_rate(numbers(down)) end
  if ctx.request:get_header("x-exit") then return ctx.response:exit(200, ("e"):rep(1000)) end
end
return M
]]

describe("a body that keeps a pace", function()
  local world, up

  before_each(function()
    scripts.catch()
    world = proxy.new()
  end)

  after_each(function()
    world:free()
    scripts.release()
  end)

  local function start(on_request, limits, raw)
    up = world:upstream(on_request, raw)
    world:start {
      routes = { { name = "all", targets = { up }, limits = limits } },
      limits = limits,
      plugin = HANDLER,
    }
  end

  local function reply(size)
    return ("HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s"):format(size, ("x"):rep(size))
  end

  -- How much of the body has come.
  local function body_of(text)
    local _, at = text:find("\r\n\r\n", 1, true)
    return at and #text - at or 0
  end

  local function quiet()
    world:until_true(function() return world:is_quiet() end, "quiet")
  end

  -- Never more than the pace lets pass, nor a piece (256 bytes) less, at any look.
  local function keeps_pace(come, size, rate, burst)
    world:until_true(function() return come() >= math.min(burst, size) - 256 end, "the burst")
    local passed = 0
    while come() < size do
      world:advance(0.1)
      world:settle()
      passed = passed + 0.1
      assert.is_true(come() <= burst + rate * passed + 1e-3, ("%d after %g s"):format(come(), passed))
      assert.is_true(
        come() >= math.min(burst + rate * passed - 256, size),
        ("%d after %g s"):format(come(), passed)
      )
    end
    return passed
  end

  it("goes out at once up to the burst, then at the rate", function()
    start(function(conn) conn:write(reply(5000)) end)
    local client = world:client()
    client:write("GET / HTTP/1.1\r\nhost: a\r\nx-down: 1000 1000\r\n\r\n")
    local took = keeps_pace(function() return body_of(client:text()) end, 5000, 1000, 1000)
    assert.is_true(took > 3.9 and took < 4.2, tostring(took))
    assert.equal(("x"):rep(5000), client:response().body)
    assert.equal(200, client:ask("GET / HTTP/1.1\nhost: a\n").status) -- nobody is slow who said nothing
    quiet()
  end)

  it("goes to the service in the same way, and the client is held meanwhile", function()
    local got = ""
    start(function(conn, piece)
      got = got .. piece
      if body_of(got) == 6000 then conn:write(reply(2)) end
    end, nil, true)
    local client = world:client()
    client:write("POST / HTTP/1.1\r\nhost: a\r\nx-up: 2000 500\r\ncontent-length: 6000\r\n\r\n" .. ("y"):rep(6000))
    local took = keeps_pace(function() return body_of(got) end, 6000, 2000, 500)
    assert.is_true(took > 2.6 and took < 2.9, tostring(took))
    assert.equal(200, client:response().status)
    assert.equal(("y"):rep(6000), got:match("\r\n\r\n(.*)"))
    quiet()
  end)

  it("is that of an answer made here, too", function()
    start(function(conn) conn:write(reply(1)) end)
    local client = world:client()
    client:write("GET / HTTP/1.1\r\nhost: a\r\nx-exit: 1\r\nx-down: 500 0\r\n\r\n")
    keeps_pace(function() return body_of(client:text()) end, 1000, 500, 0)
    quiet()
  end)

  it("holds both ways of a tunnel, each at its own", function()
    local got = ""
    start(function(conn, piece)
      got = got .. piece
      if piece:find("upgrade: x", 1, true) then
        conn:write(
          "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n" .. ("d"):rep(3000)
        )
      end
    end, nil, true)
    local client = world:client()
    client:write(
      "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\nx-up: 1000 0\r\nx-down: 2000 0\r\n\r\n"
    )
    world:until_true(function() return client:text():find("\r\n\r\n", 1, true) end, "the 101")
    client:write(("u"):rep(2000))
    local took = keeps_pace(function() return body_of(client:text()) end, 3000, 2000, 0)
    assert.is_true(took > 1.3 and took < 1.7, tostring(took))
    local sent = body_of(got)
    assert.is_true(sent >= 1000 and sent <= 1700, tostring(sent))
    world:advance(1)
    world:settle()
    assert.equal(2000, body_of(got))
    client:close()
    quiet()
  end)

  it("is a stream's own: the others on its connection of HTTP/2 do not wait", function()
    start(function(conn) conn:write(reply(3000)) end)
    local client = world:client_h2()
    local function get(id, pace)
      client:write(h2.headers(id, {
        { ":method", "GET" },
        { ":scheme", "http" },
        { ":authority", "a" },
        { ":path", "/" },
        { "x-down", pace },
      }, true))
    end
    client:write(h2.hello())
    get(1, "1000 0")
    get(3, "1000000 1000000")
    local function came(id)
      local sum = 0
      for bytes in h2.describe(client:text(), id):gmatch("data (%d+)") do
        sum = sum + bytes
      end
      return sum
    end
    world:until_true(function() return came(3) == 3000 end, "the fast one")
    local took = keeps_pace(function() return came(1) end, 3000, 1000, 0)
    assert.is_true(took > 2.9 and took < 3.2, tostring(took))
    quiet()
  end)

  it("is no reason to call anybody slow, however slow it is", function()
    local got = ""
    start(function(conn, piece)
      got = got .. piece
      if body_of(got) == 3000 then conn:write(reply(3000)) end
    end, { body_min_rate = 1000, total_timeout_us = 0 }, true)
    local client = world:client()
    client:write(
      "POST / HTTP/1.1\r\nhost: a\r\nx-up: 50 0\r\nx-down: 50 0\r\ncontent-length: 3000\r\n\r\n" .. ("y"):rep(3000)
    )
    for _ = 1, 130 do
      world:advance(1)
      world:settle()
    end
    assert.equal(3000, body_of(got))
    assert.equal(200, client:response().status)
    quiet()
  end)

  it("leaves nothing behind when either side goes away while it waits", function()
    local service
    start(function(conn)
      service = conn
      conn:write(reply(50000):sub(1, 20000))
    end)
    for _, who in ipairs { "client", "service" } do
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\nx-down: 100 1000\r\n\r\n")
      world:until_true(function() return body_of(client:text()) > 0 end, "a beginning")
      if who == "client" then
        client:close()
      else
        service:close()
        world:advance(300)
        client:wait_end()
      end
      quiet()
    end
  end)
end)
