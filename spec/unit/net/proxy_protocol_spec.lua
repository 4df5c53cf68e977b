local bit = require("bit")
local ffi = require("ffi")
local c = require("support.c")
local net = require("support.net")

local MORE, WHOLE, WRONG = "more", "whole", "wrong"
local RESULTS = { [0] = MORE, WHOLE, WRONG }

-- Bytes stand in memory of just their size, so that a look beyond them is caught.
local function parse(bytes)
  local header = ffi.new("struct gw_proxy_protocol")
  local copy = ffi.cast("char *", c.gw_alloc(math.max(#bytes, 1)))
  ffi.copy(copy, bytes, #bytes)
  local result = c.gw_proxy_protocol_parse(ffi.new("struct gw_slice", copy, #bytes), header)
  c.gw_free(copy)
  return RESULTS[tonumber(result)],
    {
      version = header.version,
      len = tonumber(header.len),
      source = net.addr_text(header.source),
      destination = net.addr_text(header.destination),
      problem = header.problem ~= nil and ffi.string(header.problem) or nil,
    }
end

-- ── how the bytes of version 2 are made ──────────────────────────────────────────────────────────

local SIGNATURE = "\r\n\r\n\0\r\nQUIT\n"

local function u16(number) return string.char(bit.rshift(number, 8), bit.band(number, 255)) end

local function u32(number)
  return string.char(
    bit.band(bit.rshift(number, 24), 255),
    bit.band(bit.rshift(number, 16), 255),
    bit.band(bit.rshift(number, 8), 255),
    bit.band(number, 255)
  )
end

local function v2(command, family, body, len)
  return SIGNATURE .. string.char(command, family) .. u16(len or #body) .. body
end

local function tlv(kind, value, len) return string.char(kind) .. u16(len or #value) .. value end

local TCP4 = "\10\0\0\1\192\0\2\7" .. u16(51000) .. u16(443)
local TCP6 = ("\32\1\13\184" .. ("\0"):rep(11) .. "\1") .. ("\0"):rep(15) .. "\1" .. u16(51000) .. u16(443)
local UNIX = ("\0"):rep(216)

-- An independent CRC32c: by the table of the RFC 3720's polynomial, one byte at a time.
local crc_table = {}
for i = 0, 255 do
  local crc = i
  for _ = 1, 8 do
    crc = bit.bxor(bit.rshift(crc, 1), bit.band(crc, 1) == 1 and 0x82f63b78 or 0)
  end
  crc_table[i] = crc
end

local function crc32c(bytes)
  local crc = 0xffffffff
  for i = 1, #bytes do
    crc = bit.bxor(bit.rshift(crc, 8), crc_table[bit.band(bit.bxor(crc, bytes:byte(i)), 255)])
  end
  return bit.bnot(crc)
end

-- A block with a checksum between `before` and `after`; `wrong` is added to it.
local function summed(family, addresses, before, after, wrong)
  local blank = v2(0x21, family, addresses .. before .. tlv(3, "\0\0\0\0") .. after)
  local at = 16 + #addresses + #before + 3
  return blank:sub(1, at) .. u32(crc32c(blank) + (wrong or 0)) .. blank:sub(at + 5)
end

-- ── what is a header ──────────────────────────────────────────────────────────────────────────────

local V4 = { "10.0.0.1:51000", "192.0.2.7:443" }
local V6 = { "[2001:db8::1]:51000", "[::1]:443" }
local NONE = { "", "" }

local GOOD = {
  { "PROXY TCP4 10.0.0.1 192.0.2.7 51000 443\r\n", V4 },
  { "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", { "0.0.0.0:0", "0.0.0.0:0" } },
  {
    "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
    { "255.255.255.255:65535", "255.255.255.255:65535" },
  },
  { "PROXY TCP6 2001:db8::1 ::1 51000 443\r\n", V6 },
  { "PROXY TCP6 2001:DB8:0:0:0:0:0:1 0:0:0:0:0:0:0:1 51000 443\r\n", V6 },
  { "PROXY TCP6 ::ffff:10.0.0.1 ::ffff:192.0.2.7 51000 443\r\n", V4 },
  {
    "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
    { "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" },
  },
  { "PROXY UNKNOWN\r\n", NONE },
  { "PROXY UNKNOWN \r\n", NONE },
  { "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", NONE },
  { "PROXY UNKNOWN anything \0 \255 at all\r\n", NONE },
  { "PROXY UNKNOWN " .. ("x"):rep(107 - 16) .. "\r\n", NONE },

  { v2(0x21, 0x11, TCP4), V4 },
  { v2(0x21, 0x21, TCP6), V6 },
  { v2(0x21, 0x31, UNIX), NONE },
  { v2(0x21, 0x00, ""), NONE },
  { v2(0x21, 0x00, "whatever it says"), NONE },
  { v2(0x20, 0x00, ""), NONE },
  { v2(0x20, 0x11, TCP4), NONE },
  { v2(0x20, 0xff, "\3\0\4nothing of it counts"), NONE },
  { v2(0x21, 0x11, TCP4 .. tlv(1, "h2")), V4 },
  { v2(0x21, 0x11, TCP4 .. tlv(4, "")), V4 },
  {
    v2(
      0x21,
      0x11,
      TCP4 .. tlv(1, "h2") .. tlv(2, "example.com") .. tlv(0x20, ("s"):rep(64)) .. tlv(0xea, "\1vpce")
    ),
    V4,
  },
  { v2(0x21, 0x21, TCP6 .. tlv(0xe0, ("\0"):rep(300))), V6 },
  { v2(0x21, 0x31, UNIX .. tlv(1, "http/1.1")), NONE },
  { v2(0x21, 0x11, TCP4 .. tlv(0xff, ("x"):rep(4096 - 16 - 12 - 3))), V4 },
  { summed(0x11, TCP4, "", ""), V4 },
  { summed(0x11, TCP4, tlv(1, "h2"), tlv(4, "padding")), V4 },
  { summed(0x21, TCP6, tlv(2, "example.com"), ""), V6 },
  { summed(0x31, UNIX, "", ""), NONE },
}

-- ── and what is not: the bytes, and a part of the reason ───────────────────────────────────────────

local LINE = "PROXY TCP4 10.0.0.1 192.0.2.7 51000 443"

local BAD = {
  { "GET / HTTP/1.1\r\n", "begins with something else" },
  { "\22\3\1\2\0\1\0\1\252", "begins with something else" },
  { "proxy TCP4 10.0.0.1 192.0.2.7 51000 443\r\n", "begins with something else" },
  { " PROXY UNKNOWN\r\n", "begins with something else" },
  { "PROXY\r\n", "begins with something else" },
  { "PROXY\tUNKNOWN\r\n", "begins with something else" },
  { "PROXYUNKNOWN\r\n", "begins with something else" },
  { "\r\nPROXY UNKNOWN\r\n", "begins with something else" },
  { "\r\n\r\n\0\r\nQUIT\r", "begins with something else" },
  { "\0", "begins with something else" },
  { LINE .. "\n", "does not end with CR LF" },
  { "PROXY UNKNOWN\n", "does not end with CR LF" },
  { "PROXY \n", "does not end with CR LF" },
  { "PROXY UNKNOWN\r\r\n", "does not end with CR LF" },
  { "PROXY UNKNOWN a\rb\r\n", "does not end with CR LF" },
  { "PROXY UNKNOWN " .. ("x"):rep(107 - 15) .. "\r\n", "longer than 107" },
  { "PROXY UNKNOWN " .. ("x"):rep(200), "longer than 107" },
  { "PROXY \r\n", "its protocol" },
  { "PROXY  UNKNOWN\r\n", "its protocol" },
  { "PROXY unknown\r\n", "its protocol" },
  { "PROXY UNKNOWN2\r\n", "its protocol" },
  { "PROXY UDP4 10.0.0.1 192.0.2.7 51000 443\r\n", "its protocol" },
  { "PROXY TCP5 10.0.0.1 192.0.2.7 51000 443\r\n", "its protocol" },
  { "PROXY TCP4\r\n", "its addresses" },
  { "PROXY TCP4 \r\n", "its addresses" },
  { "PROXY TCP4 10.0.0.1\r\n", "its addresses" },
  { "PROXY TCP4 10.0.0.1 192.0.2.7\r\n", "its addresses" },
  { "PROXY TCP4 10.0.0.1 192.0.2.7 51000\r\n", "its addresses" },
  { "PROXY TCP4 10.0.0.1 192.0.2.7 51000 \r\n", "its addresses" },
  { LINE .. " \r\n", "its addresses" },
  { LINE .. " 1\r\n", "its addresses" },
  { "PROXY TCP4  10.0.0.1 192.0.2.7 51000 443\r\n", "its addresses" },
  { "PROXY TCP4 10.0.0.1  192.0.2.7 51000 443\r\n", "its addresses" },
  { "PROXY TCP4 10.0.0.1 192.0.2.7 51000\t443\r\n", "its addresses" },
  { "PROXY TCP4 ::1 ::1 51000 443\r\n", "its addresses" },
  { "PROXY TCP6 10.0.0.1 192.0.2.7 51000 443\r\n", "its addresses" },
  { "PROXY TCP6 ::1 10.0.0.1 51000 443\r\n", "its addresses" },
  { "PROXY TCP6 [::1] [::1] 51000 443\r\n", "its addresses" },
  { "PROXY TCP6 fe80::1%eth0 ::1 51000 443\r\n", "its addresses" },
  { "PROXY TCP4 010.0.0.1 192.0.2.7 51000 443\r\n", "its addresses" },
  { "PROXY TCP4 10.0.1 192.0.2.7 51000 443\r\n", "its addresses" },
  { "PROXY TCP4 10.0.0.256 192.0.2.7 51000 443\r\n", "its addresses" },
  { "PROXY TCP4 localhost 192.0.2.7 51000 443\r\n", "its addresses" },
  { "PROXY TCP4 10.0.0.1\0 192.0.2.7 51000 443\r\n", "its addresses" },
  { "PROXY TCP4 10.0.0.1 192.0.2.7 65536 443\r\n", "its addresses" },
  { "PROXY TCP4 10.0.0.1 192.0.2.7 51000 -1\r\n", "its addresses" },
  { "PROXY TCP4 10.0.0.1 192.0.2.7 51000 +443\r\n", "its addresses" },
  { "PROXY TCP4 10.0.0.1 192.0.2.7 051000 443\r\n", "its addresses" },
  { "PROXY TCP4 10.0.0.1 192.0.2.7 00 443\r\n", "its addresses" },
  { "PROXY TCP4 10.0.0.1 192.0.2.7 51000 0x1b\r\n", "its addresses" },
  { "PROXY TCP4 10.0.0.1 192.0.2.7 51000 100000\r\n", "its addresses" },

  { v2(0x11, 0x11, TCP4), "version or command" },
  { v2(0x31, 0x11, TCP4), "version or command" },
  { v2(0x22, 0x11, TCP4), "version or command" },
  { v2(0x2f, 0x11, TCP4), "version or command" },
  { v2(0x21, 0x12, TCP4), "its family" }, -- datagrams
  { v2(0x21, 0x22, TCP6), "its family" },
  { v2(0x21, 0x32, UNIX), "its family" },
  { v2(0x21, 0x10, TCP4), "its family" },
  { v2(0x21, 0x01, TCP4), "its family" },
  { v2(0x21, 0x41, TCP4), "its family" },
  { v2(0x21, 0x1f, TCP4), "its family" },
  { v2(0x21, 0x11, ""), "addresses are cut off" },
  { v2(0x21, 0x11, TCP4:sub(1, 11)), "addresses are cut off" },
  { v2(0x21, 0x21, TCP4), "addresses are cut off" },
  { v2(0x21, 0x31, TCP6), "addresses are cut off" },
  { v2(0x21, 0x11, TCP4, 4096 - 15), "longer than 4096" },
  { v2(0x20, 0x00, "", 65535), "longer than 4096" },
  { v2(0x21, 0x11, TCP4 .. "\1"), "extensions is cut off" },
  { v2(0x21, 0x11, TCP4 .. "\1\0"), "extensions is cut off" },
  { v2(0x21, 0x11, TCP4 .. tlv(1, "h2", 3)), "extensions is cut off" },
  { v2(0x21, 0x11, TCP4 .. tlv(1, "h2", 65535)), "extensions is cut off" },
  { v2(0x21, 0x11, TCP4 .. tlv(1, "h2") .. "\4\0\1"), "extensions is cut off" },
  { v2(0x21, 0x21, TCP6 .. tlv(4, "", 1)), "extensions is cut off" },
  { summed(0x11, TCP4, "", "", 1), "checksum does not fit" },
  { summed(0x21, TCP6, tlv(1, "h2"), tlv(4, "x"), -1), "checksum does not fit" },
  { v2(0x21, 0x11, TCP4 .. tlv(3, "\0\0\0\0")), "checksum does not fit" },
  { v2(0x21, 0x11, TCP4 .. tlv(3, "\0\0\0")), "checksum is malformed" },
  { v2(0x21, 0x11, TCP4 .. tlv(3, "\0\0\0\0\0")), "checksum is malformed" },
  { summed(0x11, TCP4, tlv(3, ""), ""), "checksum is malformed" },
  { summed(0x11, TCP4, "", tlv(3, "\0\0\0\0")), "checksum is malformed" },
}

describe("gw_proxy_protocol_parse", function()
  for i, case in ipairs(GOOD) do
    local bytes, addresses = case[1], case[2]

    it(("takes header %d, however it is cut, and nothing of what follows"):format(i), function()
      for len = 0, #bytes - 1 do
        assert.equal(MORE, (parse(bytes:sub(1, len))), ("the first %d bytes"):format(len))
      end
      for _, rest in ipairs { "", "G", "GET / HTTP/1.1\r\n\r\n", "\r\n", "PROXY UNKNOWN\r\n", SIGNATURE } do
        local result, header = parse(bytes .. rest)
        assert.equal(WHOLE, result)
        assert.equal(#bytes, header.len)
        assert.equal(bytes:sub(1, 1) == "P" and 1 or 2, header.version)
        assert.same(addresses, { header.source, header.destination })
      end
    end)
  end

  for i, case in ipairs(BAD) do
    it(("refuses %d: %s"):format(i, case[2]), function()
      local result, header = parse(case[1])
      assert.equal(WRONG, result, case[1])
      assert.is_truthy(header.problem:find(case[2], 1, true), header.problem)
      for len = 0, #case[1] do -- a beginning of it is never taken for a whole one
        assert.is_not.equal(WHOLE, (parse(case[1]:sub(1, len))), ("the first %d bytes"):format(len))
      end
      assert.equal(WRONG, (parse(case[1] .. "GET / HTTP/1.1\r\nhost: x\r\n\r\n")))
    end)
  end

  it("knows at the first byte that it is none", function()
    for byte = 0, 255 do
      local expected = (byte == 0x50 or byte == 0x0d) and MORE or WRONG
      assert.equal(expected, (parse(string.char(byte))), byte)
    end
  end)

  it("notices any flipped bit of a block with a checksum, where it is still one", function()
    local bytes = summed(0x11, TCP4, "", "")
    for at = 1, #bytes do
      local first = at == 13 and 1 or 0 -- PROXY becomes LOCAL, of which nothing counts
      for i = first, at == 16 + 12 + 1 and -1 or 7 do -- the extension becomes another one
        local flipped = string.char(bit.bxor(bytes:byte(at), bit.lshift(1, i)))
        assert.is_not.equal(WHOLE, (parse(bytes:sub(1, at - 1) .. flipped .. bytes:sub(at + 1))), at)
      end
    end
  end)

  it("ends with an answer whatever the bytes are", function()
    math.randomseed(7)
    for _ = 1, 5000 do
      local case = GOOD[math.random(#GOOD)][1]
      local bytes = { case:byte(1, -1) }
      for _ = 1, math.random(4) do
        bytes[math.random(#bytes)] = math.random(0, 255)
      end
      local text = {}
      for i, byte in ipairs(bytes) do
        text[i] = string.char(byte)
      end
      local whole = table.concat(text)
      local result, header = parse(whole)
      if result == WHOLE then
        assert.is_true(header.len > 0 and header.len <= #whole)
      elseif result == WRONG then
        assert.is_truthy(header.problem)
      end
    end
  end)
end)

-- ── writing ───────────────────────────────────────────────────────────────────────────────────────

local function addr(text) return text == "" and ffi.new("struct gw_addr") or net.addr(text) end

local function write(version, source, destination)
  local out = ffi.new("char[107]")
  local len = c.gw_proxy_protocol_write(version, source and addr(source), destination and addr(destination), out)
  return ffi.string(out, len)
end

describe("gw_proxy_protocol_write", function()
  it("writes lines", function()
    assert.equal("PROXY TCP4 10.0.0.1 192.0.2.7 51000 443\r\n", write(1, V4[1], V4[2]))
    assert.equal("PROXY TCP6 2001:db8::1 ::1 51000 443\r\n", write(1, V6[1], V6[2]))
    assert.equal("PROXY UNKNOWN\r\n", write(1))
    assert.equal("PROXY UNKNOWN\r\n", write(1, "unix:/a", "unix:/b"))
  end)

  it("writes blocks", function()
    assert.equal(v2(0x21, 0x11, TCP4), write(2, V4[1], V4[2]))
    assert.equal(v2(0x21, 0x21, TCP6), write(2, V6[1], V6[2]))
  end)

  it("tells our own connections from those of clients nobody knows", function()
    assert.equal(v2(0x20, 0, ""), write(2))
    assert.equal(v2(0x21, 0, ""), write(2, "", V4[2]))
    assert.equal(v2(0x21, 0, ""), write(2, V4[1], "unix:/a"))
  end)

  it("makes two families one", function()
    assert.equal("PROXY TCP6 ::ffff:10.0.0.1 ::1 51000 443\r\n", write(1, V4[1], V6[2]))
    assert.same(
      { V4[1], V6[2] },
      (function()
        local _, header = parse(write(2, V4[1], V6[2]))
        return { header.source, header.destination }
      end)()
    )
  end)

  it("writes what it reads", function()
    local longest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"
    for _, version in ipairs { 1, 2 } do
      for _, pair in ipairs { V4, V6, { longest, longest }, { "[::]:0", "[::]:0" } } do
        local result, header = parse(write(version, pair[1], pair[2]))
        assert.equal(WHOLE, result)
        assert.same(pair, { header.source, header.destination })
      end
    end
  end)
end)
