local c = require("support.c")
local ffi = require("ffi")

describe("token", function()
  local TCHARS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

  it("knows every tchar and nothing else", function()
    for byte = 0, 255 do
      local char = string.char(byte)
      local is = TCHARS:find(char, 1, true) ~= nil
      assert.equal(is, c.gw_token_valid(c.slice(char)), byte)
      assert.equal(is and char:lower():byte() or 0, c.gw_token_lower(byte), byte)
    end
  end)

  it("is at least one of them", function()
    assert.is_false(c.gw_token_valid(c.slice("")))
    assert.is_true(c.gw_token_valid(c.slice("M-SEARCH")))
    assert.is_false(c.gw_token_valid(c.slice("a b")))
  end)

  it("as a field name has no upper case", function()
    assert.is_true(c.gw_field_name_valid(c.slice("x-a_b.c")))
    for _, name in ipairs({ "", "X-a", "x a", "x:", "x\r\n", "x\0", "\xc3" }) do
      assert.is_false(c.gw_field_name_valid(c.slice(name)), name)
    end
  end)

  local LENGTHS = { 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40 }

  -- visit(text, place): one byte in the midst of letters, at every place of texts of every length.
  local function everywhere(byte, visit)
    for _, length in ipairs(LENGTHS) do
      for at = 1, length do
        visit(("a"):rep(at - 1) .. string.char(byte) .. ("z"):rep(length - at), at)
      end
    end
  end

  it("is told from what is none wherever the byte stands that decides", function()
    for byte = 0, 255 do
      local lower = string.char(byte):lower()
      local is = TCHARS:find(lower, 1, true) ~= nil
      local is_own = is and lower:byte() == byte
      everywhere(byte, function(text)
        assert.equal(is_own, c.gw_field_name_valid(c.slice(text)), text)
        assert.equal(byte > 0x20 and byte < 0x7f, c.gw_visible_valid(c.slice(text)), text)
      end)
    end
  end)

  it("is lowered where it stands, with nothing beside it", function()
    for byte = 0, 255 do
      local is = TCHARS:find(string.char(byte), 1, true) ~= nil
      everywhere(byte, function(text, at)
        local bytes = ffi.new("char[?]", #text + 2)
        ffi.copy(bytes, "<" .. text .. ">", #text + 2)
        assert.equal(is, c.gw_token_lower_name(bytes + 1, #text), text)
        if is then assert.equal("<" .. text:lower() .. ">", ffi.string(bytes, #text + 2), at) end
      end)
    end
    assert.is_false(c.gw_token_lower_name(ffi.new("char[1]"), 0))
  end)

  it("allows no control byte in a value, wherever it stands", function()
    for byte = 0, 255 do
      local bad = (byte < 0x20 and byte ~= 9) or byte == 0x7f
      for _, before in ipairs({ 0, 1, 7, 8, 15, 16, 31 }) do
        local value = ("v"):rep(before) .. string.char(byte) .. ("\xff~ "):rep(5)
        assert.equal(bad and before or #value, tonumber(c.gw_find_control(value, #value)), byte)
        assert.equal(not bad, c.gw_field_value_valid(c.slice(value)), byte)
      end
    end
  end)

  it("counts control bytes", function()
    for byte = 0, 255 do
      local is = (byte < 0x20 and byte ~= 9) or byte == 0x7f
      for _, length in ipairs({ 0, 1, 15, 16, 17, 33 }) do
        local text = string.char(byte):rep(length) .. ("\xff~\t "):rep(5)
        assert.equal(is and length or 0, tonumber(c.gw_count_controls(text, #text)), byte)
      end
    end
    for _, length in ipairs({ 255 * 16, 255 * 16 + 1, 256 * 16, 100000 }) do
      assert.equal(length, tonumber(c.gw_count_controls(("\r"):rep(length), length)))
    end
  end)

  it("is spelled alike where a lenient server sees no difference", function()
    for _, pair in ipairs {
      { "x-a-b", "x-a-b", true },
      { "x-a-b", "x_a.b", true },
      { "x-a-b", "x-a-b_-.", true },
      { "x-a-b.", "x-a_b", true },
      { "x-a-b", "x-a-bc", false },
      { "x-a-b", "x-a-b-c", false },
      { "x-a-b", "x-a", false },
      { "x-a-b", "x-a--b", false },
      { "x-a-b", "", false },
      { "", "-_", true },
    } do
      local a, b, alike = c.slice(pair[1]), c.slice(pair[2]), pair[3]
      assert.equal(alike, c.gw_token_spelled_alike(a, b), pair[1] .. " " .. pair[2])
      assert.equal(alike, c.gw_token_spelled_alike(b, a), pair[2] .. " " .. pair[1])
    end
  end)

  it("tells visible ASCII", function()
    for byte = 0, 255 do
      local text = "a" .. string.char(byte) .. "b"
      assert.equal(byte > 0x20 and byte < 0x7f, c.gw_visible_valid(c.slice(text)), byte)
    end
    assert.is_true(c.gw_visible_valid(c.slice("")))
  end)
end)
