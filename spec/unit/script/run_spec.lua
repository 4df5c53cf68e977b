local c = require("support.c")
local scripts = require("support.scripts")

local function has(text, part) assert.truthy(text:find(part, 1, true), ("%q is not in:\n%s"):format(part, text)) end

describe("a run", function()
  local s, x

  before_each(function() scripts.catch() end)

  after_each(function()
    if x and x.fake then x:free() end
    x = nil
    s:free()
    scripts.release()
  end)

  -- One plugin whose access hook has this body.
  local function access(body, options)
    options = options or {}
    options.plugins = { p = ("local M = {}\nfunction M.access(conf, ctx)\n%s\nend\nreturn M"):format(body) }
    s = scripts.new(options)
    assert.is_nil(s.why)
    x = s:exchange()
    return x:run("access")
  end

  it("ends at once when no hook waits", function()
    assert.equal("done", access("ctx.shared.a = 1"))
    assert.equal(0, x:finished())
  end)

  it("waits and goes on", function()
    assert.equal("waits", access("ctx:sleep(1) ctx.response:exit(200, 'slept')"))
    s:advance(0.5)
    assert.equal(0, x:finished())
    s:advance(0.6)
    assert.equal(1, x:finished())
    assert.equal("slept", x:reply().body)
  end)

  it("lets others go first when it sleeps no time", function()
    assert.equal("waits", access("ctx:sleep(0)"))
    s:turn()
    assert.equal(1, x:finished())
  end)

  it("waits several times", function()
    assert.equal("waits", access("for _ = 1, 3 do ctx:sleep(1) end ctx.response:exit(201)"))
    for _ = 1, 3 do
      s:advance(1.1)
    end
    assert.equal(1, x:finished())
    assert.equal(201, x:reply().status)
  end)

  it("never tells `done` once cancelled", function()
    assert.equal("waits", access("ctx:sleep(1)"))
    x:cancel()
    s:advance(5)
    assert.equal(0, x:finished())
    assert.is_true(x.fake.x.run == nil)
  end)

  it("is cancelled when the exchange ends", function()
    assert.equal("waits", access("ctx:sleep(1)"))
    x:free()
    s:advance(5)
  end)

  it("can be used again after a cancelled wait, with its coroutine", function()
    assert.equal(
      "waits",
      access("local n = (ctx.shared.n or 0) + 1 ctx.shared.n = n if n == 1 then ctx:sleep(9) end")
    )
    x:cancel()
    assert.equal("done", x:run("access"))
  end)

  it("passes waits through pcall, iterators and metamethods", function()
    assert.equal(
      "waits",
      access([[
      local ok = pcall(function() ctx:sleep(1) end)
      local t = setmetatable({}, { __index = function() ctx:sleep(1) return "v" end })
      local v = t.x
      for _ in function(_, i) ctx:sleep(1) if not i then return 1 end end do end
      ctx.response:exit(200, tostring(ok) .. v)
    ]])
    )
    for _ = 1, 4 do
      s:advance(1.1)
    end
    assert.equal("truev", x:reply().body)
  end)

  it("passes waits through the plugin's own coroutines", function()
    assert.equal(
      "waits",
      access([[
      local co = coroutine.create(function(a)
        ctx:sleep(1)
        local b = coroutine.yield(a .. "1")
        ctx:sleep(1)
        return b .. "2"
      end)
      local _, first = coroutine.resume(co, "a")
      local _, second = coroutine.resume(co, "b")
      local each = coroutine.wrap(function() for i = 1, 2 do ctx:sleep(1) coroutine.yield(i) end end)
      ctx.response:exit(200, first .. second .. each() .. each())
    ]])
    )
    for _ = 1, 4 do
      s:advance(1.1)
    end
    assert.equal("a1b212", x:reply().body)
  end)

  it("passes waits through coroutines in coroutines", function()
    assert.equal(
      "waits",
      access([[
      local outer = coroutine.wrap(function()
        local inner = coroutine.wrap(function() ctx:sleep(1) return "in" end)
        return inner()
      end)
      ctx.response:exit(200, outer())
    ]])
    )
    s:advance(1.1)
    assert.equal("in", x:reply().body)
  end)

  for what, wait in pairs { ["is cancelled"] = "x:cancel()", ["still waits"] = "" } do
    it("lets nobody resume a coroutine whose request " .. what, function()
      access([[
        if kept then
          local ok, why = coroutine.resume(kept)
          local fine, reason = pcall(wrapped)
          return ctx.log:notice(tostring(ok), why, " | ", tostring(fine), reason)
        end
        kept = coroutine.create(function() ctx:sleep(9) end)
        wrapped = coroutine.wrap(function() coroutine.resume(kept) end)
        wrapped()]])
      if wait ~= "" then x:cancel() end
      local other = s:exchange()
      other:run("access")
      other:free()
      has(scripts.caught(), "falsecannot resume a coroutine that waits")
      has(scripts.caught(), "| false")
      assert.matches("| false.*cannot resume a coroutine that waits", scripts.caught())
    end)
  end

  it("lets errors come out of the plugin's own coroutines as they are", function()
    assert.equal(
      "done",
      access([[
      local ok, why = coroutine.resume(coroutine.create(function() error("one", 0) end))
      local fine, reason = pcall(coroutine.wrap(function() error("two", 0) end))
      ctx.response:exit(200, ("%s %s %s %s"):format(ok, why, fine, reason))
    ]])
    )
    assert.equal("false one false two", x:reply().body)
  end)

  local CALLING_BACK = {
    ["table.sort"] = "table.sort({ 2, 1 }, function(a, b) ctx:sleep(1) return a < b end)",
    ["string.gsub"] = "local _ = ('a'):gsub('a', function() ctx:sleep(1) end)",
    ["table.sort, in a coroutine"] = "table.sort({ 2, 1 }, function(a, b) coroutine.wrap(ctx.sleep)(ctx, 1) return a < b end)",
  }
  for name, body in pairs(CALLING_BACK) do
    it("says clearly that it cannot wait inside " .. name, function()
      assert.equal("done", access(body))
      assert.equal(500, x:reply().status)
      has(scripts.caught(), "cannot wait here: a C function that calls back is on the stack")
      s:advance(5)
    end)
  end

  it("waits also while a module of the plugin loads", function()
    s = scripts.new {
      plugins = {
        p = {
          ["handler.lua"] = [[local M = {}
        function M.access(conf, ctx) package.loaded.ctx_for_spec = ctx require("p.slow") end
        return M]],
          ["slow.lua"] = "package.loaded.ctx_for_spec:sleep(1)",
        },
      },
    }
    x = s:exchange()
    assert.equal("waits", x:run("access"))
    s:advance(2)
    assert.equal(1, x:finished())
  end)

  for what, ending in pairs { ["that failed"] = "error('broken')", ["that was cancelled"] = "ctx:sleep(9)" } do
    it("leaves closures of a hook " .. what .. " the variables they had", function()
      access([[
        if kept then
          local a, b, c, d = "x", "x", "x", "x"
          return ctx.log:notice("kept ", kept(), a == b and c == d)
        end
        local mine = "mine"
        kept = function() return mine end
        ]] .. ending)
      x:cancel()
      x:free()
      x = s:exchange()
      x:run("access")
      has(scripts.caught(), "kept minetrue")
    end)
  end

  it("calls a hook that yields by itself an error", function()
    assert.equal("done", access("coroutine.yield(1)"))
    assert.equal(500, x:reply().status)
    has(scripts.caught(), "a hook may not yield by itself")
  end)

  it("logs an error with plugin, hook, route, request and where it was", function()
    assert.equal("done", access("local t = nil\nreturn t.x"))
    local reply = x:reply()
    assert.equal(500, reply.status)
    assert.equal("plugin", reply.error)
    assert.equal("application/problem+json", reply.headers["content-type"])
    has(reply.body, '"correlationId":"id-1","reason":"plugin"')
    assert.equal("plugin", c.reason(x.fake.x.error))
    assert.matches(
      "error plugin p, access, route r1, request id%-1: .*p/handler.lua:4: attempt to index local 't'",
      scripts.caught()
    )
  end)

  it("survives errors that are no texts", function()
    assert.equal("done", access("error({})"))
    has(scripts.caught(), "an error that is not a text was raised")
  end)

  it("survives endless recursion", function()
    assert.equal("done", access("local function f() return 1 + f() end f()"))
    has(scripts.caught(), "stack overflow")
  end)

  -- LuaJIT leaves an oversized stack; what goes wrong with that depends on where exactly the stack ended.
  for extra = 0, 15 do
    it(("survives endless recursion in frames of %d slots more, and serves the next"):format(extra), function()
      local names = "a" .. (", a"):rep(extra)
      assert.equal("done", access(("local function f() local %s = 1 return 1 + f() end f()"):format(names)))
      has(scripts.caught(), "stack overflow")
      x:free()
      x = s:exchange()
      assert.equal("done", x:run("access"))
      assert.equal(500, x:reply().status)
    end)
  end

  it("survives running out of memory, and serves the next", function()
    assert.equal(
      "done",
      access(
        [[
      if not done then
        done = true
        local t = {}
        while true do t[#t + 1] = ("x"):rep(1e5) .. #t end
      end]],
        { memory = 8 * 1024 * 1024 }
      )
    )
    has(scripts.caught(), "not enough memory (lua.memory)")
    assert.is_true(s:memory() < 4 * 1024 * 1024)
    x:free()
    x = s:exchange()
    assert.equal("done", x:run("access"))
    assert.is_nil(x:reply())
  end)

  it("serves the next also where the last byte was taken", function()
    assert.equal(
      "done",
      access(
        [[
      if not done then
        done = true
        local t = {}
        for i = 1, 1e7 do t[#t + 1] = i .. "xxxxxxxxxxxxxxxxxxxxxxxx" end
      end]],
        { memory = 8 * 1024 * 1024 }
      )
    )
    assert.equal(500, x:reply().status)
    assert.is_true(s:memory() < 4 * 1024 * 1024)
    for _ = 1, 3 do
      x:free()
      x = s:exchange()
      assert.equal("done", x:run("access"))
      assert.is_nil(x:reply())
    end
  end)

  it("keeps errors of finalisers out of requests", function()
    assert.equal(
      "done",
      access([[
      local ffi = require("ffi")
      for _ = 1, 3 do
        getmetatable(newproxy(true)).__gc = function() error("of a proxy") end
        ffi.gc(ffi.new("int[1]"), function() error("of cdata") end)
      end
      collectgarbage()]])
    )
    assert.is_nil(x:reply())
    for _ = 1, 200 do -- enough to be compiled
      x:free()
      x = s:exchange()
      assert.equal("done", x:run("access"))
      assert.is_nil(x:reply())
    end
    has(scripts.caught(), "an error in a finaliser (__gc, ffi.gc): ")
    has(scripts.caught(), "of a proxy")
    has(scripts.caught(), "of cdata")
  end)

  it("does not grow over 10,000 requests", function()
    s = scripts.new {
      plugins = {
        p = [[
      local M = {}
      function M.rewrite(conf, ctx) ctx.shared.a = ctx.request:get_header("host") end
      function M.access(conf, ctx) ctx.plugin.b = ctx.shared.a ctx:sleep(1) end
      function M.response(conf, ctx) ctx.response:set_header("x-a", ctx.shared.a) end
      function M.log(conf, ctx) local _ = ctx.response:get_status() end
      return M]],
      },
    }
    s:repeat_all(1000)
    local before = s:memory()
    s:repeat_all(10000)
    assert.is_true(s:memory() < before + 512 * 1024)
  end)
end)
