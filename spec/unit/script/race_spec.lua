local proxy = require("support.proxy")
local scripts = require("support.scripts")

local function answer(status, body)
  return ("HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s"):format(status, #body, body)
end

describe("ctx:race between functions", function()
  local s, x

  before_each(function() scripts.catch() end)

  after_each(function()
    if x and x.fake then x:free() end
    x = nil
    s:free()
    scripts.release()
  end)

  -- One plugin whose access hook has this body, behind this text.
  local function access(body, more)
    s = scripts.new {
      plugins = {
        p = ("local M = {} %s function M.access(conf, ctx)\n%s\nend\nreturn M"):format(more or "", body),
      },
    }
    assert.is_nil(s.why)
    x = s:exchange()
    return x:run("access")
  end

  local function advance(times)
    for _ = 1, times do
      s:advance(1.1)
    end
  end

  it("is won by the first that returns; the others are cancelled", function()
    assert.equal(
      "waits",
      access([[
      local which, a, b = ctx:race(function() ctx:sleep(3) ctx.shared.late = true end,
        function(c) c:sleep(1) return "two", c == ctx end)
      ctx:sleep(5)
      ctx.response:exit(200, ("%d %s %s %s"):format(which, a, tostring(b), tostring(ctx.shared.late)))]])
    )
    advance(6)
    assert.equal(1, x:finished())
    assert.equal("2 two true nil", x:reply().body)
  end)

  it("says the name of who won", function()
    access(
      [[local which, a = ctx:race { slow = function() ctx:sleep(2) return 1 end, quick = function() return 2 end }
      ctx.response:exit(200, which .. a)]]
    )
    s:turn()
    assert.equal("quick2", x:reply().body)
  end)

  it("is won by a function that returns nothing", function()
    access([[ctx.response:exit(200, tostring(select("#", ctx:race(function() end))))]])
    s:turn()
    assert.equal("1", x:reply().body)
  end)

  it("is not lost by an error while others run", function()
    access([[local which = ctx:race(function() error("broken") end, function() ctx:sleep(1) end)
      ctx.response:exit(200, tostring(which))]])
    advance(1)
    assert.equal("2", x:reply().body)
    assert.matches(
      "notice plugin p, request id%-1: a function that raced failed: .*handler.lua:2: broken",
      scripts.caught()
    )
  end)

  it("raises the first error when all failed", function()
    access([[ctx:race(function() ctx:sleep(1) error("second") end, function() error("first") end)]])
    advance(1)
    assert.equal(500, x:reply().status)
    assert.matches(
      "error plugin p, access.*ctx:race: all failed, the first with: .*handler.lua:2: first",
      scripts.caught()
    )
  end)

  it("lets pcall see the error, and the hook go on", function()
    access([[local fine, why = pcall(ctx.race, ctx, function() error("no", 0) end)
      ctx:sleep(1)
      ctx.response:exit(200, tostring(fine) .. why)]])
    advance(2)
    assert.matches("^falsectx:race: all failed, the first with: no", x:reply().body)
  end)

  it("gives its functions the rights of their hook", function()
    access([[ctx:race(function() ctx.service.request:set_header("x-a", ctx.request:get_method()) end)
      local _, _, why = ctx:race(function() return pcall(ctx.response.get_status, ctx.response) end)
      ctx.response:exit(200, why)]])
    s:turn()
    assert.matches("ctx.response:get_status cannot be called in access", x:reply().body)
  end)

  it("lets a function answer, from within", function()
    access([[ctx:race(function() ctx:sleep(1) ctx.response:exit(401, "by a function") end)]])
    advance(1)
    assert.equal("by a function", x:reply().body)
  end)

  it("gives nobody the right to speak while all wait", function()
    access(
      "kept = ctx ctx:race(function() ctx:sleep(3) end)",
      [[function M.response(_, ctx) ctx.log:notice(select(2, pcall(kept.request.get_method, kept.request))) end]]
    )
    s:turn()
    local other = s:exchange()
    other:run("response")
    assert.matches("no hook of this request is running", scripts.caught())
    other:free()
  end)

  it("can be nested, and cancelled whole", function()
    local text = [[ctx:race(function()
        ctx:race(function() ctx:sleep(9) ctx.log:notice("never") end, function() ctx:sleep(9) ctx.log:notice("never") end)
      end, function() ctx:sleep(%d) end)]]
    assert.equal("waits", access(text:format(1)))
    advance(1)
    assert.equal(1, x:finished())
    advance(10)
    assert.is_nil(scripts.caught():find("never"))
  end)

  it("ends with its request, at every moment", function()
    for _, steps in ipairs { 0, 1, 2, 3 } do
      access([[ctx:race(function() ctx:sleep(1) ctx:race(function() ctx:sleep(1) ctx:sleep(9) end) end,
        function() ctx:sleep(1) ctx:sleep(9) end, function() error("lost") end)]])
      if steps > 0 then s:turn() end
      advance(math.max(steps - 1, 0))
      assert.equal(0, x:finished())
      x:cancel()
      assert.is_true(x.fake.x.run == nil)
      advance(12)
      assert.equal(0, x:finished())
      x:free()
      x = nil
      if steps < 3 then s:free() end
    end
  end)

  it("bounds how deep functions wait for functions", function()
    access([[local function dive(n) local _, depth = ctx:race(function() return dive(n + 1) end) return depth end
      ctx.response:exit(200, select(2, pcall(dive, 1)))]])
    for _ = 1, 20 do
      s:turn()
    end
    assert.matches("too many functions that wait for functions %(8%)", x:reply().body)
  end)

  it("lets functions that return at once all begin in their turn", function()
    access([[local out = {}
      local which = ctx:race(function() out[#out + 1] = 1 error("a", 0) end, function() out[#out + 1] = 2 end,
        function() out[#out + 1] = 3 end)
      ctx.response:exit(200, which .. table.concat(out))]])
    s:turn()
    assert.equal("212", x:reply().body) -- the third never began: the second had won
  end)

  it("works in the plugin's own coroutines, in pcall and in iterators", function()
    access([[
      local out = {}
      for which in coroutine.wrap(function()
        for i = 1, 2 do
          local _, name = pcall(ctx.race, ctx, { a = function() ctx:sleep(i) return end })
          coroutine.yield(name)
        end
      end) do out[#out + 1] = which end
      ctx.response:exit(200, table.concat(out))]])
    advance(4)
    assert.equal("aa", x:reply().body)
  end)

  it("may have coroutines of its own inside", function()
    access([[local _, sum = ctx:race(function()
        local sum = 0
        for n in coroutine.wrap(function() for i = 1, 3 do ctx:sleep(1) coroutine.yield(i) end end) do sum = sum + n end
        return sum
      end)
      ctx.response:exit(200, tostring(sum))]])
    advance(4)
    assert.equal("6", x:reply().body)
  end)

  it("calls a function that yields by itself lost", function()
    access([[ctx:race(function() coroutine.yield(1) end)]])
    s:turn()
    assert.equal(500, x:reply().status)
    assert.matches("a hook may not yield by itself", scripts.caught())
  end)

  it("survives endless recursion in a function", function()
    access([[local which = ctx:race(function() local function f() return 1 + f() end return f() end,
        function() ctx:sleep(1) end)
      ctx.response:exit(200, tostring(which))]])
    advance(2)
    assert.equal("2", x:reply().body)
  end)

  for name, body in pairs {
    ["table.sort"] = "table.sort({ 2, 1 }, function(a, b) ctx:race(function() end) return a < b end)",
    ["string.gsub"] = "local _ = ('a'):gsub('a', function() ctx:race(function() end) end)",
  } do
    it("cannot wait inside " .. name, function()
      access(body)
      assert.equal(500, x:reply().status)
      assert.matches("ctx:race cannot wait here: a C function that calls back is on the stack", scripts.caught())
    end)
  end

  local MISUSE = {
    ["ctx:race()"] = "ctx:race: takes functions or requests",
    ["ctx:race {}"] = "ctx:race: takes functions or requests",
    ["ctx:race(1)"] = "ctx:race: 1: must be a function or a request, not a number",
    ["ctx:race(function() end, nil, 'x')"] = "ctx:race: 3: must be a function or a request, not a string",
    ["ctx:race { service = 'back' }"] = "ctx:race: service: must be a function or a request, not a string",
    ["ctx:race(function() end, {})"] = "ctx:race: 2: say one of service, upstream, url",
    ["ctx:race { a = { service = 's1', stream = true } }"] = "ctx:race: a: stream is for ctx:fetch alone",
    ["local t = {} for i = 1, 17 do t[i] = function() end end ctx:race(t)"] = "ctx:race: at most 16 at once",
  }
  for call, text in pairs(MISUSE) do
    it("calls it misuse: " .. call, function()
      assert.equal("done", access(call))
      assert.truthy(scripts.caught():find("handler.lua:2: " .. text, 1, true), scripts.caught())
    end)
  end

  it("does not grow over 2,000 races", function()
    s = scripts.new {
      plugins = {
        p = [[
      local M = {}
      function M.access(_, ctx)
        ctx:race(function() ctx:sleep(1) end, function() error("lost") end, function() ctx:sleep(2) end)
      end
      return M]],
      },
    }
    local function run(times)
      for _ = 1, times do
        x = s:exchange()
        x:run("access")
        s:advance(1.1)
        assert.equal(1, x:finished())
        x:free()
      end
      x = nil
    end
    run(500)
    scripts.catch()
    local before = s:memory()
    run(2000)
    assert.is_true(s:memory() < before + 1024 * 1024) -- half of it is how far the collector lets garbage go
  end)
end)

describe("ctx:race between requests", function()
  local world, back, held, client

  before_each(function()
    world, held = proxy.new(), {}
  end)
  after_each(function() world:free() end)

  local function start(body)
    back = world:upstream(function(conn, request) held[request:match("^%u+ (%S+)")] = conn end)
    world:start {
      routes = {
        { name = "front", paths = { "/" }, targets = { back } },
        { name = "back", paths = { "/back" }, targets = { back } },
        { name = "down", paths = { "/down" }, targets = { proxy.closed_port() } },
      },
      plugin = ("return { access = function(_, ctx) %s end }"):format(body),
    }
    client = world:client()
    client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
  end

  local function asked(...)
    for _, path in ipairs { ... } do
      world:until_true(function() return held[path] end, path)
    end
  end

  it("is won by the first response, whatever its status", function()
    start(
      [[local which, res = ctx:race { a = { service = "back", path = "/a" }, b = { service = "back", path = "/b" } }
      ctx.response:exit(200, which .. res.status .. res.body)]]
    )
    asked("/a", "/b")
    held["/b"]:write(answer(503, "busy"))
    assert.equal("b503busy", client:response().body)
    local counted = world:scrape()
    assert.equal(0, counted['moongate_upstream_active_requests{service="back"}'])
    assert.equal(1, counted['moongate_upstream_requests_total{service="back",outcome="cancelled"}'])
  end)

  it("is not lost by one that cannot be asked", function()
    start([[local which, res = ctx:race { a = { service = "down" }, b = { service = "back", path = "/b" },
        c = { service = "bck" } }
      ctx.response:exit(200, which .. res.body)]])
    asked("/b")
    world:settle()
    held["/b"]:write(answer(200, "!"))
    assert.equal("b!", client:response().body)
  end)

  it("gives nil and the first reason when none came", function()
    start([[local which, why = ctx:race({ service = "down" }, { service = "down" })
      ctx.response:exit(200, tostring(which) .. " " .. why)]])
    assert.equal("nil cannot connect to the upstream", client:late_response().body)
  end)

  it("gives nil and a reason when none could be asked", function()
    start([[local which, why = ctx:race({ service = "bck" }, { upstream = "bck" })
      local which2, why2 = ctx:race({ upstream = "bck" }, { upstream = "bck2" })
      ctx.response:exit(200, tostring(which) .. why .. tostring(which2) .. why2)]])
    assert.equal(
      'nilno service named "bck" in the configurationnilno upstream named "bck" in the configuration',
      client:response().body
    )
  end)

  it("mixes with functions: a timeout that answers", function()
    start([[local which, res = ctx:race { answer = { service = "back", path = "/a" },
        late = function() ctx:sleep(1) return "too late" end }
      ctx.response:exit(200, which .. " " .. res)]])
    asked("/a")
    world:advance(1.1)
    assert.equal("late too late", client:response().body)
    assert.equal(0, world:in_flight())
  end)

  it("lets functions ask", function()
    start([[local which, res = ctx:race(function() return ctx:fetch { service = "back", path = "/a" } end,
        function()
          local all = ctx:fetch_all { x = { service = "back", path = "/x" }, y = { service = "back", path = "/y" } }
          return { body = all.x.body .. all.y.body }
        end)
      ctx.response:exit(200, which .. res.body)]])
    asked("/a", "/x", "/y")
    held["/x"]:write(answer(200, "X"))
    held["/y"]:write(answer(200, "Y"))
    assert.equal("2XY", client:response().body)
    assert.equal(0, world:scrape()['moongate_upstream_active_requests{service="back"}'])
  end)

  it("is cancelled with its request", function()
    start([[ctx:race({ service = "back", path = "/a" }, function()
        ctx:fetch_all { { service = "back", path = "/x" }, { service = "back", path = "/y" } }
      end)]])
    asked("/a", "/x", "/y")
    client:close()
    world:until_true(function() return world:is_quiet() end, "the end of the exchange")
    assert.equal(0, world:scrape()['moongate_upstream_active_requests{service="back"}'])
  end)
end)
