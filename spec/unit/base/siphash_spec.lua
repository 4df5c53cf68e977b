local c = require("support.c")
local ffi = require("ffi")

local function hash(key, first, text)
  local keyed = ffi.new("struct gw_siphash_key")
  ffi.copy(keyed, key, 16)
  local got = c.gw_siphash128(keyed, first, c.slice(text))
  return ffi.string(ffi.new("uint64_t[2]", got.low, got.high), 16)
end

local function hex(bytes)
  return (bytes:gsub(".", function(char) return ("%02x"):format(char:byte()) end))
end

-- OpenSSL's, of the eight bytes and the text together.
local function of_openssl(key, bytes)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
  local pipe =
    assert(io.popen(("openssl mac -macopt hexkey:%s -macopt size:16 -in %s SIPHASH"):format(hex(key), path)))
  local answer = pipe:read("*a"):gsub("%s", ""):lower()
  pipe:close()
  os.remove(path)
  return answer
end

describe("gw_siphash128", function()
  it("is what OpenSSL makes of the same bytes, of every length", function()
    local key = ""
    for i = 0, 15 do
      key = key .. string.char(i)
    end
    for length = 0, 20 do
      local text = ("moongate and its limits"):sub(1, length)
      local first = ffi.new("uint64_t[1]", 0x1122334455667788ULL + length)
      assert.equal(of_openssl(key, ffi.string(first, 8) .. text), hex(hash(key, first[0], text)), length)
    end
  end)

  it("depends on the key, the first word and each byte", function()
    local seen = {}
    for _, row in ipairs {
      { ("k"):rep(16), 1, "text" },
      { ("k"):rep(15) .. "l", 1, "text" },
      { ("k"):rep(16), 2, "text" },
      { ("k"):rep(16), 1, "texu" },
      { ("k"):rep(16), 1, "text\0" },
    } do
      local got = hash(unpack(row))
      assert.is_nil(seen[got])
      seen[got] = true
    end
  end)
end)
