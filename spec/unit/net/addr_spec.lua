local ffi = require("ffi")
local c = require("support.c")
local net = require("support.net")

local function parse(text)
  local addr = ffi.new("struct gw_addr")
  return c.gw_addr_parse(addr, c.slice(text)) and net.addr_text(addr) or nil
end

local function parse_ip(text, port)
  local addr = ffi.new("struct gw_addr")
  return c.gw_addr_parse_ip(addr, c.slice(text), port or 80) and net.addr_text(addr) or nil
end

describe("gw_addr_parse", function()
  it("takes addresses with a port", function()
    for text, expected in pairs({
      ["127.0.0.1:80"] = "127.0.0.1:80",
      ["0.0.0.0:0"] = "0.0.0.0:0",
      ["255.255.255.255:65535"] = "255.255.255.255:65535",
      ["[::1]:8080"] = "[::1]:8080",
      ["[::]:1"] = "[::]:1",
      ["[2001:DB8:0:0::1]:443"] = "[2001:db8::1]:443",
      ["[::ffff:10.0.0.1]:80"] = "10.0.0.1:80",
      ["unix:/run/x.sock"] = "unix:/run/x.sock",
      ["unix:x"] = "unix:x",
    }) do
      assert.equal(expected, parse(text), text)
    end
    local longest = "unix:/" .. ("a"):rep(106)
    assert.equal(longest, parse(longest))
  end)

  it("is strict", function()
    for _, text in ipairs({
      "", ":", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:99999", "127.0.0.1:080",
      "127.0.0.1:00", "127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1: 80", "127.0.0.1:80 ", " 127.0.0.1:80",
      "127.0.0.1:0x50", "127.0.0.1:8a", "127.0.0.1:100000", "127.0.0.1:80:80",
      "010.0.0.1:80", "0x0a.1:80", "0x7f.0.0.1:80", "127.1:80", "127.0.1:80", "2130706433:80", "1.2.3.4.5:80",
      "256.0.0.1:80", "1.2.3.:80", ".1.2.3:80", "1..2.3:80", "1.2.3.4\0:80", "1.2.3.4:80\0",
      "::1:80", "2001:db8::1:80", "[::1]", "[::1]80", "[::1]:", "[::1", "::1]:80", "[]:80", "[[::1]]:80",
      "[fe80::1%eth0]:80", "[fe80::1%1]:80", "[1.2.3.4]:80", "[:::1]:80", "[1:2:3:4:5:6:7:8:9]:80", "[12345::]:80",
      "localhost:80", "example.com:80", "*:80",
      "unix:", "unix:/a\0b", "unix:/" .. ("a"):rep(107), "UNIX:/run/x",
    }) do
      assert.is_nil(parse(text), text)
    end
  end)
end)

describe("gw_addr_parse_ip", function()
  it("takes addresses without a port, IPv6 with and without brackets", function()
    assert.equal("10.0.0.1:80", parse_ip("10.0.0.1"))
    assert.equal("[::1]:443", parse_ip("::1", 443))
    assert.equal("[::1]:443", parse_ip("[::1]", 443))
  end)

  it("is strict", function()
    for _, text in ipairs({ "", "10.0.0.1:80", "[10.0.0.1]", "::1%lo", "fe80::1%eth0", "010.0.0.1", "[::1", "x", "1.2.3" }) do
      assert.is_nil(parse_ip(text), text)
    end
  end)
end)

describe("gw_addr_format_ip", function()
  local function format_ip(text)
    local out = ffi.new("char[120]")
    return ffi.string(out, c.gw_addr_format_ip(net.addr(text), out))
  end

  it("gives the address alone, a v4-mapped one as IPv4", function()
    assert.equal("10.0.0.1", format_ip("10.0.0.1:80"))
    assert.equal("::1", format_ip("[::1]:80"))
    assert.equal("192.0.2.1", format_ip("[::ffff:192.0.2.1]:80"))
    assert.equal("unix:", format_ip("unix:/run/x.sock"))
    local out = ffi.new("char[120]")
    assert.equal(0, tonumber(c.gw_addr_format_ip(ffi.new("struct gw_addr"), out)))
  end)
end)

describe("gw_addr_equal", function()
  it("compares family, address and port", function()
    local texts = {
      "10.0.0.1:80", "10.0.0.1:81", "10.0.0.2:80", "[::1]:80", "[::1]:81", "[::2]:80", "unix:/a", "unix:/ab",
    }
    for i, one in ipairs(texts) do
      for k, other in ipairs(texts) do
        assert.equal(i == k, c.gw_addr_equal(net.addr(one), net.addr(other)), one .. " " .. other)
      end
    end
    assert.equal(80, c.gw_addr_port(net.addr("[::1]:80")))
    assert.equal(0, c.gw_addr_port(net.addr("unix:/a")))
  end)
end)
