local ffi = require("ffi")
local c = require("support.c")

ffi.cdef([[unsigned gw_spec_ring_race(struct gw_ring *ring, unsigned lines);]])

describe("the ring", function()
  local ring

  before_each(function() ring = c.gw_ring_new(4096) end)
  after_each(function() c.gw_ring_free(ring) end)

  local function put(text) return c.gw_ring_put(ring, c.slice(text)) end

  local function peek(max)
    local lines = ffi.new("struct gw_slice[?]", max)
    local list = {}
    for i = 0, c.gw_ring_peek(ring, lines, max) - 1 do
      list[#list + 1] = c.str(lines[i])
    end
    return list
  end

  it("gives lines in the order they were put, until they are consumed", function()
    assert.same({}, peek(10))
    assert.is_true(put("one\n"))
    put("")
    put("three\n")
    assert.same({ "one\n", "" }, peek(2))
    assert.same({ "one\n", "", "three\n" }, peek(10))
    c.gw_ring_consume(ring, 2)
    assert.same({ "three\n" }, peek(10))
    c.gw_ring_consume(ring, 1)
    assert.same({}, peek(10))
  end)

  it("tells when the other side may be asleep", function()
    put("one")
    assert.is_true(c.gw_ring_was_empty(ring))
    put("two")
    assert.is_false(c.gw_ring_was_empty(ring))
    c.gw_ring_consume(ring, 1)
    put("three")
    assert.is_false(c.gw_ring_was_empty(ring))
    c.gw_ring_consume(ring, 2)
    put("four")
    assert.is_true(c.gw_ring_was_empty(ring))
  end)

  it("drops what has no room, and counts it", function()
    local count = 0
    while put(("x"):rep(100)) do
      count = count + 1
    end
    assert.equal(39, count) -- 104 bytes each
    assert.is_false(put(("x"):rep(100)))
    assert.equal(2, tonumber(c.gw_ring_dropped(ring)))
    assert.equal(39, #peek(100))
    c.gw_ring_consume(ring, 1)
    assert.is_true(put(("y"):rep(100)))
  end)

  it("drops a line that is out of proportion", function()
    assert.is_false(put(("x"):rep(1025)))
    assert.is_true(put(("x"):rep(1024)))
    assert.equal(1, tonumber(c.gw_ring_dropped(ring)))
  end)

  it("keeps lines of every length whole, round and round", function()
    local sent, got = 0, 0
    local function line(i) return (string.char(97 + i % 26)):rep(i * 7 % 900) end
    while got < 5000 do
      while put(line(sent)) do
        sent = sent + 1
      end
      local lines = peek(3)
      assert.is_true(#lines > 0)
      for _, text in ipairs(lines) do
        assert.equal(line(got), text)
        got = got + 1
      end
      c.gw_ring_consume(ring, #lines)
    end
  end)

  it(
    "loses nothing between two threads, and wakes the one that sleeps",
    function() assert.equal(200000, ffi.C.gw_spec_ring_race(ring, 200000)) end
  )
end)
