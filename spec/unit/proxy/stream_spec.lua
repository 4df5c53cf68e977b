local c = require("support.c")
local proxy = require("support.proxy")
local scripts = require("support.scripts")

-- What a request wants stands in its headers: x-at (the hook that answers) and x-want.
local HANDLER = [[
local M = {}

local WANTS = {}

function WANTS.words(ctx, send)
  for word in ("one two three"):gmatch("%a+") do send(word .. " ") end
end

function WANTS.nothing() end

function WANTS.slowly(ctx, send)
  for i = 1, 3 do
    ctx:sleep(2)
    assert(send(i .. ";") == true)
  end
end

function WANTS.fail(ctx, send)
  send("begun ")
  error("broken")
end

WANTS["fail at once"] = function() error("broken") end

WANTS["fail slowly"] = function(ctx, send)
  send("begun ")
  ctx:sleep(2)
  error("broken")
end

function WANTS.number(ctx, send) send(42) end

function WANTS.exit(ctx, send)
  send("begun ")
  ctx.response:exit(200)
end

WANTS["own body"] = function(ctx, send)
  send(tostring(select(2, pcall(ctx.response.get_raw_body, ctx.response))))
end

function WANTS.much(ctx, send)
  for i = 1, 400 do
    send(("x"):rep(10000))
    ctx.log:notice("sent ", i)
  end
end

function WANTS.large(ctx, send)
  send(("x"):rep(3000000))
  ctx.log:notice("sent all")
end

function WANTS.tiny(ctx, send)
  for _ = 1, 100000 do send("x") end
end

function WANTS.empty(ctx, send)
  for _ = 1, 10 do send("") end
  send("x")
end

function WANTS.kept(ctx, send)
  ctx.shared.send = send
  send("x")
end

function WANTS.coroutines(ctx, send)
  local make = coroutine.wrap(function()
    for i = 1, 3 do
      ctx:sleep(1)
      send("in ")
      coroutine.yield("out ")
    end
  end)
  for _ = 1, 3 do send(make()) end
end

function WANTS.plugin(ctx, send)
  ctx.plugin.x = "mine"
  send(ctx.plugin.x .. " " .. ctx.request:get_header("x-want") .. " " .. ctx.response:get_status())
end

local function answer(ctx, at)
  if ctx.request:get_header("x-at") ~= at then return end
  local want = ctx.request:get_header("x-want")
  return ctx.response:stream(201, { ["content-type"] = "text/x" }, function(send) return WANTS[want](ctx, send) end)
end

function M.access(_, ctx) return answer(ctx, "access") end

function M.response(_, ctx)
  answer(ctx, "response")
  local want = ctx.request:get_header("x-response")
  if want == "read" then
    local body, why = ctx.response:get_raw_body()
    ctx.response:set_header("x-body", body or why)
  elseif want == "exit" then
    ctx.response:exit(418, "tea")
  elseif want == "replace" then
    ctx.response:set_raw_body("other")
  elseif want == "status" then
    ctx.response:set_status(202)
    ctx.response:set_header("x-set", "1")
  end
end

function M.body(_, ctx, chunk, last)
  if ctx.request:get_header("x-body") then return last and "!" or chunk:upper() end
end

function M.log(_, ctx)
  if ctx.shared.send then
    local ok, why = ctx.shared.send("late")
    ctx.log:notice("kept send: ", tostring(ok), " ", why)
  end
end

return M
]]

describe("ctx.response:stream", function()
  local world, up

  before_each(function()
    scripts.catch()
    world = proxy.new()
    up = world:upstream(function(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nplain") end)
  end)

  after_each(function()
    world:free()
    scripts.release()
  end)

  local function start(limits, handler)
    world:start {
      routes = { { name = "all", targets = { up }, limits = limits } },
      limits = limits,
      plugin = handler or HANDLER,
    }
  end

  local function wait_quiet()
    world:until_true(function() return world:is_quiet() end, "quiet")
  end

  local function get(want, more)
    return world:client():ask("GET / HTTP/1.1\nhost: a\nx-at: access\nx-want: " .. want .. (more or ""))
  end

  local function ask(want, more)
    local client = world:client()
    client:write(("GET / HTTP/1.1\r\nhost: a\r\nx-at: access\r\nx-want: %s%s\r\n\r\n"):format(want, more or ""))
    return client
  end

  it("answers with what the function sends", function()
    start()
    local response = get("words")
    assert.same(
      { 201, "one two three ", "text/x" },
      { response.status, response.body, response.headers["content-type"] }
    )
    assert.equal("chunked", response.headers["transfer-encoding"])
    assert.equal(0, #up.conns)
    wait_quiet()
    assert.equal(201, world.access().statusCode)
  end)

  it("answers in the service's place in response too", function()
    start()
    local response = world:client():ask("GET / HTTP/1.1\nhost: a\nx-at: response\nx-want: words")
    assert.same({ 201, "one two three " }, { response.status, response.body })
    assert.equal(1, #up.conns)
  end)

  it("leaves the connection to the next request", function()
    start()
    local client = world:client()
    for _ = 1, 3 do
      assert.equal("one two three ", client:ask("GET / HTTP/1.1\nhost: a\nx-at: access\nx-want: words").body)
    end
  end)

  it("may send nothing at all", function()
    start()
    assert.equal("", get("nothing").body)
    assert.equal("x", get("empty").body)
  end)

  it("sends what it has while the function waits", function()
    start()
    local client = ask("slowly")
    for i = 1, 3 do
      world:settle()
      world:advance(2.1)
      assert.truthy(client:text():find(i .. ";", 1, true))
    end
    assert.equal("1;2;3;", client:response().body)
  end)

  it("may wait inside coroutines of the plugin", function()
    start()
    local client = ask("coroutines")
    for _ = 1, 4 do
      world:settle()
      world:advance(1.1)
    end
    assert.equal("in out in out in out ", client:response().body)
  end)

  it("knows plugin, request and response", function()
    start()
    assert.equal("mine plugin 201", get("plugin").body)
  end)

  it("has no body to read", function()
    start()
    assert.equal(
      "ctx.response:get_raw_body cannot be called in the function of ctx.response:stream",
      get("own body").body
    )
  end)

  it("joins small pieces", function()
    start()
    local client = ask("tiny")
    local response = client:response()
    assert.equal(("x"):rep(100000), response.body)
    assert.is_true(#client.conn:text() < 101000)
  end)

  it("takes a piece of any size", function()
    start()
    assert.equal(3000000, #get("large").body)
  end)

  it("waits while the client does not read", function()
    start()
    local client = ask("much")
    client.conn:hold(true)
    world:settle(200)
    local sent = 0
    for i in scripts.caught():gmatch("sent (%d+)") do
      sent = tonumber(i)
    end
    assert.is_true(sent < 100, "sent " .. sent)
    client.conn:hold(false)
    assert.equal(4000000, #client:response().body)
  end)

  it("does not run for HEAD", function()
    start()
    local response = world:client():ask("HEAD / HTTP/1.1\nhost: a\nx-at: access\nx-want: fail")
    assert.equal(201, response.status)
    response = world:client():ask("HEAD / HTTP/1.1\nhost: a\nx-at: response\nx-want: fail")
    assert.equal(201, response.status)
    wait_quiet()
    assert.is_nil(scripts.caught():find("broken", 1, true))
  end)

  it("ends with the connection for HTTP/1.0", function()
    start()
    local client = world:client()
    client:write("GET / HTTP/1.0\r\nhost: a\r\nx-at: access\r\nx-want: words\r\n\r\n")
    client:wait_end()
    assert.equal("one two three ", client:text():match("\r\n\r\n(.*)$"))
  end)

  it("goes through body hooks", function()
    start()
    assert.equal("ONE TWO THREE !", get("words", "\nx-body: 1").body)
    local response = world:client():ask("GET / HTTP/1.1\nhost: a\nx-at: response\nx-want: words\nx-body: 1")
    assert.equal("ONE TWO THREE !", response.body)
  end)

  it("is seen by response hooks", function()
    start()
    local response = get("words", "\nx-response: read")
    assert.same({ "one two three ", "one two three " }, { response.headers["x-body"], response.body })
    response = get("words", "\nx-response: status")
    assert.same({ 202, "1", "one two three " }, { response.status, response.headers["x-set"], response.body })
    assert.equal("tea", get("fail", "\nx-response: exit").body)
    assert.equal("other", get("fail", "\nx-response: replace").body)
  end)

  it("made in response cannot be read there, but replaced", function()
    start()
    local function at_response(want, what)
      return world
        :client()
        :ask(("GET / HTTP/1.1\nhost: a\nx-at: response\nx-want: %s\nx-response: %s"):format(want, what))
    end
    local response = at_response("words", "read")
    assert.same(
      { "the body is made while it is sent", "one two three " },
      { response.headers["x-body"], response.body }
    )
    assert.equal("tea", at_response("fail", "exit").body)
    assert.equal("other", at_response("fail", "replace").body)
    assert.equal(202, at_response("words", "status").status)
  end)

  for _, want in ipairs { "fail", "fail at once", "fail slowly", "number", "exit" } do
    it(("cuts the response visibly when the function does: %s"):format(want), function()
      start()
      local client = ask(want)
      world:settle()
      world:advance(2.1)
      client:wait_end()
      assert.is_nil(client:text():find("0\r\n\r\n", 1, true))
      wait_quiet()
      assert.equal("plugin", world.access().error)
      assert.truthy(scripts.caught():find("plugin tried, stream, route all, request", 1, true))
    end)
  end

  it("says what is wrong with a chunk or a function", function()
    start(nil, HANDLER:gsub("function%(send%).-end%)\nend", "42)\nend", 1))
    assert.equal(500, get("words").status)
    assert.truthy(scripts.caught():find("must be made by a function, not a number", 1, true))
  end)

  it("answers 502 where response hooks read what fails", function()
    start()
    local response = get("fail", "\nx-response: read")
    assert.truthy(response.status >= 500)
    wait_quiet()
  end)

  it("takes nothing any more when it is over", function()
    start()
    assert.equal("x", get("kept").body)
    wait_quiet()
    assert.truthy(scripts.caught():find("kept send: nil closed", 1, true))
  end)

  describe("ends", function()
    for _, want in ipairs { "slowly", "much" } do
      it("when the client goes away: " .. want, function()
        start()
        local client = ask(want)
        client.conn:hold(true)
        world:settle()
        client:close()
        wait_quiet()
        assert.equal("client_gone", world.access().error)
      end)
    end

    it("when the client goes away before it began", function()
      start()
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\nx-at: access\r\nx-want: fail\r\n\r\n")
      client:close()
      wait_quiet()
    end)

    it("when the client does not read for too long", function()
      start()
      local client = ask("much")
      client.conn:hold(true)
      world:settle()
      world:advance(11) -- body_min_rate, judged every 10 s
      wait_quiet()
      assert.equal("write_slow", world.access().error)
    end)

    it("with the total time of the request", function()
      start { total_timeout = 1 }
      local client = ask("slowly")
      world:settle()
      world:advance(1.1)
      client:wait_end()
      wait_quiet()
      assert.equal("total_timeout", world.access().error)
    end)

    it("when the worker stops", function()
      start()
      ask("slowly")
      world:settle()
      c.gw_proxy_abort(world.proxy, c.GW_E_SHUTDOWN)
      wait_quiet()
    end)
  end)

  it("reads nothing of the request's body", function()
    start()
    local client = world:client()
    client:write("POST / HTTP/1.1\r\nhost: a\r\nx-at: access\r\nx-want: words\r\ncontent-length: 5\r\n\r\nhello")
    assert.equal("one two three ", client:response().body)
    client:write("GET / HTTP/1.1\r\nhost: a\r\nx-at: access\r\nx-want: words\r\n\r\n")
    assert.equal("one two three ", client:response().body)
  end)
end)
