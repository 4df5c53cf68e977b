local c = require("support.c")
local ffi = require("ffi")

local function hex(bytes)
  local out = ffi.new("char[?]", #bytes * 2 + 1)
  c.gw_hex_encode(c.slice(bytes), out)
  return ffi.string(out, #bytes * 2)
end

local function unhex(text)
  local out = ffi.new("char[?]", #text + 1)
  return c.gw_hex_decode(c.slice(text), out) and ffi.string(out, #text / 2) or nil
end

local function base64(bytes, url)
  local out = ffi.new("char[?]", tonumber(c.gw_base64_length(#bytes)) + 1)
  return ffi.string(out, c.gw_base64_encode(c.slice(bytes), url or false, out))
end

local function unbase64(text, url)
  local out, len = ffi.new("char[?]", math.floor(#text * 3 / 4) + 1), ffi.new("size_t[1]")
  return c.gw_base64_decode(c.slice(text), url or false, out, len) and ffi.string(out, len[0]) or nil
end

-- RFC 4648 10.
local VECTORS =
  { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==", fooba = "Zm9vYmE=", foobar = "Zm9vYmFy" }

describe("gw_hex", function()
  it("writes lower case and reads both", function()
    assert.equal("00ff7a", hex("\0\255z"))
    assert.equal("\0\255z", unhex("00Ff7A"))
    assert.equal("", unhex(""))
  end)

  it("refuses everything else", function()
    for _, text in ipairs { "0", "0g", "0x00", " 00", "00\n", "é" } do
      assert.is_nil(unhex(text), text)
    end
  end)
end)

describe("gw_base64", function()
  it("writes and reads the vectors of RFC 4648", function()
    for bytes, text in pairs(VECTORS) do
      assert.equal(text, base64(bytes))
      assert.equal(bytes, unbase64(text))
      assert.equal((text:gsub("=", "")), base64(bytes, true))
      assert.equal(bytes, unbase64(text, true))
      assert.equal(bytes, unbase64((text:gsub("=", "")), true))
    end
  end)

  it("has two alphabets", function()
    assert.equal("+/+/", base64("\251\255\191"))
    assert.equal("-_-_", base64("\251\255\191", true))
    assert.is_nil(unbase64("-_-_"))
    assert.is_nil(unbase64("+/+/", true))
  end)

  it("gives back what it was given", function()
    math.randomseed(3)
    for len = 0, 300 do
      local bytes = {}
      for i = 1, len do
        bytes[i] = string.char(math.random(0, 255))
      end
      bytes = table.concat(bytes)
      assert.equal(bytes, unbase64(base64(bytes)))
      assert.equal(bytes, unbase64(base64(bytes, true), true))
      assert.equal(bytes, unhex(hex(bytes)))
    end
  end)

  it("refuses what encoding would not have written", function()
    for _, text in ipairs {
      "Zg",
      "Zg=",
      "Zg===",
      "Z===",
      "====",
      "=",
      "Zm9vYg",
      "Zm9v=",
      "Zm9v====",
      "Zh==",
      "Zm9=",
      "Zm 8=",
      "Zm8=\n",
      "Zm8=Zm8=",
      "Z",
      "Zm9v\0",
      "Zg==Zg==",
      "é===",
    } do
      assert.is_nil(unbase64(text), text)
    end
    for _, text in ipairs { "Z", "Zh", "Zm9", "Zg=", "Zg===", "Zm9v=", "Zm9vYg=", "Zm 8" } do
      assert.is_nil(unbase64(text, true), text)
    end
  end)
end)
