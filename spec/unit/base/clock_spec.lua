local ffi = require("ffi")
local c = require("support.c")
local child = require("support.child")

local function new_clock(is_virtual)
  local clock = ffi.new("struct gw_clock")
  c.gw_clock_init(clock, is_virtual)
  return clock
end

describe("a virtual gw_clock", function()
  it("starts at one second, at the beginning of 2026", function()
    local clock = new_clock(true)
    assert.equal(1000000, tonumber(clock.now_us))
    assert.equal("2026-01-01T00:00:00", os.date("!%Y-%m-%dT%H:%M:%S", tonumber(clock.wall_us / 1000000)))
  end)

  it("moves both times when it is advanced", function()
    local clock = new_clock(true)
    local wall = clock.wall_us
    c.gw_clock_advance(clock, 1500)
    assert.equal(1001500, tonumber(clock.now_us))
    assert.equal(1500, tonumber(clock.wall_us - wall))
  end)

  it("does not move by itself", function()
    local clock = new_clock(true)
    c.gw_clock_refresh(clock)
    assert.equal(1000000, tonumber(clock.now_us))
  end)

  it("has nothing to catch up with", function()
    local clock = new_clock(true)
    c.gw_clock_catch_up(clock)
    assert.equal(1000000, tonumber(clock.now_us))
  end)

  it("has no finer reading than its time", function()
    local clock = new_clock(true)
    assert.equal(1000000, tonumber(c.gw_clock_precise_us(clock)))
  end)
end)

describe("a real gw_clock", function()
  it("catches up once the kernel's tick went by", function()
    local clock = new_clock(false)
    local before = clock.now_us
    repeat
      c.gw_clock_catch_up(clock)
    until clock.now_us ~= before
    assert.is_true(clock.now_us > before and clock.now_us <= c.gw_clock_precise_us(clock))
  end)

  it("knows the wall time", function()
    local clock = new_clock(false)
    assert.is_true(math.abs(tonumber(clock.wall_us) / 1e6 - os.time()) < 5)
  end)

  it("stands still until it is refreshed, then goes forward", function()
    local clock = new_clock(false)
    local before = clock.now_us
    repeat
    until c.gw_clock_precise_us(clock) > before
    assert.is_true(clock.now_us == before)
    c.gw_clock_refresh(clock)
    assert.is_true(clock.now_us > before)
  end)

  it("has a steady reading that does not follow when the wall's clock is set (2.6.5)", function()
    local clock = new_clock(false)
    local before = c.gw_clock_steady_us(clock)
    assert.is_true(math.abs(tonumber(before) / 1e6 - os.time()) < 3600)
    for _, jump in ipairs { 3600, -7200 } do
      clock.wall_us = clock.wall_us + jump * 1000000
      assert.is_true(c.gw_clock_steady_us(clock) == before)
    end
    clock.now_us = clock.now_us + 250
    assert.equal(250, tonumber(c.gw_clock_steady_us(clock) - before))
  end)

  it("cannot be advanced", function()
    local clock = new_clock(false)
    assert.matches("is_virtual", child.abort(function() c.gw_clock_advance(clock, 1) end))
  end)
end)
