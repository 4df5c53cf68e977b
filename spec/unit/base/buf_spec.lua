local ffi = require("ffi")
local c = require("support.c")
local child = require("support.child")

describe("gw_buf", function()
  local buf

  local function start(max)
    buf = ffi.new("struct gw_buf")
    c.gw_buf_init(buf, max)
    return buf
  end

  local function text() return c.str(c.gw_buf_slice(buf)) end

  after_each(function() c.gw_buf_deinit(buf) end)

  it("holds no memory before the first byte", function()
    start(100)
    assert.is_true(buf.data == nil)
  end)

  it("appends", function()
    start(100)
    assert.is_true(c.gw_buf_append(buf, c.slice("ab\0")))
    assert.is_true(c.gw_buf_append_char(buf, ("c"):byte()))
    assert.equal("ab\0c", text())
  end)

  it("grows over many appends", function()
    start(1000000)
    for _ = 1, 1000 do
      c.gw_buf_append(buf, c.slice(("0123456789"):rep(10)))
    end
    assert.equal(("0123456789"):rep(10000), text())
  end)

  it("takes exactly its maximum", function()
    start(10)
    assert.is_true(c.gw_buf_append(buf, c.slice("0123456789")))
    assert.is_false(c.gw_buf_append_char(buf, 65))
    assert.equal("0123456789", text())
  end)

  it("changes nothing when an append would pass the maximum", function()
    start(10)
    c.gw_buf_append(buf, c.slice("01234"))
    assert.is_false(c.gw_buf_append(buf, c.slice("012345")))
    assert.equal("01234", text())
  end)

  it("refuses a length that would wrap around", function()
    start(10)
    c.gw_buf_append(buf, c.slice("01234"))
    assert.is_true(c.gw_buf_reserve(buf, ffi.cast("size_t", -1)) == nil)
  end)

  it("prints", function()
    start(100)
    assert.is_true(c.gw_buf_printf(buf, "%s=%d", "n", ffi.new("int", 42)))
    assert.equal("n=42", text())
  end)

  it("prints up to its maximum", function()
    start(300)
    assert.is_true(c.gw_buf_printf(buf, "%s", ("x"):rep(300)))
    assert.equal(("x"):rep(300), text())
  end)

  it("prints nothing of what would pass the maximum", function()
    start(300)
    c.gw_buf_append(buf, c.slice("ab"))
    assert.is_false(c.gw_buf_printf(buf, "%s", ("x"):rep(299)))
    assert.equal("ab", text())
  end)

  it("reserves room to be written to directly", function()
    start(1000)
    local place = c.gw_buf_reserve(buf, 600)
    ffi.fill(place, 600, 65)
    buf.len = 600
    assert.equal(("A"):rep(600), text())
  end)

  it("takes bytes away at the front", function()
    start(100)
    c.gw_buf_append(buf, c.slice("hello world"))
    c.gw_buf_consume(buf, 6)
    assert.equal("world", text())
    c.gw_buf_consume(buf, 5)
    assert.equal("", text())
  end)

  it("aborts when more is taken away than there is", function()
    start(100)
    assert.matches("len <= buf%->len", child.abort(function() c.gw_buf_consume(buf, 1) end))
  end)

  it("keeps its memory when it is cleared", function()
    start(100)
    c.gw_buf_append(buf, c.slice("abc"))
    local data = buf.data
    c.gw_buf_clear(buf)
    c.gw_buf_append(buf, c.slice("de"))
    assert.is_true(data == buf.data)
    assert.equal("de", text())
  end)
end)
