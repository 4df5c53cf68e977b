local ffi = require("ffi")
local c = require("support.c")

local EMPTY = ffi.new("struct gw_slice")

describe("gw_slice_equal", function()
  it("compares bytes, NULs included", function()
    assert.is_true(c.gw_slice_equal(c.slice("a\0b"), c.slice("a\0b")))
    assert.is_false(c.gw_slice_equal(c.slice("a\0b"), c.slice("a\0c")))
  end)

  it(
    "tells a prefix from the whole",
    function() assert.is_false(c.gw_slice_equal(c.slice("ab"), c.slice("abc"))) end
  )

  it("takes all empty slices for equal", function() assert.is_true(c.gw_slice_equal(EMPTY, c.slice(""))) end)
end)

describe("gw_slice_equal_nocase", function()
  it(
    "folds ASCII letters",
    function() assert.is_true(c.gw_slice_equal_nocase(c.slice("Content-Type"), c.slice("cONTENT-tYPE"))) end
  )

  it("folds nothing else", function()
    assert.is_false(c.gw_slice_equal_nocase(c.slice("[a"), c.slice("{a")))
    assert.is_false(c.gw_slice_equal_nocase(c.slice("\196"), c.slice("\228")))
  end)
end)

describe("gw_slice_starts_with", function()
  it("knows a prefix", function()
    assert.is_true(c.gw_slice_starts_with(c.slice("/users/1"), c.slice("/users")))
    assert.is_false(c.gw_slice_starts_with(c.slice("/use"), c.slice("/users")))
  end)

  it("finds the empty prefix everywhere", function() assert.is_true(c.gw_slice_starts_with(EMPTY, EMPTY)) end)
end)

describe("gw_slice_from", function()
  it("takes a C string", function() assert.equal("abc", c.str(c.gw_slice_from("abc"))) end)

  it("makes the empty slice of NULL", function() assert.equal(0, tonumber(c.gw_slice_from(nil).len)) end)
end)

describe("gw_slice_skip", function()
  it("leaves the end", function()
    local slice = c.slice("abc")
    assert.equal("bc", c.str(c.gw_slice_skip(slice, 1)))
  end)

  it("is empty past the end", function()
    local slice = c.slice("abc")
    assert.equal("", c.str(c.gw_slice_skip(slice, 4)))
    assert.equal("", c.str(c.gw_slice_skip(EMPTY, 1)))
  end)
end)

describe("gw_slice_trim", function()
  it("takes spaces and tabs away at both ends", function()
    local slice = c.slice(" \t a b\t ")
    assert.equal("a b", c.str(c.gw_slice_trim(slice)))
  end)

  it("keeps line ends, which are no blanks in HTTP", function()
    local slice = c.slice(" \ra\n ")
    assert.equal("\ra\n", c.str(c.gw_slice_trim(slice)))
  end)

  it("leaves nothing of blanks", function()
    local slice = c.slice(" \t ")
    assert.equal("", c.str(c.gw_slice_trim(slice)))
  end)
end)

describe("gw_slice_next", function()
  local function items(text)
    local list, rest, item = {}, c.slice(text), ffi.new("struct gw_slice")
    local anchor = rest
    while c.gw_slice_next(rest, (","):byte(), item) do
      list[#list + 1] = c.str(item)
    end
    return list, anchor
  end

  it("cuts a list into trimmed items", function() assert.same({ "a", "b c", "d" }, (items("a, b c ,d"))) end)

  it("returns empty items too", function() assert.same({ "", "a", "", "" }, (items(",a, ,"))) end)

  it("has one empty item in an empty text", function() assert.same({ "" }, (items(""))) end)

  it("has no item in the empty slice", function()
    local rest, item = ffi.new("struct gw_slice"), ffi.new("struct gw_slice")
    assert.is_false(c.gw_slice_next(rest, (","):byte(), item))
  end)
end)

describe("gw_slice_to_int64", function()
  local function parse(text)
    local value = ffi.new("int64_t[1]")
    if c.gw_slice_to_int64(c.slice(text), value) then return value[0] end
  end

  it("reads digits", function()
    assert.is_true(parse("0") == 0)
    assert.is_true(parse("0042") == 42)
  end)

  it("reads up to INT64_MAX", function() assert.is_true(parse("9223372036854775807") == 9223372036854775807LL) end)

  for _, text in ipairs {
    "",
    "-1",
    "+1",
    " 1",
    "1 ",
    "1a",
    "0x1",
    "1.0",
    "9223372036854775808",
    "99999999999999999999999",
  } do
    it(("refuses %q"):format(text), function() assert.is_nil(parse(text)) end)
  end
end)
