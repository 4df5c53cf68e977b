local c = require("support.c")
local ffi = require("ffi")

describe("pieces of memory", function()
  local pieces

  before_each(function()
    pieces = ffi.new("struct gw_pieces")
    c.gw_pieces_init(pieces)
    c.gw_pieces_open(pieces)
  end)
  after_each(function() c.gw_pieces_deinit(pieces) end)

  local function resize(ptr, old, new) return c.gw_pieces_resize(pieces, ptr, old, new) end
  local function inside(ptr)
    local at = ffi.cast("char *", ptr)
    return at >= pieces.start and at < pieces["end"]
  end

  it("come from the region when they are small", function()
    local small, large = resize(nil, 0, 256), resize(nil, 0, 257)
    assert.is_true(inside(small))
    assert.is_false(inside(large))
    assert.is_true(resize(small, 256, 0) == nil)
    assert.is_true(resize(large, 257, 0) == nil)
  end)

  it("are used again, the last first", function()
    local a, b = resize(nil, 0, 40), resize(nil, 0, 48)
    assert.is_false(a == b)
    resize(a, 40, 0)
    resize(b, 48, 0)
    assert.is_true(resize(nil, 0, 33) == b)
    assert.is_true(resize(nil, 0, 48) == a)
    assert.is_false(resize(nil, 0, 32) == a) -- another size
  end)

  it("stay where they are while their size is about the same", function()
    local a = resize(nil, 0, 33)
    assert.is_true(resize(a, 33, 48) == a)
    assert.is_false(resize(a, 48, 49) == a)
  end)

  it("keep their content through every change of size", function()
    local held, sizes = {}, {}
    math.randomseed(7)
    for turn = 1, 20000 do
      local i = math.random(200)
      local old, new = sizes[i] or 0, math.random(3) == 1 and 0 or math.random(400)
      local ptr = held[i]
      for at = 0, old - 1 do
        if ptr[at] ~= i then error(("byte %d of %d in turn %d"):format(at, i, turn)) end
      end
      ptr = resize(ptr, old, new)
      held[i], sizes[i] = nil, nil
      if new > 0 then
        held[i], sizes[i] = ffi.cast("unsigned char *", ptr), new
        for at = 0, math.min(old, new) - 1 do
          if held[i][at] ~= i then error(("byte %d of %d was lost in turn %d"):format(at, i, turn)) end
        end
        ffi.fill(ptr, new, i)
      end
    end
    for i, ptr in pairs(held) do
      resize(ptr, sizes[i], 0)
    end
  end)

  it("come from elsewhere when the region is full, and go back there", function()
    local held, outside = {}, 0
    for i = 1, 20000 do
      held[i] = resize(nil, 0, 256)
      if not inside(held[i]) then outside = outside + 1 end
    end
    assert.is_true(outside > 0 and outside < 20000)
    for i = 1, 20000 do
      resize(held[i], 256, 0)
    end
    assert.is_true(inside(resize(nil, 0, 256)))
  end)

  it("come from elsewhere without a region", function()
    c.gw_pieces_deinit(pieces)
    local a = resize(nil, 0, 16)
    a = resize(a, 16, 300)
    resize(a, 300, 0)
  end)

  it("that were never given back are freed at the end", function() -- else the leak checker finds them
    resize(resize(nil, 0, 300), 300, 5000)
    resize(nil, 0, 16)
    c.gw_pieces_deinit(pieces)
  end)
end)
