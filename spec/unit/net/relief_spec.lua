local ffi = require("ffi")
local c = require("support.c")
local net = require("support.net")

describe("gw_loop_relieve", function()
  local loop, ages, closed, busy, giver, offer, close

  before_each(function()
    loop = net.loop(true)
    ages, closed, busy = {}, {}, {}
    close = ffi.cast("bool (*)(void *)", function(owner)
      local id = tonumber(ffi.cast("intptr_t", owner))
      if busy[id] then return false end
      closed[#closed + 1] = ages[id]
      return true
    end)
    offer = ffi.cast("void (*)(struct gw_relief_giver *, struct gw_relief *)", function(_, relief)
      for id, age in ipairs(ages) do
        c.gw_relief_offer(relief, age, close, ffi.cast("void *", id))
      end
    end)
    giver = ffi.new("struct gw_relief_giver")
    giver.offer = offer
    c.gw_relief_join(loop.c, giver)
  end)

  after_each(function()
    c.gw_relief_leave(giver)
    loop:free()
    close:free()
    offer:free()
  end)

  local function relieve()
    closed = {}
    local count = tonumber(c.gw_loop_relieve(loop.c))
    table.sort(closed)
    return count
  end

  it("has nothing to close where nobody offers anything", function() assert.equal(0, relieve()) end)

  it("closes the only one there is", function()
    ages = { 7 }
    assert.equal(1, relieve())
    assert.same({ 7 }, closed)
    assert.equal(1, tonumber(c.gw_loop_relieved(loop.c)))
  end)

  it("closes an eighth and one, the oldest of all, in whatever order they come", function()
    for i = 1, 80 do
      ages[i] = (i * 37) % 80
    end
    assert.equal(11, relieve())
    assert.same({ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, closed)
  end)

  it("closes no more than 128 at once", function()
    for i = 1, 5000 do
      ages[i] = (i * 1237) % 5000
    end
    assert.equal(128, relieve())
    assert.equal(0, closed[1])
    assert.equal(127, closed[128])
  end)

  it("does not count what was not idle after all", function()
    ages = { 1, 2, 3, 4, 5, 6, 7, 8 }
    busy[1] = true
    assert.equal(1, relieve())
    assert.same({ 2 }, closed)
  end)

  it("ends what only lingers for its last answer", function()
    local near, far = net.bound_pair("memory", loop)
    near:close_gently(30)
    assert.equal(1, relieve())
    loop:settle()
    assert.equal("closed", far.ends[1])
    far:close()
    loop:settle()
  end)
end)
