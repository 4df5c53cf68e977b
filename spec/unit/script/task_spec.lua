local proxy = require("support.proxy")
local scripts = require("support.scripts")

local function count(text) return select(2, scripts.caught():gsub(text, "")) end

describe("moongate.task", function()
  local s

  before_each(function()
    s = nil
    scripts.catch()
  end)

  after_each(function()
    if s then s:free() end
    scripts.release()
  end)

  -- A plugin that declares this in init.
  local function declare(text, more)
    s = scripts.new {
      plugins = {
        p = ("local task = require('moongate.task') local M = {} function M.init() %s end %s return M"):format(
          text,
          more or ""
        ),
      },
    }
    return s.why
  end

  local function advance(seconds, times)
    for _ = 1, times or 1 do
      s:advance(seconds)
    end
  end

  it("runs a task once, when the generation is current", function()
    assert.is_nil(declare("task.once(function(t) t.log:notice('ran') end)"))
    assert.equal(0, count("ran"))
    advance(0.01)
    assert.equal("notice plugin p, task: ran\n", scripts.caught())
    advance(100)
    assert.equal(1, count("ran"))
  end)

  it("runs a task every so many seconds after its last time", function()
    declare("task.every(10, function(t) t.log:notice('tick') t:sleep(3) t.log:notice('tock') end)")
    advance(9.9)
    assert.equal(0, count("tick"))
    advance(0.2)
    assert.equal(1, count("tick"))
    advance(12.8)
    assert.equal(1, count("tick"))
    assert.equal(1, count("tock"))
    advance(0.3)
    assert.equal(2, count("tick"))
  end)

  it("lets the first time come sooner", function()
    declare("task.every(10, function(t) t.log:notice('tick') end, { first = 0 })")
    advance(0.01)
    assert.equal(1, count("tick"))
  end)

  it("logs an error with the plugin's name, and the next time comes", function()
    declare("task.every(1, function(t) t:sleep(0) error('broken') end)")
    advance(1.1, 3)
    assert.matches("error plugin p, task: .*p/handler.lua:1: broken", scripts.caught())
    assert.is_true(count("broken") >= 2)
  end)

  it("survives endless recursion and tables without end", function()
    declare([[task.every(1, function() local function f() return 1 + f() end return f() end)
      task.every(1, function(t) t.log:notice("fine") end)]])
    advance(1.1, 4)
    assert.is_true(count("stack overflow") >= 2)
    assert.is_true(count("fine") >= 2)
  end)

  it("waits, races and writes", function()
    declare([[task.once(function(t)
      local which = t:race { slow = function() t:sleep(5) end, quick = function(o) o:sleep(1) return o == t end }
      local _, why = t:fetch { service = "nobody" }
      t.log:warn(which, " ", why, " ", t:fetch_all { a = { service = "nobody" } }.a.reason)
    end)]])
    advance(1.1, 2)
    assert.matches(
      'warn plugin p, task: quick no service named "nobody" in the configuration no service named',
      scripts.caught()
    )
  end)

  it("is cancelled when the generation is no longer current", function()
    declare(
      [[task.every(1, function(t) t.log:notice("tick") t:race(function() t:sleep(1) end) t.log:notice("tock") end)
      task.once(function(t) while true do t:sleep(1) t.log:notice("loop") end end)]]
    )
    advance(1.1)
    require("support.c").gw_script_retire(s.script)
    local ticks, loops = count("tick"), count("loop")
    assert.equal(1, ticks)
    advance(1.1, 5)
    assert.equal(ticks, count("tick"))
    assert.equal(loops, count("loop"))
    assert.equal(0, count("tock"))
  end)

  it("leaves requests alone when it is cancelled", function()
    declare(
      "task.every(1, function(t) t:sleep(9) end)",
      "function M.access(_, ctx) ctx:sleep(3) ctx.response:exit(200, 'slept') end"
    )
    local x = s:exchange()
    x:run("access")
    advance(1.1)
    require("support.c").gw_script_retire(s.script)
    advance(1.1, 2)
    assert.equal("slept", x:reply().body)
    x:free()
  end)

  it("runs in one worker, or in each", function()
    local text = [[task.once(function(t) t.log:notice("one") end)
      task.once(function(t) t.log:notice("each") end, { worker = "each" })]]
    declare(text)
    advance(0.1)
    assert.equal(1, count("one"))
    assert.equal(1, count("each"))
    s:free()
    scripts.catch()
    s = scripts.new {
      worker = 1,
      plugins = {
        p = ("local task = require('moongate.task') return { init = function() %s end }"):format(text),
      },
    }
    advance(0.1)
    assert.equal(0, count("one"))
    assert.equal(1, count("each"))
  end)

  it("refuses `t` outside of the task", function()
    declare(
      "task.once(function(t) kept = t end)",
      [[function M.access(_, ctx)
      ctx.log:notice(select(2, pcall(kept.sleep, kept, 1)))
      ctx.log:notice(select(2, pcall(kept.log.info, kept.log, "x")))
    end]]
    )
    advance(0.1)
    local x = s:exchange()
    x:run("access")
    assert.equal(2, count("this task is not running"))
    x:free()
  end)

  it("has nothing of a request", function()
    declare([[task.once(function(t)
      t.log:notice(tostring(t.request), tostring(t.after), tostring(t.shared), select(2, pcall(function() t.x = 1 end)))
    end)]])
    advance(0.1)
    assert.matches("task: nilnilnil.*t.x cannot be set", scripts.caught())
  end)

  it("can only be declared in init", function()
    declare("", "function M.access(_, ctx) task.every(1, function() end) end")
    local x = s:exchange()
    x:run("access")
    assert.matches("handler.lua:1: task.every can only be called in init", scripts.caught())
    x:free()
  end)

  it("lets a hook that yields by itself fail, in tasks too", function()
    declare("task.once(function() coroutine.yield(1) end)")
    advance(0.1)
    assert.matches("may not yield by itself", scripts.caught())
  end)

  local MISUSE = {
    ["task.every(0, function() end)"] = "task.every: the interval must be seconds, from 0.01 to 30 days",
    ["task.every('1', function() end)"] = "task.every: the interval must be seconds, from 0.01 to 30 days",
    ["task.every(1, 1)"] = "task.every: the task must be a function",
    ["task.once(1)"] = "task.once: the task must be a function",
    ["task.once(print, 1)"] = "task.once: options must be a table",
    ["task.once(print, { x = 1 })"] = 'task.once: "x" means nothing',
    ["task.once(print, { worker = 2 })"] = 'task.once: worker must be "one" or "each"',
    ["task.once(print, { first = -1 })"] = "task.once: first must be seconds, from 0 to 30 days",
    ["for _ = 1, 101 do task.once(print) end"] = "task.once: at most 100 tasks a plugin",
  }
  for call, text in pairs(MISUSE) do
    it("calls it misuse, and the generation is refused: " .. call, function()
      local why = declare(call)
      assert.truthy(why and why:find("p/handler.lua:1: " .. text, 1, true), why)
    end)
  end
end)

describe("a task that asks", function()
  local world

  before_each(function()
    world = proxy.new()
    scripts.catch()
  end)

  after_each(function()
    world:free()
    scripts.release()
  end)

  local function start(task, on_request)
    local back = world:upstream(on_request)
    world:start {
      routes = { { name = "back", paths = { "/" }, targets = { back } } },
      plugin = ("return { init = function() require('moongate.task').once(function(t) %s end) end }"):format(task),
    }
    world:advance(0.01)
    return back
  end

  it("gets its response, and is counted", function()
    start(
      "t.log:notice('got ', t:fetch { service = 'back' }.body)",
      function(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi") end
    )
    world:until_true(function() return count("got hi") == 1 end)
    assert.equal(1, world:scrape()['moongate_upstream_requests_total{service="back",outcome="ok"}'])
  end)

  it("closes what it forgot at the end of its time", function()
    start(
      "t:fetch { service = 'back', stream = true }",
      function(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n") end
    )
    world:until_true(
      function() return world:scrape()['moongate_upstream_requests_total{service="back",outcome="cancelled"}'] end
    )
    assert.equal(0, world:in_flight())
  end)

  it("is cancelled with its generation, whatever it waits for", function()
    for _, wait in ipairs {
      "t:fetch { service = 'back' }",
      "t:fetch_all { { service = 'back' }, { service = 'back' } }",
      "t:race({ service = 'back' }, function() t:fetch { service = 'back' } end)",
      "t:fetch { service = 'back', stream = true }",
      "t:fetch { service = 'back', body = function() t:sleep(9) end }",
    } do
      start(wait, function() end)
      world:until_true(function() return world:in_flight() > 0 end)
      require("support.c").gw_script_retire(world.script)
      assert.equal(0, world:in_flight())
      assert.equal(0, world:scrape()['moongate_upstream_active_requests{service="back"}'])
      world:free()
      world = proxy.new()
    end
  end)
end)
