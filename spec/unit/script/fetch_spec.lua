local proxy = require("support.proxy")
local scripts = require("support.scripts")

local function answer(status, headers, body)
  return ("HTTP/1.1 %d X\r\n%scontent-length: %d\r\n\r\n%s"):format(status, headers or "", #body, body)
end

describe("ctx:fetch", function()
  local world

  before_each(function() world = proxy.new() end)
  after_each(function() world:free() end)

  -- Two services: "front" gets the client's requests, whose plugin asks "back" (or what `request` says) and answers.
  local function start(request, on_request, options)
    options = options or {}
    local back = options.back or world:upstream(on_request)
    options.routes = {
      { name = "front", paths = { "/" }, targets = { back } },
      { name = "back", paths = { "/back" }, targets = { back } },
    }
    options.plugin = ([[return { access = function(_, ctx)
      local res, why = ctx:fetch(%s)
      if not res then return ctx.response:exit(502, why) end
      ctx.response:exit(res.status, { ok = res.ok, body = res.body, headers = res.headers, json = res:json() })
    end }]]):format(request)
    world:start(options)
    return back
  end

  local function ask() return world:client():ask("GET / HTTP/1.1\nhost: a\n") end

  it("brings status, headers, body and JSON of a service", function()
    local back = start(
      "{ service = 'back', path = '/x?a=1', query = { b = 2 }, headers = { ['X-A'] = { 1, 2 } } }",
      function(conn) conn:write(answer(203, "x-b: 1\r\nx-b: 2\r\n", '{"v":[]}')) end
    )
    local response = ask()
    assert.equal(203, response.status)
    assert.truthy(response.body:find('"ok":true', 1, true))
    assert.truthy(response.body:find('"x-b":["1","2"]', 1, true))
    assert.truthy(response.body:find('"json":{"v":[]}', 1, true))
    assert.equal("GET /x?a=1&b=2 HTTP/1.1", back.requests[1]:match("^[^\r]*"))
    assert.truthy(back.requests[1]:find("x-a: 1\r\nx-a: 2\r\n", 1, true))
  end)

  it("sends a table as JSON", function()
    local back = start(
      "{ service = 'back', method = 'post', body = { a = 1 } }",
      function(conn) conn:write(answer(200, nil, "{}")) end
    )
    assert.equal(200, ask().status)
    assert.equal("POST / HTTP/1.1", back.requests[1]:match("^[^\r]*"))
    assert.truthy(back.requests[1]:find("content-type: application/json\r\n", 1, true))
    assert.equal('{"a":1}', back.requests[1]:match("\r\n\r\n(.*)$"))
  end)

  it("reads chunked bodies, and those of HEAD not at all", function()
    start(
      "{ service = 'back', method = ctx.request:get_header('x-method') or 'GET' }",
      function(conn, request)
        conn:write(
          "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
            .. (request:find("^HEAD") and "" or "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
        )
      end
    )
    assert.truthy(ask().body:find('"body":"abc"', 1, true))
    local head = world:client():ask("GET / HTTP/1.1\nhost: a\nx-method: HEAD\n")
    assert.truthy(head.body:find('"body":""', 1, true))
  end)

  it("asks an upstream by name", function()
    local back = start("{ upstream = 'back-up' }", function(conn) conn:write(answer(200, nil, "1")) end)
    assert.equal(200, ask().status)
    assert.equal(1, #back.requests)
  end)

  it("says that there is no such service", function()
    start("{ service = 'bck' }", function() end)
    assert.equal('no service named "bck" in the configuration', ask().body)
  end)

  it("says that there is no such upstream", function()
    start("{ upstream = 'bck' }", function() end)
    assert.equal('no upstream named "bck" in the configuration', ask().body)
  end)

  it("refuses addresses outside the configuration", function()
    start("{ url = 'http://169.254.169.254/latest' }", function() end)
    assert.equal(
      "169.254.169.254:80 is outside the configuration (fetch.allow names what else may be asked)",
      ask().body
    )
  end)

  it("asks an address that is allowed", function()
    local back = world:upstream(function(conn) conn:write(answer(200, nil, "2")) end)
    start(
      ("{ url = 'http://127.0.0.1:%d/p?q=1' }"):format(back.port),
      nil,
      { back = back, fetch = { allow = { "127.0.0.1" } } }
    )
    assert.equal(200, ask().status)
    assert.equal("GET /p?q=1 HTTP/1.1", back.requests[1]:match("^[^\r]*"))
    assert.truthy(back.requests[1]:find(("host: 127.0.0.1:%d\r\n"):format(back.port), 1, true))
  end)

  it("gives the reason when nobody answers", function()
    start("{ service = 'back' }", nil, { back = proxy.closed_port() })
    local client = world:client()
    client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert.equal("cannot connect to the upstream", client:late_response().body) -- it pauses between its tries
  end)

  it("gives up after its timeout", function()
    start("{ service = 'back', timeout = 1 }", function() end)
    local client = world:client()
    client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    world:until_true(function() return world:in_flight() == 1 end)
    world:advance(1.1)
    assert.equal("the request took longer than allowed", client:response().body)
  end)

  it("takes no more than limits.buffer", function()
    start(
      "{ service = 'back' }",
      function(conn) conn:write(answer(200, nil, ("x"):rep(2000))) end,
      { limits = { buffer = 1000 } }
    )
    assert.equal("the response is larger than limits.buffer (1000 bytes)", ask().body)
  end)

  it("is cancelled with its request", function()
    local back = start("{ service = 'back' }", function() end)
    local client = world:client()
    client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    world:until_true(function() return #back.requests == 1 end)
    client:close()
    world:until_true(function() return world:active() == 0 end, "the end of the exchange")
  end)

  it("is counted like a call of the route", function()
    start("{ service = 'back' }", function(conn) conn:write(answer(200, nil, "1")) end)
    local client = world:client()
    client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    world:until_true(function() return world:in_flight() == 1 end)
    assert.equal(1, world:scrape()['moongate_upstream_active_requests{service="back"}'])
    assert.equal(200, client:response().status)
    local counted = world:scrape()
    assert.equal(0, counted['moongate_upstream_active_requests{service="back"}'])
    assert.equal(1, counted['moongate_upstream_requests_total{service="back",outcome="ok"}'])
  end)

  it("is counted as cancelled with its request", function()
    local back = start("{ service = 'back' }", function() end)
    local client = world:client()
    client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    world:until_true(function() return #back.requests == 1 end)
    client:close()
    world:until_true(function() return world:active() == 0 end, "the end of the exchange")
    local counted = world:scrape()
    assert.equal(0, counted['moongate_upstream_active_requests{service="back"}'])
    assert.equal(1, counted['moongate_upstream_requests_total{service="back",outcome="cancelled"}'])
  end)

  local MISUSE = {
    ["{}"] = "say one of service, upstream, url",
    ["{ service = 'back', url = 'http://a' }"] = "say one of service, upstream, url",
    ["{ service = 'back', heders = {} }"] = '"heders" means nothing',
    ["{ service = 'back', path = 'x' }"] = 'path must start with "/"',
    ["{ service = 'back', method = 'G T' }"] = "the method is not valid",
    ["{ service = 'back', query = 'a b' }"] = "the query is not valid",
    ["{ service = 'back', headers = { ['x-a'] = 'a\\r\\nb: c' } }"] = "bytes that may not stand there",
    ["{ service = 'back', headers = { ['content-length'] = 1 } }"] = "the core writes framing",
    ["{ service = 'back', timeout = 0 }"] = "timeout must be seconds",
    ["{ url = 'http://u@a/' }"] = 'the host of "http://u@a/" is not valid',
    ["{ url = 'ftp://a/' }"] = "must be http",
  }
  for request, text in pairs(MISUSE) do
    it("calls it misuse: " .. request, function()
      scripts.catch()
      start(request, function() end)
      assert.equal(500, ask().status)
      local log = scripts.caught()
      scripts.release()
      assert.truthy(log:find("ctx:fetch: ", 1, true), log)
      assert.truthy(log:find(text, 1, true), log)
      assert.truthy(log:find("handler.lua:2: ctx:fetch", 1, true), log)
    end)
  end
end)
