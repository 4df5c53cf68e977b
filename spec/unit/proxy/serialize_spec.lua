-- What ctx.log:serialize() says of requests that really went through.
local json = require("cjson")
local proxy = require("support.proxy")
local scripts = require("support.scripts")

local HANDLER = [[
local json = require("moongate.json")
local M = {}

function M.access(_, ctx)
  if ctx.request:get_header("x-who") then ctx.client:authenticate(nil, { id = "key-1" }) end
  if ctx.request:get_header("x-exit") then return ctx.response:exit(403, "no") end
  ctx.log:set_serialize_value("request.headers.x-secret", "hidden", { mode = "replace" })
  ctx.log:set_serialize_value("team.name", "blue")
  ctx.log:set_serialize_value("team.name", "red", { mode = "add" })
  ctx.log:set_serialize_value("route", nil)
  ctx.log:set_serialize_value("request.method.x", "lost")
  ctx.service.request:clear_query_arg("apikey")
end

function M.log(_, ctx)
  local first = json.encode(ctx.log:serialize())
  ctx.log:serialize().service.name = "another"
  assert(json.encode(ctx.log:serialize()) == first, "what a plugin did to one table shows in the next")
  ctx.log:notice("SERIALIZED ", first)
end

return M
]]

describe("ctx.log:serialize", function()
  local world

  before_each(function()
    world = proxy.new()
    scripts.catch()
  end)
  after_each(function()
    world:free()
    scripts.release()
  end)

  local function start(targets, service)
    world:start { routes = { { name = "all", targets = targets, service = service } }, plugin = HANDLER }
  end

  local function serialized(head, body)
    local response = world:client():ask(head, body)
    world:until_true(function() return world:is_quiet() end, "quiet")
    return json.decode((scripts.caught():match("SERIALIZED ([^\n]*)"))), response
  end

  it("tells request, response, service and times in Kong's shape", function()
    local up = world:upstream(function(conn)
      world.loop:settle(1)
      conn:write("HTTP/1.1 201 Created\r\ncontent-length: 5\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\r\nhello")
    end)
    start({ up }, { path = "/base" })
    local said = serialized(
      "POST /a%20b?x=1&apikey=k&y HTTP/1.1\nhost: Example.com:8000\nauthorization: Basic eDp5\n"
        .. "cookie: session=1\nx-secret: s\nx-who: me",
      "four"
    )
    assert.same({
      id = said.request.id,
      method = "POST",
      uri = "/a%20b?x=1&y",
      querystring = { x = "1", y = true },
      size = 4,
      url = said.request.url,
      headers = {
        host = "example.com:8000",
        authorization = "REDACTED",
        cookie = "REDACTED",
        ["x-secret"] = "hidden",
        ["content-length"] = "4",
        ["x-who"] = "me",
      },
    }, said.request)
    assert.truthy(said.request.url:match("^http://example%.com:%d+/a%%20b%?x=1&y$"))
    assert.same({ 201, 5, "REDACTED" }, {
      said.response.status,
      said.response.size,
      said.response.headers["set-cookie"],
    })
    assert.equal("/base/a%20b?x=1&y", said.upstream_uri)
    assert.equal("201", said.upstream_status)
    assert.same(
      { { ip = "127.0.0.1", port = up.port, balancer_start = said.tries[1].balancer_start } },
      said.tries
    )
    assert.equal("all", said.service.name)
    assert.is_nil(said.route)
    assert.same({ name = "blue" }, said.team)
    assert.same({ id = "key-1" }, said.authenticated_entity)
    assert.equal("upstream", said.source)
    assert.equal(1767225600000, math.floor(said.started_at / 60000) * 60000)
    for _, name in ipairs { "kong", "proxy", "request", "receive" } do
      assert.is_true(said.latencies[name] >= 0, name)
    end
  end)

  it("tells an answer of our own", function()
    start { world:upstream(function() end) }
    local said = serialized("GET / HTTP/1.1\nhost: a\nx-exit: 1")
    assert.same({ 403, "kong", "", "", -1 }, {
      said.response.status,
      said.source,
      said.upstream_uri,
      said.upstream_status,
      said.latencies.proxy,
    })
    assert.same({}, said.tries)
    assert.truthy(scripts.caught():find('"tries":[]', 1, true))
    assert.equal("all", said.route.service.name)
    assert.is_nil(said.route.plan)
  end)

  it("tells every try, in their order", function()
    local up = world:upstream(function(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") end)
    local closed = world.closed_port()
    start { closed, up }
    local said
    for _ = 1, 3 do -- one of the first two goes to the closed port first
      scripts.catch()
      said = serialized("GET / HTTP/1.1\nhost: a")
      if #said.tries == 2 then break end
    end
    assert.same({ closed, "failed", "connect", up.port }, {
      said.tries[1].port,
      said.tries[1].state,
      said.tries[1].reason,
      said.tries[2].port,
    })
    assert.is_nil(said.tries[2].state)
  end)

  it("tells of a service that is not there", function()
    start({ world.closed_port(), world.closed_port() }, { retries = 1 })
    local said = serialized("GET / HTTP/1.1\nhost: a")
    assert.same({ 502, "kong", 2, "connect" }, {
      said.response.status,
      said.source,
      #said.tries,
      said.tries[2].reason,
    })
  end)

  it("tells the error's status when nothing was sent", function()
    start { world:upstream(function() end) }
    local client = world:client()
    client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    world:settle()
    client:close()
    world:until_true(function() return world:is_quiet() end, "quiet")
    local said = json.decode((scripts.caught():match("SERIALIZED ([^\n]*)")))
    assert.equal(499, said.response.status)
  end)
end)
