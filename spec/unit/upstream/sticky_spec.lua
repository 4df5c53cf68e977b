--- Sessions that stay at their target: who stays, who is sent elsewhere, and what the cookie is.
local proxy = require("support.proxy")

local KEY = "a key of more than sixteen bytes"

describe("sticky sessions", function()
  local world, ups

  local function upstream(name)
    local up
    up = world:upstream(function(conn)
      if up.broken then return conn:close() end
      conn:write(("HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s"):format(#name, name))
    end)
    return up
  end

  local function route(given)
    given = given or {}
    return {
      routes = {
        {
          name = "a",
          targets = given.targets or { ups[1], ups[2], ups[3] },
          retry = {},
          sticky = { cookie = "at", attributes = "; Path=/; HttpOnly", key = given.key or KEY },
        },
      },
    }
  end

  before_each(function()
    world = proxy.new()
    ups = { upstream("one"), upstream("two"), upstream("three") }
  end)
  after_each(function() world:free() end)

  local function ask(client, cookie)
    local response = client:ask("GET / HTTP/1.1\nhost: x" .. (cookie and "\ncookie: " .. cookie or ""))
    local given = response.headers["set-cookie"]
    return response.body, given and given:match("^(at=[^;]*); Path=/; HttpOnly$"), response
  end

  it("are given a cookie by the first answer, and stay", function()
    world:start(route())
    local client, seen = world:client(), {}
    for _ = 1, 3 do
      local first, cookie = ask(client)
      seen[first] = cookie
      for _ = 1, 5 do
        local body, again = ask(world:client(), "x=y; " .. cookie .. "; z=1")
        assert.equal(first, body)
        assert.is_nil(again) -- it knows
      end
    end
    assert.is_true(seen.one and seen.two and seen.three and true)
    assert.not_equal(seen.one, seen.two)
  end)

  it("stay over reloads that keep their target, and move when it is gone", function()
    world:start(route())
    local client = world:client()
    local first, cookie
    repeat
      first, cookie = ask(client)
    until first == "two"
    world:use(world:configure(route { targets = { ups[2], ups[3] } }))
    assert.equal("two", (ask(client, cookie)))
    world:use(world:configure(route { targets = { ups[1], ups[3] } }))
    local moved, next_cookie = ask(client, cookie)
    assert.not_equal("two", moved)
    assert.not_equal(cookie, next_cookie)
    assert.equal(moved, (ask(client, next_cookie)))
  end)

  it("move for good when their target fails", function()
    world:start(route())
    local client = world:client()
    local first, cookie
    repeat
      first, cookie = ask(client)
    until first == "one"
    ups[1].broken = true
    local body, next_cookie = ask(client, cookie)
    assert.is_true(body == "two" or body == "three", body)
    assert.is_truthy(next_cookie)
    ups[1].broken = false
    assert.equal(body, (ask(client, next_cookie)))
  end)

  it("are not believed of a cookie that was not given", function()
    world:start(route())
    local client = world:client()
    local _, cookie = ask(client)
    local value = cookie:sub(4)
    assert.equal(24, #value)
    assert.is_nil(value:find("[^%w_-]"))
    for _, wrong in ipairs {
      "",
      "x",
      value:sub(1, 23),
      value .. "A",
      value:gsub("^.", function(char) return char == "A" and "B" or "A" end),
      ("A"):rep(24),
      "127.0.0.1:" .. ups[1].port,
    } do
      local _, given = ask(client, "at=" .. wrong)
      assert.is_truthy(given, wrong)
    end
  end)

  it("depend on the key, and on nothing that is seen", function()
    world:start(route())
    local client, cookies = world:client(), {}
    for _ = 1, 3 do
      local body, cookie = ask(client)
      cookies[body] = cookie
    end
    world:use(world:configure(route { key = "another key of sixteen bytes" }))
    for _, cookie in pairs(cookies) do
      local _, given = ask(client, cookie)
      assert.is_truthy(given)
      for _, old in pairs(cookies) do
        assert.not_equal(old, given)
      end
    end
    world:use(world:configure(route()))
    for body, cookie in pairs(cookies) do
      assert.equal(body, (ask(client, cookie)))
    end
  end)

  it("have a key of the process where none is written, which reloads keep", function()
    world:start(route { key = "" })
    local client = world:client()
    local first, cookie = ask(client)
    world:use(world:configure(route { key = "" }))
    for _ = 1, 5 do
      local body, given = ask(client, cookie)
      assert.same({ first }, { body, given })
    end
  end)

  it("are spread by weight while they begin, and not counted against those that stay", function()
    world:start(route { targets = { { port = ups[1].port, weight = 3 }, { port = ups[2].port, weight = 1 } } })
    local client, count = world:client(), { one = 0, two = 0 }
    for _ = 1, 40 do
      local body = ask(client)
      count[body] = count[body] + 1
    end
    assert.same({ one = 30, two = 10 }, count)
  end)

  it("leave other upstreams alone", function()
    local config = route()
    config.routes[1].sticky = nil
    world:start(config)
    local _, given = ask(world:client(), "at=" .. ("A"):rep(24))
    assert.is_nil(given)
  end)
end)
