local proxy = require("support.proxy")

local OK = "HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s"

describe("hedging", function()
  local world, ups, held

  -- Two targets that hold every request; held[i] are connections in the order they came.
  before_each(function()
    world, ups, held = proxy.new(), {}, {}
    for i = 1, 2 do
      ups[i] = world:upstream(function(conn) held[#held + 1] = { conn = conn, up = i } end)
    end
  end)
  after_each(function() world:free() end)

  local function start(retry, service)
    service = service or {}
    service.hedge_after = 0.5
    world:start { routes = { { name = "r", targets = ups, retry = retry or {}, service = service } } }
  end
  local function ask(bytes)
    local client = world:client()
    client:write(bytes or "GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    world:until_true(function() return #held >= 1 end)
    return client
  end
  local function answer(nth, text) held[nth].conn:write(OK:format(#text, text)) end
  local function after(seconds, wanted)
    world:advance(seconds)
    world:settle(5)
    assert.equal(wanted, #held)
  end

  it("asks another target when the answer is long in coming, and takes the first", function()
    start()
    local client = ask()
    after(0.4, 1)
    after(0.2, 2)
    assert.are_not.equal(held[1].up, held[2].up)
    answer(2, "second")
    assert.equal("second", client:response().body)
    world:until_true(function() return held[1].conn.closed end, "the first one to be cancelled")
    assert.equal(0, world:in_flight())
    assert.equal(1, world:scrape()['moongate_upstream_hedged_requests_total{service="r",outcome="won"}'])
  end)

  it("takes the first target's answer where that comes first", function()
    start()
    local client = ask()
    after(0.6, 2)
    answer(1, "first")
    assert.equal("first", client:response().body)
    world:until_true(function() return held[2].conn.closed end)
    assert.equal(1, world:scrape()['moongate_upstream_hedged_requests_total{service="r",outcome="lost"}'])
    after(5, 2)
  end)

  it("asks nobody else where the answer is there in time", function()
    start()
    local client = ask()
    answer(1, "first")
    assert.equal("first", client:response().body)
    after(5, 1)
  end)

  it("is not for what may not be sent twice, nor for bodies", function()
    start()
    for i, bytes in ipairs {
      "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
      "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx",
    } do
      local client = ask(bytes)
      world:until_true(function() return #held == i end)
      after(5, i)
      answer(i, "ok")
      assert.equal("ok", client:response().body)
    end
  end)

  it("stays in the budget of retries", function()
    start { min = 1, ratio = 0 }
    local first, second = ask(), ask()
    world:until_true(function() return #held == 2 end)
    after(0.6, 3)
    for i = 1, 3 do
      answer(i, "x")
    end
    assert.same({ 200, 200 }, { first:response().status, second:response().status })
  end)

  it("leaves it to the other where one fails", function()
    start({ on = { "connect" }, statuses = { 599 } })
    local client = ask()
    after(0.6, 2)
    held[1].conn:close()
    world:settle(5)
    answer(2, "second")
    assert.equal("second", client:response().body)
  end)

  it("fails where both do, with the last error", function()
    start({ on = { "connect" }, statuses = { 599 } })
    local client = ask()
    after(0.6, 2)
    held[2].conn:close()
    world:settle(5)
    held[1].conn:close()
    assert.equal(502, client:response().status)
  end)

  it("ends both with the client", function()
    start()
    local client = ask()
    after(0.6, 2)
    client:close()
    world:until_true(function() return held[1].conn.closed and held[2].conn.closed end)
    assert.equal(0, world:in_flight())
  end)

  it("sends bodies through where it does not hedge", function()
    start()
    local body = ("b"):rep(200000)
    local client = ask(("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%s"):format(#body, body))
    answer(1, body)
    assert.equal(body, client:response().body)
    assert.equal(body, ups[held[1].up].requests[1]:match("\r\n\r\n(.*)$"))
  end)
end)
