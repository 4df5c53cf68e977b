local proxy = require("support.proxy")
local scripts = require("support.scripts")

describe("ctx:after", function()
  local world, up, client

  before_each(function()
    world = proxy.new()
    scripts.catch()
  end)

  after_each(function()
    world:free()
    scripts.release()
  end)

  -- One plugin with these hooks; the service answers at once, unless it is silent.
  local function start(hooks, silent)
    up = world:upstream(function(conn)
      if not silent then conn:write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi") end
    end)
    world:start {
      routes = { { name = "front", paths = { "/" }, targets = { up } } },
      plugin = "local M, noted = {}, {} " .. hooks .. " return M",
    }
    client = world:client()
  end

  local function ask() return client:ask("GET / HTTP/1.1\nhost: a\n") end

  local function has(text) assert.truthy(scripts.caught():find(text, 1, true), scripts.caught()) end
  local function has_not(text) assert.is_nil(scripts.caught():find(text, 1, true)) end

  it("runs when the client has its response and its connection is free", function()
    start(
      "function M.access(_, ctx) ctx:after(function(c) c:sleep(1) c.log:notice('after ', c.response:get_status()) end) end"
    )
    assert.equal(200, ask().status)
    has_not("after")
    assert.equal(200, ask().status) -- while the first one's work still waits
    assert.equal(2, world:active())
    world:advance(1.1)
    has("after 200")
    world:until_true(function() return world:active() == 0 end)
  end)

  it("runs behind the log hooks, in order, with the plugin's name", function()
    start([[function M.access(_, ctx)
        ctx:after(function() ctx.log:notice("first") end)
        ctx:after(function() ctx.log:notice("second") ctx:after(function() ctx.log:notice("third") end) end)
      end
      function M.log(_, ctx) ctx:sleep(0) ctx.log:notice("log") end]])
    ask()
    world:until_true(function() return world:active() == 0 end)
    assert.matches("plugin tried, .*log\n.*first\n.*second\n.*plugin tried, request [^\n]*third", scripts.caught())
  end)

  for _, hook in ipairs { "rewrite", "access", "response", "body", "log" } do
    it("can be called in " .. hook, function()
      start(([[function M.%s(_, ctx, chunk, last)
          if chunk == nil or last then ctx:after(function(c) c.log:notice("ran") end) end
        end]]):format(hook))
      assert.equal(200, ask().status)
      world:until_true(function() return world:active() == 0 end)
      local _, count = scripts.caught():gsub("ran\n", "")
      assert.equal(1, count)
    end)
  end

  it("can be called in request_body", function()
    start(
      [[function M.request_body(_, ctx, _, last) if last then ctx:after(function() ctx.log:notice("ran") end) end end]]
    )
    assert.equal(200, client:ask("POST / HTTP/1.1\nhost: a", "x").status)
    world:until_true(function() return world:active() == 0 end)
    has("ran")
  end)

  it("runs too when the client went away", function()
    start([[function M.access(_, ctx) ctx:after(function(c) c:sleep(1) c.log:notice("ran") end) end]], true)
    client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    world:until_true(function() return #up.requests == 1 end)
    client:close()
    world:settle()
    world:advance(1.1)
    has("ran")
    world:until_true(function() return world:active() == 0 end)
  end)

  it("runs too when a plugin answered or failed", function()
    start([[function M.access(_, ctx)
        ctx:after(function(c) c.log:notice("after ", c.response:get_status()) end)
        if ctx.request:get_header("x-fail") then error("broken") end
        ctx.response:exit(418)
      end]])
    assert.equal(418, ask().status)
    assert.equal(500, client:ask("GET / HTTP/1.1\nhost: a\nx-fail: 1\n").status)
    world:until_true(function() return world:active() == 0 end)
    has("after 418")
    has("after 500")
  end)

  it("logs an error and goes on with the next", function()
    start([[function M.access(_, ctx)
        ctx:after(function(c) c:sleep(1) error("broken") end)
        ctx:after(function(c) c.log:notice("next") end)
      end]])
    assert.equal(200, ask().status)
    world:settle()
    world:advance(1.1)
    world:until_true(function() return world:active() == 0 end)
    assert.matches(
      "error plugin tried, log, route front, request [^:]*: .*handler.lua:2: broken",
      scripts.caught()
    )
    has("next")
  end)

  it("is ended after ten seconds", function()
    start([[function M.access(_, ctx) ctx:after(function(c) c:sleep(11) c.log:notice("late") end) end]])
    ask()
    world:settle()
    world:advance(10.1)
    assert.equal(0, world:active())
    has("log hooks were ended after 10 s")
    world:advance(5)
    has_not("late")
  end)

  it("is bounded", function()
    start([[function M.access(_, ctx) for i = 1, 17 do ctx:after(function() ctx.log:notice("ran") end) end end]])
    assert.equal(500, ask().status)
    world:until_true(function() return world:active() == 0 end)
    has("ctx:after takes at most 16 functions a request")
    local _, count = scripts.caught():gsub("ran\n", "")
    assert.equal(16, count)
  end)

  it("takes a function", function()
    start("function M.access(_, ctx) ctx:after('x') end")
    assert.equal(500, ask().status)
    has("handler.lua:1: ctx:after takes a function")
  end)

  it("has the rights of a log hook", function()
    start([[function M.access(_, ctx)
        ctx:after(function() ctx.log:notice(select(2, pcall(ctx.response.exit, ctx.response, 200))) end)
      end]])
    ask()
    world:until_true(function() return world:active() == 0 end)
    has("ctx.response:exit cannot be called in log")
  end)

  it("keeps nothing for the next request", function()
    start([[function M.access(_, ctx)
        if not noted.once then ctx:after(function() ctx.log:notice("ran") end) end
        noted.once = true
      end]])
    for _ = 1, 3 do
      ask()
      world:until_true(function() return world:active() == 0 end)
    end
    local _, count = scripts.caught():gsub("ran\n", "")
    assert.equal(1, count)
  end)

  it("runs in the generation of its request, also after a reload", function()
    start([[function M.access(_, ctx) ctx:after(function(c) c:sleep(1) c.log:notice("old") end) end]])
    ask()
    world:settle()
    world:use(world:configure { routes = { { name = "front", paths = { "/" }, targets = { up } } } })
    assert.equal(200, ask().status)
    world:advance(1.1)
    has("old")
    world:until_true(function() return world:active() == 0 end)
  end)

  it("can ask, stream and race", function()
    start([[function M.access(_, ctx) ctx:after(function(c)
        local _, res = c:race(function() return c:fetch { service = "front", path = "/x" } end)
        local all = c:fetch_all { { service = "front", path = "/y" } }
        local text = c:fetch({ service = "front", path = "/z", stream = true }):read()
        c.log:notice("got ", res.body, all[1].body, text)
      end) end]])
    ask()
    world:until_true(function() return world:active() == 0 end)
    has("got hihihi")
  end)
end)
