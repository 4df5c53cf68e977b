--- What becomes of a request whose plugin misbehaves, in each hook; and that nobody else feels it.
local c = require("support.c")
local proxy = require("support.proxy")
local scripts = require("support.scripts")

-- The request says in x-at where, and in x-do what. `stream` is the function of ctx.response:stream, `after` that of
-- ctx:after, `race` a function that races in access, `produce` the function of a body that access sends.
local HANDLER = [[
local M, kept = {}, {}

local DO = {
  throw = function() error("broken") end,
  throw_late = function(ctx) ctx:sleep(1) error("broken") end,
  yield = function() coroutine.yield(1) end,
  exit = function(ctx) ctx.response:exit(418, "one") end,
  exit_twice = function(ctx) ctx.response:exit(418, "one") ctx.response:exit(419, "two") end,
  recurse = function() local function f() return 1 + f() end return f() end,
  sleep = function(ctx) ctx:sleep(100) end,
  fetch = function(ctx) ctx:fetch { service = "slow" } end,
  fetch_all = function(ctx) ctx:fetch_all { { service = "slow" }, { service = "slow" }, { service = "begins" } } end,
  race = function(ctx)
    ctx:race({ service = "slow" }, function() ctx:fetch { service = "slow" } end,
      function() ctx:race(function() ctx:sleep(100) end) end)
  end,
  open = function(ctx) ctx:fetch { service = "slow", stream = true } end,
  read = function(ctx)
    local res = ctx:fetch { service = "begins", stream = true }
    while res:read() do end
  end,
  produce = function(ctx) ctx:fetch { service = "slow", method = "PUT", body = function() ctx:sleep(100) end } end,
  pour = function(ctx) ctx:fetch { service = "slow", method = "PUT", body = function() return ("x"):rep(1e6) end } end,
  coroutine = function(ctx) coroutine.wrap(function() ctx:fetch { service = "slow" } end)() end,
  iterator = function(ctx)
    for _ in function() return pcall(ctx.fetch, ctx, { service = "slow" }) end do break end
  end,
  keep = function(ctx) kept[1], kept[2] = ctx, ctx.request end,
}

local function act(at, ctx)
  if ctx.request:get_header("x-at") ~= at then return end
  ctx.log:notice("at ", at)
  DO[ctx.request:get_header("x-do")](ctx)
end

function M.rewrite(_, ctx)
  if ctx.request:get_header("x-use") then
    local fine, why = pcall(function() return kept[1].request:get_header("x-secret") end)
    ctx.log:notice("ctx ", fine, " ", why)
    fine, why = pcall(function() return kept[2]:get_header("x-secret") end)
    ctx.log:notice("request ", fine, " ", why)
  end
  act("rewrite", ctx)
end

function M.access(_, ctx)
  act("access", ctx)
  local at = ctx.request:get_header("x-at")
  if at == "stream" then
    ctx.response:stream(200, nil, function(send) send("begun") ctx:sleep(0) act("stream", ctx) end)
  elseif at == "after" then
    ctx:after(function() act("after", ctx) end)
  elseif at == "race" then
    ctx:race(function() act("race", ctx) end)
  end
end

function M.request_body(_, ctx) act("request_body", ctx) end
function M.response(_, ctx) act("response", ctx) end
function M.body(_, ctx, _, last) if not last then act("body", ctx) end end
function M.log(_, ctx) ctx.log:notice("log hook of ", ctx.request:get_header("x-at")) act("log", ctx) end
return M]]

local HOOKS = { "rewrite", "access", "request_body", "response", "body", "log", "stream", "after", "race" }
local BEFORE = { rewrite = true, access = true, request_body = true, response = true, race = true }
local BEHIND = { log = true, after = true }

describe("a plugin that", function()
  local world, other

  before_each(function()
    scripts.catch()
    world = proxy.new()
    local up = world:upstream(function(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi") end)
    local slow = world:upstream(function() end, true)
    slow.on_conn = function(conn) conn:hold(true) end
    local begins = world:upstream(function(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx") end)
    world:start {
      routes = {
        { name = "front", paths = { "/" }, targets = { up } },
        { name = "slow", paths = { "/slow" }, targets = { slow } },
        { name = "begins", paths = { "/begins" }, targets = { begins } },
      },
      plugin = HANDLER,
      limits = { total_timeout = 5 },
    }
    other = world:client()
  end)

  -- Everybody else is served, and everything that counts is at zero.
  after_each(function()
    assert.equal("hi", other:ask("GET / HTTP/1.1\nhost: a").body)
    world:until_true(function() return world:is_quiet() end, "the last request to end")
    for name, value in pairs(world:scrape()) do
      if name:find("active") then assert.equal(0, value, name) end
    end
    world:free()
    scripts.release()
  end)

  local function send(hook, what)
    local client = world:client()
    client:write(
      ("%s / HTTP/1.1\r\nhost: a\r\nx-at: %s\r\nx-do: %s\r\nx-secret: 1\r\n%s"):format(
        hook == "request_body" and "POST" or "GET",
        hook,
        what,
        hook == "request_body" and "content-length: 4\r\n\r\nbody" or "\r\n"
      )
    )
    return client
  end

  local function has(text) assert.truthy(scripts.caught():find(text, 1, true), scripts.caught()) end

  local function quiet()
    world:until_true(function() return world:is_quiet() end, "quiet")
  end

  -- What the client sees of a failure: a 500, or that it was cut, or nothing.
  local function assert_failed(hook, client)
    if BEFORE[hook] then
      local response = client:response()
      assert.equal(500, response.status)
      assert.truthy(response.body:find('"reason":"plugin"', 1, true))
    elseif BEHIND[hook] then
      assert.equal(200, client:response().status)
    else
      client:wait_end() -- at once, or behind a head of 200: never with an end that looks like one
      assert.is_nil(client:text():find("\r\n0\r\n\r\n", 1, true))
    end
    quiet()
    assert.matches("error plugin tried, ", scripts.caught())
    has("log hook of " .. hook)
  end

  for _, hook in ipairs(HOOKS) do
    describe("in " .. hook, function()
      it("throws", function()
        assert_failed(hook, send(hook, "throw"))
        has("broken")
      end)

      it("throws after it waited", function()
        local client = send(hook, "throw_late")
        world:until_true(function() return scripts.caught():find("at " .. hook, 1, true) end)
        world:settle()
        world:advance(1.1)
        assert_failed(hook, client)
        has("broken")
      end)

      it("recurses without end", function()
        assert_failed(hook, send(hook, "recurse"))
        has("stack overflow")
      end)

      it("yields by itself", function()
        assert_failed(hook, send(hook, "yield"))
        has("a hook may not yield by itself")
      end)

      it("exits twice", function()
        local client = send(hook, "exit_twice")
        if BEFORE[hook] and hook ~= "request_body" then
          local response = client:response()
          assert.equal(419, response.status)
          assert.equal("two", response.body)
          quiet()
        else
          assert_failed(hook, client)
          has("ctx.response:exit cannot be called in ")
        end
      end)

      it("keeps ctx", function()
        local client = send(hook, "keep")
        assert.equal(200, client:response().status)
        quiet()
        for _ = 1, 2 do
          assert.equal(200, client:ask("GET / HTTP/1.1\nhost: a\nx-secret: 2\nx-use: 1").status)
          quiet()
        end
        for _, what in ipairs { "ctx", "request" } do
          assert.matches(
            what .. " false [^\n]*this request is over %(a plugin may not keep ctx%)",
            scripts.caught()
          )
        end
        assert.is_nil(scripts.caught():find(" true [12]\n"))
      end)

      for _, verb in ipairs {
        "sleep",
        "fetch",
        "fetch_all",
        "race",
        "open",
        "read",
        "produce",
        "pour",
        "coroutine",
        "iterator",
      } do
        describe("waits with " .. verb, function()
          local client

          before_each(function()
            client = send(hook, verb)
            world:until_true(function() return scripts.caught():find("at " .. hook, 1, true) end, "the hook")
            world:settle(20)
            assert.equal(1, world:active())
          end)

          if BEHIND[hook] then
            it("is ended after ten seconds", function()
              assert.equal(200, client:response().status)
              world:advance(10.1)
              quiet()
              has("log hooks were ended after 10 s")
            end)
          else
            it("ends with its client", function()
              client:close()
              world:advance(1.1) -- one that is not read now is looked at once a second
              quiet()
              has("log hook of " .. hook)
            end)

            it("ends with the total time", function()
              world:advance(5.1)
              if BEFORE[hook] then
                assert.equal(504, client:response().status)
              else
                client:wait_end()
              end
              quiet()
              has("log hook of " .. hook)
            end)

            it("goes on over a reload", function()
              world:use(world:configure {
                routes = { { name = "front", paths = { "/" }, targets = { world.upstreams[1] } } },
              })
              world:settle()
              assert.equal("hi", world:client():ask("GET / HTTP/1.1\nhost: a").body)
              assert.equal(1, world:active())
              world:advance(5.1)
              quiet()
              has("log hook of " .. hook)
            end)
          end

          it("ends when the worker stops", function()
            c.gw_proxy_abort(world.proxy, c.GW_E_SHUTDOWN)
            quiet()
            if not BEHIND[hook] then has("log hook of " .. hook) end
          end)
        end)
      end
    end)
  end
end)
