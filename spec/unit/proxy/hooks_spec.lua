local c = require("support.c")
local proxy = require("support.proxy")

local OK = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nplain"

-- What a request wants to happen stands in its headers.
local HANDLER = [[
local M = {}

function M.access(_, ctx)
  local want = ctx.request:get_header("x-access")
  ctx.response:set_header("x-seen", "access")
  if want == "sleep" then
    ctx:sleep(2)
  elseif want == "exit" then
    return ctx.response:exit(403, "no")
  elseif want == "fail" then
    error("broken")
  elseif want == "body" then
    local body, why = ctx.request:get_raw_body(10)
    ctx.service.request:set_header("x-body", body or why)
  end
end

function M.response(_, ctx)
  local want = ctx.request:get_header("x-response")
  if want == "sleep" then
    ctx:sleep(2)
  elseif want == "exit" then
    return ctx.response:exit(418, "tea")
  elseif want == "body" then
    local body, why = ctx.response:get_raw_body()
    ctx.response:set_header("x-body", body or why)
  elseif want == "both" then
    if ctx.request:get_header("x-read") == "before" then ctx.service.response:get_raw_body() end
    ctx.response:set_raw_body("new")
    ctx.response:set_header("x-body", ctx.service.response:get_raw_body())
    assert(ctx.response:get_raw_body() == "new")
  elseif want == "replace" then
    ctx.response:set_raw_body("<" .. ctx.response:get_raw_body() .. ">")
  end
end

function M.log(_, ctx)
  if ctx.request:get_header("x-log") then ctx:sleep(2) end
end

return M
]]

describe("hooks on the request's way", function()
  local world

  before_each(function() world = proxy.new() end)
  after_each(function() world:free() end)

  local function start(on_request, limits)
    local up = world:upstream(on_request or function(conn) conn:write(OK) end)
    world:start {
      routes = { { name = "all", targets = { up }, limits = limits } },
      limits = limits,
      plugin = HANDLER,
    }
    return up
  end

  local function wait_quiet()
    world:until_true(function() return world:is_quiet() end, "quiet")
  end

  local function get(headers, body)
    return world:client():ask((body and "POST" or "GET") .. " / HTTP/1.1\nhost: a\n" .. headers, body)
  end

  -- Sends a request and turns until it stands where `pattern` says.
  local function send_until(pattern, headers)
    local ffi = require("ffi")
    local client = world:client()
    client:write("GET / HTTP/1.1\r\nhost: a\r\n" .. headers .. "\r\n\r\n")
    world:until_true(function()
      local out = ffi.new("struct gw_buf")
      c.gw_buf_init(out, 1e5)
      c.gw_proxy_describe(world.proxy, out)
      local text = out.len > 0 and ffi.string(out.data, out.len) or ""
      c.gw_buf_deinit(out)
      return text:find(pattern)
    end, pattern)
    return client
  end

  it("may wait in access and in response", function()
    start()
    local client = send_until("at access .* hook waits", "x-access: sleep\r\nx-response: sleep")
    world:advance(2.1)
    world:until_true(function() return world:active() == 1 end)
    world:settle()
    assert.equal("", client:text())
    world:advance(2.1)
    assert.equal("plain", client:response().body)
  end)

  it("read the request's body, which goes on to the service", function()
    local up = start()
    assert.equal(200, get("x-access: body", "hello").status)
    assert.truthy(up.requests[1]:find("\r\nx-body: hello\r\n", 1, true))
    assert.equal("hello", up.requests[1]:match("\r\n\r\n(.*)$"))
  end)

  it("may find a body too large, which goes on to the service all the same", function()
    local up = start()
    local client = world:client()
    client:write(
      "POST / HTTP/1.1\r\nhost: a\r\nx-access: body\r\ntransfer-encoding: chunked\r\n\r\n6\r\nabcdef\r\n"
    )
    world:settle()
    client:write("6\r\nghijkl\r\n")
    world:settle()
    client:write("3\r\nmno\r\n0\r\n\r\n")
    assert.equal(200, client:response().status)
    assert.truthy(up.requests[1]:find("\r\nx-body: too large\r\n", 1, true))
    local body = up.requests[1]:match("\r\n\r\n(.*)$"):gsub("%x+\r\n(%l*)\r\n", "%1"):gsub("\r\n", "")
    assert.equal("abcdefghijklmno", body)
  end)

  it("ask for the body of a client that waits to be asked", function()
    local up = start()
    local client = world:client()
    client:write(
      "POST / HTTP/1.1\r\nhost: a\r\nx-access: body\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n"
    )
    assert.equal(100, client:response().status)
    client:write("hello")
    assert.equal(200, client:response().status)
    assert.is_nil(up.requests[1]:lower():find("expect:", 1, true))
  end)

  it("answer instead of the service, and see the answer in response", function()
    local up = start()
    local response = get("x-access: exit\nx-response: replace")
    assert.equal(403, response.status)
    assert.equal("<no>", response.body)
    assert.equal("access", response.headers["x-seen"])
    assert.equal(0, #up.conns)
  end)

  it("are a 500 when they fail", function()
    start()
    require("support.scripts").catch()
    assert.equal(500, get("x-access: fail").status)
    wait_quiet()
    assert.equal("plugin", world.access().error)
    c.gw_log_catch(false)
  end)

  it("read, replace and throw away the response", function()
    start()
    local response = get("x-response: body")
    assert.same({ "plain", "plain" }, { response.headers["x-body"], response.body })
    assert.equal("<plain>", get("x-response: replace").body)
    response = get("x-response: exit")
    assert.same({ 418, "tea" }, { response.status, response.body })
    assert.equal("access", response.headers["x-seen"])
  end)

  it("see what the service sent also after they replaced it", function()
    start()
    for _, when in ipairs { "before", "after" } do
      local response = get("x-response: both\nx-read: " .. when)
      assert.same({ "plain", "new" }, { response.headers["x-body"], response.body })
      assert.equal("3", response.headers["content-length"])
    end
  end)

  it("give a 502 when the response is cut before it was sent", function()
    start(function(conn)
      conn:write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
      conn:close_gently(1)
    end)
    local response = get("x-response: body")
    assert.equal(502, response.status)
    assert.equal("access", response.headers["x-seen"])
  end)

  it("see a problem when the service fails, with what earlier hooks wanted of the response", function()
    start(function(conn) conn:close() end)
    local response = get("x-response: body")
    assert.equal(502, response.status)
    assert.equal("access", response.headers["x-seen"])
    assert.truthy(response.headers["x-body"]:find('"reason":"reset"'))
  end)

  it("end with the total time of the request", function()
    start(nil, { total_timeout = 1 })
    local client = send_until("hook waits", "x-access: sleep")
    world:advance(1.1)
    assert.equal(504, client:response().status)
  end)

  it("leave the client's connection free while log still runs", function()
    start()
    local client = world:client()
    assert.equal("plain", client:ask("GET / HTTP/1.1\nhost: a\nx-log: 1").body)
    assert.equal("plain", client:ask("GET / HTTP/1.1\nhost: a").body)
    assert.equal(1, world:active())
    world:advance(2.1)
    wait_quiet()
  end)

  describe("end when the client goes away", function()
    for _, at in ipairs { "access", "response" } do
      it("in " .. at, function()
        start()
        local client = send_until("at " .. at .. " .* hook waits", ("x-%s: sleep"):format(at))
        client:close()
        wait_quiet()
        assert.equal(499, world.access().statusCode)
      end)
    end

    it("but not those of log", function()
      start()
      local client = send_until("at log .* hook waits", "x-log: 1")
      client:close()
      world:settle()
      assert.equal(1, world:active())
      world:advance(2.1)
      wait_quiet()
    end)
  end)

  it("end when the worker stops, those of log too", function()
    start()
    send_until("at access", "x-access: sleep")
    send_until("at log", "x-log: 1")
    c.gw_proxy_abort(world.proxy, c.GW_E_SHUTDOWN)
    wait_quiet()
  end)

  it("stay those of their generation", function()
    local up = start()
    local client = send_until("hook waits", "x-access: sleep")
    world:use(world:configure { routes = { { name = "all", targets = { up } } } })
    assert.is_nil(get("x-access: exit").headers["x-seen"])
    world:advance(2.1)
    assert.equal("access", client:response().headers["x-seen"])
  end)
end)
