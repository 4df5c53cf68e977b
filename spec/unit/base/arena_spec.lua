local ffi = require("ffi")
local c = require("support.c")

local BLOCK = 4096

local function size(arena) return tonumber(c.gw_arena_size(arena)) end

-- Under ASan: is the byte behind a piece forbidden to touch? nil when there is no ASan.
local function is_poisoned(ptr)
  ffi.cdef "int __asan_address_is_poisoned(void const volatile *addr);"
  local ok, answer = pcall(function() return ffi.C.__asan_address_is_poisoned(ptr) end)
  if ok then return answer ~= 0 end
end

describe("gw_arena", function()
  local arena

  before_each(function() arena = c.gw_arena_new() end)
  after_each(function() c.gw_arena_free(arena) end)

  it("starts with one block", function() assert.equal(BLOCK, size(arena)) end)

  it("aligns every piece for any type", function()
    for i = 1, 40 do
      local at = tonumber(ffi.cast("uintptr_t", c.gw_arena_alloc(arena, i)))
      assert.equal(0, at % 16)
    end
  end)

  it("gives pieces that do not overlap", function()
    local pieces = {}
    for i = 1, 500 do
      pieces[i] = c.gw_arena_alloc(arena, 50)
      ffi.fill(pieces[i], 50, i % 256)
    end
    for i = 1, 500 do
      assert.equal(string.char(i % 256):rep(50), ffi.string(pieces[i], 50))
    end
  end)

  it(
    "gives a piece of no bytes a place of its own",
    function() assert.is_true(c.gw_arena_alloc(arena, 0) ~= c.gw_arena_alloc(arena, 0)) end
  )

  it(
    "fills with zeros when asked to",
    function() assert.equal(("\0"):rep(300), ffi.string(c.gw_arena_alloc_zero(arena, 300), 300)) end
  )

  it("gives a big piece a block of its own", function()
    local piece = c.gw_arena_alloc(arena, 1000000)
    ffi.fill(piece, 1000000, 7)
    assert.is_true(size(arena) >= BLOCK + 1000000)
    assert.is_true(size(arena) < BLOCK + 1000000 + 100)
  end)

  it("goes on in the first block after a big piece", function()
    c.gw_arena_alloc(arena, 1000000)
    local before = size(arena)
    c.gw_arena_alloc(arena, 1000)
    assert.equal(before, size(arena))
  end)

  it("takes another block when the first one is full", function()
    for _ = 1, 5 do
      c.gw_arena_alloc(arena, 1000)
    end
    assert.equal(2 * BLOCK, size(arena))
  end)

  it("copies bytes with a NUL behind them", function()
    local text = "a\0b"
    local copy = c.gw_arena_copy(arena, c.slice(text))
    assert.equal(text, c.str(copy))
    assert.equal(0, copy.ptr[3])
  end)

  it("copies the empty slice", function()
    local copy = c.gw_arena_copy(arena, ffi.new("struct gw_slice"))
    assert.equal(0, tonumber(copy.len))
    assert.equal(0, copy.ptr[0])
  end)

  it("prints, also what is longer than a block", function()
    local long = ("x"):rep(3 * BLOCK)
    assert.equal("<" .. long .. ":7>", c.str(c.gw_arena_printf(arena, "<%s:%d>", long, ffi.new("int", 7))))
  end)

  it("writes numbers", function()
    for _, number in ipairs { 0, 7, 10, 200, 65536 } do
      assert.equal(tostring(number), c.str(c.gw_arena_number(arena, number)))
    end
    assert.equal("18446744073709551615", c.str(c.gw_arena_number(arena, ffi.cast("uint64_t", -1LL))))
  end)

  it("lets ASan see a write behind a piece", function()
    local piece = ffi.cast("char *", c.gw_arena_alloc(arena, 16))
    if is_poisoned(piece + 16) == nil then return end
    assert.is_false(is_poisoned(piece + 15))
    assert.is_true(is_poisoned(piece + 16))
  end)
end)

describe("gw_arena_free", function()
  it("accepts NULL", function() c.gw_arena_free(nil) end)

  it("lets the next arena start small again", function()
    for _ = 1, 200 do
      local arena = c.gw_arena_new()
      for _ = 1, 10 do
        ffi.fill(c.gw_arena_alloc(arena, 1000), 1000, 255)
      end
      c.gw_arena_free(arena)
    end
    local arena = c.gw_arena_new()
    assert.equal(BLOCK, size(arena))
    c.gw_arena_free(arena)
    c.gw_arena_trim()
  end)
end)
