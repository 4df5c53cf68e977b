local ffi = require("ffi")
local c = require("support.c")
local net = require("support.net")

ffi.cdef([[
unsigned gw_spec_post_from_threads(struct gw_loop *loop, unsigned threads, unsigned each);
]])

describe("a loop", function()
  local loop, freed

  local function callback(ctype, fn)
    local cb = ffi.cast(ctype, fn)
    freed[#freed + 1] = cb
    return cb
  end

  before_each(function()
    freed = {}
    loop = net.loop()
  end)

  after_each(function()
    loop:free()
    for _, cb in ipairs(freed) do
      cb:free()
    end
  end)

  local function defer_type() return "void (*)(struct gw_defer *)" end

  it("runs deferred calls at the end of the turn, in order, once each", function()
    local order = {}
    local one, two = ffi.new("struct gw_defer"), ffi.new("struct gw_defer")
    local run = callback(defer_type(), function(defer) order[#order + 1] = defer == one and "one" or "two" end)
    c.gw_loop_defer(loop.c, one, run)
    c.gw_loop_defer(loop.c, two, run)
    c.gw_loop_defer(loop.c, one, run)
    assert.same({}, order)
    loop:turn(false)
    assert.same({ "one", "two" }, order)
    loop:turn(false)
    assert.equal(2, #order)
  end)

  it("forgets a cancelled one", function()
    local ran = false
    local defer = ffi.new("struct gw_defer")
    c.gw_loop_defer(loop.c, defer, callback(defer_type(), function() ran = true end))
    c.gw_defer_cancel(defer)
    c.gw_defer_cancel(defer)
    assert.is_false(loop:turn(false))
    assert.is_false(ran)
  end)

  it("does not block while something is deferred, and says what is alive", function()
    local rounds = 0
    local defer = ffi.new("struct gw_defer")
    local run
    run = callback(defer_type(), function()
      rounds = rounds + 1
      if rounds < 3000 then c.gw_loop_defer(loop.c, defer, run) end -- more than one turn's worth
    end)
    c.gw_loop_defer(loop.c, defer, run)
    assert.is_true(loop:turn(true))
    assert.is_true(rounds < 3000) -- I/O had its turn
    while loop:turn(true) do
    end
    assert.equal(3000, rounds)
  end)

  it("delivers messages, those from its own thread too, in order", function()
    local got, messages = {}, {}
    local deliver = callback("void (*)(struct gw_message *, struct gw_loop *)", function(message, at)
      assert(at == loop.c)
      for i, m in ipairs(messages) do
        if m == message then got[#got + 1] = i end
      end
    end)
    for i = 1, 5 do
      messages[i] = ffi.new("struct gw_message")
      messages[i].deliver = deliver
      c.gw_loop_post(loop.c, messages[i])
    end
    assert.same({}, got)
    loop:turn(false)
    assert.same({ 1, 2, 3, 4, 5 }, got)
  end)

  it(
    "delivers what other threads post: all of it, in each sender's order, then stops",
    function() assert.equal(100000, ffi.C.gw_spec_post_from_threads(loop.c, 2, 50000)) end
  )

  it("delivers what was posted before it ended", function()
    local got = 0
    local message = ffi.new("struct gw_message")
    message.deliver = callback("void (*)(struct gw_message *, struct gw_loop *)", function() got = got + 1 end)
    c.gw_loop_post(loop.c, message)
    local old = loop
    loop = net.loop()
    old:free()
    assert.equal(1, got)
  end)

  it("has a clock that stands still within a turn and moves with the next", function()
    local seen = {}
    local timer = ffi.new("struct gw_timer")
    local fire = callback("gw_timer_cb", function() seen[#seen + 1] = tonumber(loop.c.clock.now_us) end)
    local before = tonumber(loop.c.clock.now_us)
    c.gw_timer_start(loop.c, timer, 20000, fire)
    loop:until_true(function() return #seen == 1 end)
    assert.is_true(seen[1] >= before + 20000)
    assert.is_true(math.abs(tonumber(loop.c.clock.wall_us) / 1e6 - os.time()) < 2)
  end)
end)
