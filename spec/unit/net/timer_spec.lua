local ffi = require("ffi")
local c = require("support.c")
local net = require("support.net")

describe("timers", function()
  local loop, fired, actions, on_fire, names, keep

  local function key(timer) return tonumber(ffi.cast("intptr_t", ffi.cast("void *", timer))) end

  local function name_of(timer) return names[key(timer)] end

  local function new(name)
    local timer = ffi.new("struct gw_timer")
    keep[#keep + 1] = timer
    names[key(timer)] = name
    return timer
  end

  local function start(timer, ms) c.gw_timer_start(loop.c, timer, ms * 1000, on_fire) end

  local function now_ms() return tonumber(loop.c.clock.now_us) / 1000 end

  local function setup(virtual)
    fired, actions, names, keep = {}, {}, {}, {}
    loop = net.loop(virtual)
    local base = now_ms()
    on_fire = ffi.cast("gw_timer_cb", function(timer)
      local name = name_of(timer)
      fired[#fired + 1] = { name = name, at = now_ms() - base, running = c.gw_timer_running(timer) }
      if actions[name] then actions[name](timer) end
    end)
  end

  after_each(function()
    loop:free()
    on_fire:free()
  end)

  local function fired_names()
    local list = {}
    for _, f in ipairs(fired) do
      list[#list + 1] = f.name
    end
    return table.concat(list, " ")
  end

  local function advance(ms) c.gw_loop_advance(loop.c, ms * 1000) end

  describe("on a virtual clock", function()
    before_each(function() setup(true) end)

    it("fire in order of their time, each at its own", function()
      start(new("c"), 30)
      start(new("a"), 10)
      start(new("b"), 20.5)
      start(new("far"), 3600 * 1000)
      start(new("a2"), 10)
      advance(29)
      assert.equal("a a2 b", fired_names())
      assert.equal(10, fired[1].at)
      assert.equal(20.5, fired[3].at)
      assert.is_false(fired[1].running)
      advance(1)
      assert.equal("a a2 b c", fired_names())
      advance(3600 * 1000)
      assert.equal("a a2 b c far", fired_names())
      assert.equal(3600 * 1000, fired[5].at)
    end)

    it("never fire before they were started, not even without a delay", function()
      start(new("now"), 0)
      assert.equal("", fired_names())
      advance(0)
      assert.equal("now", fired_names())
    end)

    it("move, later and earlier", function()
      local timer = new("t")
      start(timer, 10)
      start(timer, 50)
      advance(40)
      assert.equal("", fired_names())
      start(timer, 5)
      advance(5)
      assert.equal("t", fired_names())
      assert.equal(45, fired[1].at)
      advance(1000)
      assert.equal(1, #fired)
    end)

    it("move lazily: a deadline put off over and over fires once, at its last", function()
      local timer = new("t")
      for _ = 1, 1000 do
        start(timer, 60 * 1000)
        advance(50)
      end
      assert.equal("", fired_names())
      advance(60 * 1000)
      assert.equal(50 * 1000 - 50 + 60 * 1000, fired[1].at)
    end)

    it("stop", function()
      local timer = new("t")
      c.gw_timer_stop(timer)
      start(timer, 10)
      assert.is_true(c.gw_timer_running(timer))
      c.gw_timer_stop(timer)
      c.gw_timer_stop(timer)
      assert.is_false(c.gw_timer_running(timer))
      advance(1000)
      assert.equal("", fired_names())
    end)

    it("may be stopped by another's callback at the same time", function()
      local one, two = new("one"), new("two")
      actions.one = function() c.gw_timer_stop(two) end
      start(one, 10)
      start(two, 10)
      advance(20)
      assert.equal("one", fired_names())
    end)

    it("may start themselves again in their callback", function()
      local timer = new("t")
      actions.t = function() start(timer, 10) end
      start(timer, 10)
      advance(35)
      assert.equal("t t t", fired_names())
      assert.equal(30, fired[3].at)
      c.gw_timer_stop(timer)
    end)

    it("started in a callback fire between those that were there before", function()
      actions.a = function() start(new("between"), 1) end
      start(new("a"), 10)
      start(new("c"), 12)
      advance(20)
      assert.equal("a between c", fired_names())
    end)

    it("started without a delay in a callback come before the next tick", function()
      actions.a = function() start(new("at once"), 0) end
      start(new("a"), 8)
      start(new("b"), 16)
      advance(20)
      assert.equal("a at once b", fired_names())
      assert.equal(8, fired[2].at)
    end)

    it("far away do not hide behind those that are near", function()
      start(new("far"), 4096 + 8) -- a round of the wheel and two ticks
      start(new("near"), 12)
      advance(10)
      assert.equal("", fired_names())
      advance(10)
      assert.equal("near", fired_names())
      advance(4096)
      assert.equal("near far", fired_names())
      assert.equal(4104, fired[2].at)
    end)

    it("tell which is next", function()
      local due = ffi.new("uint64_t[1]")
      assert.is_false(c.gw_loop_next_timer(loop.c, due))
      local far, near = new("far"), new("near")
      start(far, 100 * 1000)
      assert.is_true(c.gw_loop_next_timer(loop.c, due))
      assert.equal(100 * 1000, tonumber(due[0]) / 1000 - now_ms())
      start(near, 7)
      start(near, 9) -- put off
      c.gw_loop_next_timer(loop.c, due)
      assert.equal(9, tonumber(due[0]) / 1000 - now_ms())
      c.gw_timer_stop(near)
      c.gw_loop_next_timer(loop.c, due)
      assert.equal(100 * 1000, tonumber(due[0]) / 1000 - now_ms())
      c.gw_timer_stop(far)
      assert.is_false(c.gw_loop_next_timer(loop.c, due))
    end)

    it("run what their callbacks deferred before the next one", function()
      local order = {}
      local defer = ffi.new("struct gw_defer")
      local run = ffi.cast("void (*)(struct gw_defer *)", function() order[#order + 1] = "deferred" end)
      actions.a = function()
        order[#order + 1] = "a"
        c.gw_loop_defer(loop.c, defer, run)
      end
      actions.b = function() order[#order + 1] = "b" end
      start(new("a"), 1)
      start(new("b"), 2)
      advance(10)
      run:free()
      assert.same({ "a", "deferred", "b" }, order)
    end)

    it("agree with a sorted list, 10,000 of them, moved and stopped at random", function()
      math.randomseed(42)
      local expected, due = {}, {}
      local timers = ffi.new("struct gw_timer[10000]")
      local began_us = tonumber(loop.c.clock.now_us)
      local function place(i)
        due[i] = math.random(0, 20 * 1000 * 1000)
        c.gw_timer_start(loop.c, timers + i, due[i], on_fire)
      end
      for i = 0, 9999 do
        names[key(timers + i)] = i
        actions[i] = function() fired[#fired].at_us = tonumber(loop.c.clock.now_us) - began_us end
        place(i)
      end
      for _ = 1, 5000 do
        local i = math.random(0, 9999)
        if math.random() < 0.3 then
          c.gw_timer_stop(timers + i)
          due[i] = nil
        else
          place(i)
        end
      end
      for _, at in pairs(due) do
        expected[#expected + 1] = at
      end
      table.sort(expected)
      for _ = 1, 100 do
        advance(200)
      end
      assert.equal(#expected, #fired)
      for i, f in ipairs(fired) do
        assert.is_true(f.at_us == expected[i] and f.at_us == due[f.name])
      end
    end)
  end)

  describe("on the real clock", function()
    before_each(function() setup(false) end)

    it("are never early and at most a few ticks late", function()
      for i = 1, 20 do
        start(new(i), i * 3.3)
      end
      loop:until_true(function() return #fired == 20 end)
      for _, f in ipairs(fired) do
        assert.is_true(f.at >= f.name * 3.3, f.at)
      end
      assert.is_true(fired[20].at < 20 * 3.3 + 500)
    end)

    it("keep the loop alive, and let it go", function()
      local timer = new("t")
      start(timer, 5)
      assert.is_true(loop:turn(false))
      while loop:turn(true) do
      end
      assert.equal("t", fired_names())
      start(timer, 1000)
      c.gw_timer_stop(timer)
      assert.is_false(loop:turn(true)) -- does not wait for what was stopped
    end)

    it("started again in their callback without a delay let others have their turn", function()
      local timer, rounds = new("t"), 0
      actions.t = function()
        rounds = rounds + 1
        start(timer, 0)
      end
      start(timer, 0)
      start(new("other"), 20)
      loop:until_true(function() return fired_names():find("other") end)
      assert.is_true(rounds > 1 and rounds < 100, rounds)
      c.gw_timer_stop(timer)
    end)

    it("beyond the width of the wheel stay put until it comes by", function()
      local timer = new("t")
      start(timer, 60 * 1000)
      start(timer, 30)
      loop:until_true(function() return #fired == 1 end)
      assert.is_true(fired[1].at >= 30)
    end)

    it("may be running when the loop ends, and be stopped after it", function()
      local timer = new("t")
      start(timer, 1000)
      local old = loop
      loop = net.loop()
      old:free()
      c.gw_timer_stop(timer)
    end)
  end)
end)
