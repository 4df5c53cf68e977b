local c = require("support.c")
local cjson = require("cjson")
local ffi = require("ffi")

local function quoted(text)
  local buf = ffi.new("struct gw_buf")
  c.gw_buf_init(buf, 1024)
  assert.is_true(c.gw_json_string(buf, c.slice(text)))
  local result = ffi.string(buf.data, buf.len)
  c.gw_buf_deinit(buf)
  return result
end

describe("gw_json_string", function()
  it(
    "escapes what JSON does not allow inside quotes",
    function() assert.equal([["a\"b\\c\n\r\t\u0000\u001b\u007f"]], quoted('a"b\\c\n\r\t\0\27\127')) end
  )

  it(
    "keeps UTF-8 as it is",
    function() assert.equal('"é€\u{1F319}\u{10FFFF}"', quoted("é€\u{1F319}\u{10FFFF}")) end
  )

  it("replaces every byte that is not UTF-8", function()
    for _, bad in ipairs {
      "\x80",
      "\xff",
      "\xc0\xaf",
      "\xe0\x80\x80",
      "\xed\xa0\x80",
      "\xf0\x80\x80\x80",
      "\xf4\x90\x80\x80",
      "\xf5\x80\x80\x80",
      "\xe2\x82",
      "\xc3",
    } do
      assert.equal('"a' .. ("\u{FFFD}"):rep(#bad) .. 'b"', quoted("a" .. bad .. "b"))
    end
  end)

  it("gives something that parses back, byte by byte", function()
    for byte = 0, 127 do
      assert.equal(string.char(byte), cjson.decode("[" .. quoted(string.char(byte)) .. "]")[1])
    end
  end)

  it("leaves the buffer as it was when the text does not fit", function()
    local buf = ffi.new("struct gw_buf")
    c.gw_buf_init(buf, 6)
    assert.is_true(c.gw_buf_append(buf, c.slice("abc")))
    assert.is_false(c.gw_json_string(buf, c.slice("defg")))
    assert.equal("abc", ffi.string(buf.data, buf.len))
    c.gw_buf_deinit(buf)
  end)
end)
