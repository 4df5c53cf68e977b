local within = require("support.inside")

-- `hex` and `unhex` are at hand.
local function inside(body)
  return within("local crypto = m.crypto local hex, unhex = crypto.hex_encode, crypto.hex_decode " .. body)
end

describe("moongate.crypto", function()
  it("digests (the vectors of FIPS 180 and RFC 1321)", function()
    assert.same({
      "900150983cd24fb0d6963f7d28e17f72",
      "a9993e364706816aba3e25717850c26c9cd0d89d",
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        .. "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    }, { inside [[
      return hex(crypto.md5("abc")), hex(crypto.sha1("abc")), hex(crypto.sha256("abc")), hex(crypto.sha384("abc")),
        hex(crypto.sha512("abc")), hex(crypto.digest("sha256", ""))]] })
  end)

  it("digests piece by piece", function()
    assert.same({ "true", "true", "true" }, { inside [[
      local text = ("moongate"):rep(1000)
      local digest, hmac = crypto.digest("sha512"), crypto.hmac("sha256", "key")
      for i = 1, #text, 7 do
        digest:update(text:sub(i, i + 6))
        hmac:update(text:sub(i, i + 6))
      end
      return digest:final() == crypto.sha512(text), hmac:final() == crypto.hmac("sha256", "key", text),
        crypto.digest("md5"):update("a"):update(""):update("bc"):final() == crypto.md5("abc")]] })
  end)

  -- RFC 4231: { key, data, sha256, sha512 }, as hex.
  local HMACS = {
    { ("0b"):rep(20), "4869205468657265", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
      "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854" },
    { "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737" },
    { ("aa"):rep(20), ("dd"):rep(50), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
      "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb" },
    { ("aa"):rep(131), "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579204669727374",
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
      "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598" },
  }

  it("makes HMACs (the vectors of RFC 4231)", function()
    for i, case in ipairs(HMACS) do
      local key, data = case[1], case[2]
      assert.same({ case[3], case[4], case[3] }, { inside(([[
        local key, data = unhex(%q), unhex(%q)
        return hex(crypto.hmac("sha256", key, data)), hex(crypto.hmac("sha512", key, data)),
          hex(crypto.hmac("sha256", key):update(data):final())]]):format(key, data)) }, "case " .. i)
    end
  end)

  it("takes an empty key, and another one after it", function()
    assert.same({ "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad", "true" }, { inside [[
      local empty = hex(crypto.hmac("sha256", "", ""))
      crypto.hmac("sha256", "k", "x")
      return empty, empty == hex(crypto.hmac("sha256", "", ""))]] })
  end)

  -- From the specification of GCM (McGrew, Viega), test cases 1, 2, 4, 14, 16: { key, nonce, data, with, result }.
  local TEXT = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
  local WITH = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
  local KEY = "feffe9928665731c6d6a8f9467308308"
  local GCM = {
    { ("00"):rep(16), ("00"):rep(12), "", "", "58e2fccefa7e3061367f1d57a4e7455a" },
    { ("00"):rep(16), ("00"):rep(12), ("00"):rep(16), "", "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf" },
    { KEY, "cafebabefacedbaddecaf888", TEXT, WITH, "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
      .. "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47" },
    { ("00"):rep(32), ("00"):rep(12), ("00"):rep(16), "", "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919" },
    { KEY .. KEY, "cafebabefacedbaddecaf888", TEXT, WITH, "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
      .. "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b" },
  }

  it("encrypts with AES-GCM (the vectors of its specification)", function()
    for i, case in ipairs(GCM) do
      assert.same({ case[5], case[3] }, { inside(([[
        local key, nonce, data, with = unhex(%q), unhex(%q), unhex(%q), unhex(%q)
        local encrypted = crypto.encrypt(key, nonce, data, with)
        return hex(encrypted), hex((crypto.decrypt(key, nonce, encrypted, with)))]]):format(
        case[1], case[2], case[3], case[4])) }, "case " .. i)
    end
  end)

  it("seals with a nonce that is another one each time, and opens", function()
    assert.same({ "text", "33", "false", "", "large" }, { inside [[
      local key = crypto.random(32)
      local one, two = crypto.seal(key, "text"), crypto.seal(key, "text", "with")
      local large = ("x"):rep(300000)
      return crypto.open(key, one), #crypto.seal(key, "12345"), one:sub(1, 12) == two:sub(1, 12),
        crypto.open(key, crypto.seal(key, "")), crypto.open(key, crypto.seal(key, large, "w"), "w") == large and "large"]] })
  end)

  it("does not open what was changed, cut, or sealed otherwise", function()
    local changed = "not sealed with this key, or changed"
    assert.same({ changed, changed, changed, changed, "too short to have been sealed", "0" }, { inside [[
      local key = ("k"):rep(16)
      local sealed = crypto.seal(key, "text", "with")
      local opened = 0
      for i = 1, #sealed do
        local byte = string.char((sealed:byte(i) + 1) % 256)
        if crypto.open(key, sealed:sub(1, i - 1) .. byte .. sealed:sub(i + 1), "with") then opened = opened + 1 end
      end
      local function why(...) return (select(2, crypto.open(...))) end
      return why(("l"):rep(16), sealed, "with"), why(key, sealed, "without"), why(key, sealed), why(key, sealed:sub(1, -2), "with"),
        why(key, "short", "with"), opened]] })
    assert.same({ "not encrypted with this key and nonce, or changed", "too short to have a tag" }, { inside [[
      local key, nonce = ("k"):rep(16), ("n"):rep(12)
      local _, changed = crypto.decrypt(key, ("m"):rep(12), crypto.encrypt(key, nonce, "text"))
      local _, short = crypto.decrypt(key, nonce, "short")
      return changed, short]] })
  end)

  it("gives random bytes", function()
    assert.same({ "1", "100000", "false" }, { inside [[
      return #crypto.random(1), #crypto.random(100000), crypto.random(16) == crypto.random(16)]] })
  end)

  it("compares", function()
    assert.same({ "true", "false", "false", "true" }, { inside [[
      return crypto.equal("abc", "abc"), crypto.equal("abc", "abd"), crypto.equal("abc", "ab"), crypto.equal("", "")]] })
  end)

  it("writes bytes as text and reads them", function()
    assert.same({ "00ff", "+/8=", "-_8", "", "true" }, { inside [[
      local bytes = ("moongate\0\255"):rep(20000)
      return hex("\0\255"), crypto.base64_encode("\251\255"), crypto.base64url_encode("\251\255"), crypto.base64_encode(""),
        crypto.base64_decode(crypto.base64_encode(bytes)) == bytes and unhex(hex(bytes)) == bytes
          and crypto.base64url_decode(crypto.base64url_encode(bytes)) == bytes]] })
    assert.same({ "not hexadecimal", "not base64", "not base64url", "" }, { inside [[
      local _, a = unhex("0g")
      local _, b = crypto.base64_decode("Zg")
      local _, c = crypto.base64url_decode("Z+")
      return a, b, c, crypto.base64_decode("")]] })
  end)

  it("points at mistakes", function()
    for body, message in pairs {
      ["local a = crypto.digest('sha3')"] = 'crypto.digest: there is no digest "sha3" (known: md5, sha1, sha256, sha384, sha512)',
      ["local a = crypto.digest()"] = 'crypto.digest: there is no digest "nil"',
      ["local a = crypto.sha256()"] = "crypto.sha256: the data must be a string, not nil",
      ["local a = crypto.hmac('sha256', nil, 'x')"] = "crypto.hmac: the key must be a string, not nil",
      ["local a = crypto.digest('md5'):update(5)"] = "digest:update takes a string, not number",
      ["local d = crypto.digest('md5') d:final() d:update('x')"] = "digest:update: final() was called already",
      ["local d = crypto.digest('md5') d:final() local b = d:final()"] = "digest:final: final() was called already",
      ["local a = crypto.digest('md5').final()"] = "digest:final is a method: call it with a colon",
      ["local a = crypto.seal('short', 'x')"] = "crypto.seal: the key must have 16 or 32 bytes, not 5",
      ["local a = crypto.seal(5, 'x')"] = "crypto.seal: the key must be a string, not a number",
      ["local a = crypto.open(('k'):rep(16))"] = "crypto.open: the data must be a string, not nil",
      ["local a = crypto.encrypt(('k'):rep(16), 'n', 'x')"] = "crypto.encrypt: the nonce must have 12 bytes, not 1",
      ["local a = crypto.random(0)"] = "crypto.random: how many bytes must be a whole number from 1 to 1048576",
      ["local a = crypto.random(1.5)"] = "crypto.random: how many bytes must be a whole number from 1 to 1048576",
      ["local a = crypto.equal('x')"] = "crypto.equal: the second text must be a string, not nil",
      ["local a = crypto.hex_encode({})"] = "crypto.hex_encode: what is encoded must be a string, not a table",
    } do
      local said = inside(body)
      assert.is_truthy(said:find(message, 1, true), body .. ": " .. said)
      assert.matches("handler.lua:5: ", said, body)
    end
  end)

  it("frees digests that nobody finishes, and has an end for those that are kept", function()
    assert.equal("fine", inside [[
      for i = 1, 20000 do crypto.digest("sha256"):update("x") end
      return "fine"]])
    assert.matches("error: .*crypto.digest: objects of this worker hold %d+ bytes outside of Lua already", inside [[
      m.outside.take(255 * 1024 * 1024, "the rest")
      local kept = {}
      for i = 1, 2000 do kept[i] = crypto.digest("sha256") end]])
  end)
end)
