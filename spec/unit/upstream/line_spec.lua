local c = require("support.c")
local ffi = require("ffi")
local net = require("support.net")

describe("gw_line", function()
  local loop, line, calls, on_call

  before_each(function()
    loop, line, calls = net.loop(true), ffi.new("struct gw_line"), 0
    c.gw_line_init(line)
    on_call = ffi.cast("void (*)(void *)", function() calls = calls + 1 end)
  end)

  after_each(function()
    loop:free()
    c.gw_line_deinit(line)
    on_call:free()
  end)

  local function turn()
    for _ = 1, 3 do
      c.gw_loop_turn(loop.c, false)
    end
  end
  local function wait(look, most) return c.gw_line_wait(line, most or 10, look, loop.c, on_call, nil) end

  it("calls who gets in line after the place he looked for was given back", function()
    assert.is_true(c.gw_line_enter(line, 1, false))
    local look = c.gw_line_look(line)
    assert.is_false(c.gw_line_enter(line, 1, false))
    c.gw_line_leave(line) -- and finds nobody to call
    local one = wait(look)
    assert.equal(0, calls) -- never before it returned
    turn()
    assert.equal(1, calls)
    assert.is_true(c.gw_line_enter(line, 1, true))
    c.gw_line_done(one, false)
    c.gw_line_leave(line)
  end)

  it("calls who goes back to the front after something changed while he looked", function()
    assert.is_true(c.gw_line_enter(line, 1, false))
    local one = wait(c.gw_line_look(line))
    c.gw_line_leave(line)
    turn()
    assert.equal(1, calls)
    local look = c.gw_line_look(line)
    assert.is_true(c.gw_line_enter(line, 1, true)) -- by somebody who was called, too
    c.gw_line_leave(line)
    c.gw_line_again(one, look)
    turn()
    assert.equal(2, calls)
    c.gw_line_cancel(one)
  end)

  it("calls who gets in line after the last one who waited left", function()
    local first = wait(c.gw_line_look(line))
    local look = c.gw_line_look(line)
    assert.is_false(c.gw_line_enter(line, 1, false)) -- somebody waits
    c.gw_line_cancel(first)
    local second = wait(look)
    turn()
    -- Nothing was taken, so there is nothing to be called for; but nobody else would ever call either.
    assert.equal(1, calls)
    c.gw_line_cancel(second)
  end)

  it("lets no more wait than may", function()
    local one = wait(c.gw_line_look(line), 1)
    assert.is_true(wait(c.gw_line_look(line), 1) == nil)
    assert.equal(1, tonumber(line.full))
    c.gw_line_cancel(one)
  end)

  it("says nothing to who left after the call was on its way", function()
    assert.is_true(c.gw_line_enter(line, 1, false))
    local one, two = wait(c.gw_line_look(line)), wait(c.gw_line_look(line))
    c.gw_line_leave(line)
    c.gw_line_cancel(one)
    turn()
    assert.equal(1, calls) -- the other one is
    c.gw_line_cancel(two)
  end)
end)
