local ffi = require("ffi")
local c = require("support.c")

describe("repeats", function()
  local repeats
  local WARN, ERROR = 3, 4

  before_each(function() repeats = ffi.new("struct gw_repeats[1]") end)
  after_each(function() c.gw_repeats_deinit(repeats) end)

  -- Says a line as the error log does; true when it was written.
  local function say(text, now, level)
    if c.gw_repeats_swallow(repeats, level or WARN, c.slice(text), now) then return false end
    c.gw_repeats_told(repeats)
    c.gw_repeats_written(repeats, level or WARN, c.slice(text), now)
    return true
  end

  local function pending() return tonumber(c.gw_repeats_pending(repeats)) end

  it("lets so many equal lines through, then counts", function()
    for i = 1, 10 do
      assert.is_true(say("a", i))
    end
    assert.is_false(say("a", 11))
    assert.is_false(say("a", 12))
    assert.equal(2, pending())
  end)

  it("begins anew each second", function()
    for i = 1, 15 do
      say("a", i)
    end
    assert.is_false(c.gw_repeats_due(repeats, 500000))
    assert.is_true(c.gw_repeats_due(repeats, 1000001))
    assert.is_true(say("a", 1000001))
    assert.equal(0, pending())
    for i = 2, 10 do
      assert.is_true(say("a", 1000000 + i))
    end
    assert.is_false(say("a", 1000011))
  end)

  it("knows lines apart by text and level", function()
    for i = 1, 11 do
      say("a", i)
    end
    assert.is_true(say("b", 20))
    assert.is_true(say("b", 21, ERROR))
    assert.is_true(say("a", 22))
  end)
end)
