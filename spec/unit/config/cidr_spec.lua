local c = require("support.c")
local ffi = require("ffi")

local function set_of(...)
  local set = ffi.gc(c.gw_cidr_set_new(), c.gw_cidr_set_free)
  for _, text in ipairs { ... } do
    local why = c.gw_cidr_set_add(set, text, #text)
    assert(why == nil, why ~= nil and text .. ": " .. ffi.string(why))
  end
  c.gw_cidr_set_seal(set)
  return set
end

local function parse(text)
  local addr = ffi.new("struct gw_addr_bytes")
  local why = c.gw_addr_bytes_parse(addr, text, #text)
  if why ~= nil then return nil, ffi.string(why) end
  return addr
end

local function has(set, text) return c.gw_cidr_set_has(set, (assert(parse(text)))) end

describe("gw_cidr_set", function()
  it("holds what its networks hold, and nothing beside", function()
    local set = set_of("10.0.0.0/8", "192.168.1.64/26", "1.2.3.4", "2001:db8::/32", "::1")
    for text, inside in pairs {
      ["10.0.0.0"] = true,
      ["10.255.255.255"] = true,
      ["9.255.255.255"] = false,
      ["11.0.0.0"] = false,
      ["192.168.1.63"] = false,
      ["192.168.1.64"] = true,
      ["192.168.1.127"] = true,
      ["192.168.1.128"] = false,
      ["1.2.3.4"] = true,
      ["1.2.3.5"] = false,
      ["2001:db8::"] = true,
      ["2001:db8:ffff::1"] = true,
      ["2001:db9::"] = false,
      ["::1"] = true,
      ["::2"] = false,
      ["::"] = false,
      ["0.0.0.1"] = false,
    } do
      assert.equal(inside, has(set, text), text)
    end
  end)

  it("takes an IPv4-mapped address for the IPv4 one, in networks as in addresses", function()
    assert.is_true(has(set_of("10.0.0.0/8"), "::ffff:10.1.2.3"))
    assert.is_true(has(set_of("10.0.0.0/8"), "::ffff:a01:203"))
    assert.is_true(has(set_of("::ffff:10.0.0.0/104"), "10.9.9.9"))
    assert.is_false(has(set_of("::ffff:10.0.0.0/104"), "11.0.0.0"))
    assert.is_true(has(set_of("::ffff:0:0/96"), "8.8.8.8"))
    assert.is_false(has(set_of("::/0"), "8.8.8.8"))
    local addr = ffi.new("struct gw_addr_bytes", { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1 }, 16 })
    assert.is_true(c.gw_cidr_set_has(set_of("10.0.0.0/8"), addr))
  end)

  it("knows the ends of the ranges", function()
    local all = set_of("0.0.0.0/0", "::/0")
    for _, text in ipairs { "0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" } do
      assert.is_true(has(all, text), text)
    end
    local ends = set_of("255.255.255.255", "0.0.0.0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "::/128")
    assert.is_true(has(ends, "255.255.255.255"))
    assert.is_false(has(ends, "255.255.255.254"))
    assert.is_true(has(ends, "::"))
    assert.is_false(has(ends, "::1"))
  end)

  it("merges what overlaps or touches", function()
    assert.equal(
      1,
      tonumber(c.gw_cidr_set_count(set_of("10.0.0.0/9", "10.128.0.0/9", "10.1.0.0/16", "10.0.0.0/9")))
    )
    assert.equal(2, tonumber(c.gw_cidr_set_count(set_of("10.0.0.0/9", "10.128.0.1", "::1"))) - 1)
    assert.equal(1, tonumber(c.gw_cidr_set_count(set_of("255.0.0.0/8", "254.0.0.0/8", "0.0.0.0/0", "1.1.1.1"))))
  end)

  it("is false where there is no set or nothing in it", function()
    assert.is_false(c.gw_cidr_set_has(nil, (parse("10.0.0.1"))))
    assert.is_false(has(set_of(), "10.0.0.1"))
    assert.is_false(has(set_of(), "::1"))
  end)

  it("agrees with arithmetic on random networks", function()
    math.randomseed(7)
    local nets, texts = {}, {}
    for i = 1, 300 do
      local bits, base = math.random(8, 32), math.random(0, 2 ^ 32 - 1)
      local size = 2 ^ (32 - bits)
      nets[i] = { math.floor(base / size) * size, size }
      texts[i] = ("%d.%d.%d.%d/%d"):format(
        math.floor(base / 2 ^ 24),
        math.floor(base / 2 ^ 16) % 256,
        math.floor(base / 256) % 256,
        base % 256,
        bits
      )
    end
    local set, inside = set_of(unpack(texts)), 0
    for _ = 1, 5000 do
      local net = nets[math.random(#nets)]
      local ip = math.floor(
        math.max(0, math.min(2 ^ 32 - 1, net[1] + math.random(-2, 2) + (math.random() < 0.5 and net[2] or 0)))
      )
      local expected = false
      for _, one in ipairs(nets) do
        expected = expected or (ip >= one[1] and ip < one[1] + one[2])
      end
      inside = inside + (expected and 1 or 0)
      local text = ("%d.%d.%d.%d"):format(
        math.floor(ip / 2 ^ 24),
        math.floor(ip / 2 ^ 16) % 256,
        math.floor(ip / 256) % 256,
        ip % 256
      )
      assert.equal(expected, has(set, text), text)
    end
    assert.is_true(inside > 500 and inside < 4500)
  end)

  it("holds 100,000 networks", function()
    local set = ffi.gc(c.gw_cidr_set_new(), c.gw_cidr_set_free)
    for i = 0, 99999 do
      local text = ("%d.%d.%d.0/25"):format(1 + math.floor(i / 65536), math.floor(i / 256) % 256, i % 256)
      assert(c.gw_cidr_set_add(set, text, #text) == nil)
    end
    c.gw_cidr_set_seal(set)
    assert.equal(100000, tonumber(c.gw_cidr_set_count(set)))
    assert.is_true(has(set, "2.134.159.127"))
    assert.is_false(has(set, "2.134.159.128"))
  end)
end)

describe("the parser of networks", function()
  it("refuses what can be read in two ways, and what is no network", function()
    for text, why in pairs {
      [""] = "missing",
      ["/8"] = "missing",
      ["010.0.0.1"] = "leading zeros",
      ["10.0.0.01"] = "leading zeros",
      ["::ffff:010.0.0.1"] = "leading zeros",
      ["0x0a.1"] = "not an IP",
      ["10.1"] = "not an IP",
      ["167772161"] = "not an IP",
      ["10.0.0.256"] = "not an IP",
      ["10.0.0.1."] = "not an IP",
      [" 10.0.0.1"] = "not an IP",
      ["10.0.0.1 "] = "not an IP",
      ["fe80::1%eth0"] = "zone",
      ["[::1]"] = "not an IP",
      ["1::2::3"] = "not an IP",
      ["localhost"] = "not an IP",
      ["10.0.0.0/33"] = "0 to 32",
      ["10.0.0.0/"] = "0 to 32",
      ["10.0.0.0/08"] = "0 to 32",
      ["10.0.0.0/+8"] = "0 to 32",
      ["10.0.0.0/-1"] = "0 to 32",
      ["::/129"] = "0 to 128",
      ["10.0.0.0/8/8"] = "0 to 32",
      ["10.0.0.1\0"] = "not an IP",
      ["10.0.0.0/255.0.0.0"] = "0 to 32",
      [("1"):rep(1000)] = "not an IP",
    } do
      local said = c.gw_cidr_check(text, #text)
      assert.is_true(said ~= nil, text)
      assert.matches(why, ffi.string(said))
    end
  end)

  it("takes both families, with and without a prefix", function()
    for _, text in ipairs {
      "10.0.0.1",
      "0.0.0.0/0",
      "10.0.0.1/8",
      "::",
      "::/0",
      "2001:DB8::1/64",
      "::ffff:1.2.3.4/128",
    } do
      assert.is_true(c.gw_cidr_check(text, #text) == nil, text)
    end
    assert.equal(4, parse("::ffff:1.2.3.4").len)
    assert.equal(16, parse("::1").len)
  end)
end)
