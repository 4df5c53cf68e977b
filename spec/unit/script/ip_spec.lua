local inside = require("support.inside")

describe("moongate.ip", function()
  it(
    "knows which addresses lie in a set",
    function()
      assert.equal(
        "true false true nil",
        inside [[
      local set = m.ip.set { "10.0.0.0/8", "::1" }
      local text = {}
      for i, address in ipairs { "10.1.2.3", "11.0.0.0", "::1", "10.1.2" } do text[i] = tostring(set:has(address)) end
      return table.concat(text, " ")]]
      )
    end
  )

  it("takes a v4-mapped address for the IPv4 one", function()
    assert.equal("true", inside [[return m.ip.set { "10.0.0.0/8" }:has("::ffff:10.0.0.1")]])
    assert.equal("true", inside [[return m.ip.set { "::ffff:10.0.0.0/104" }:has("10.0.0.1")]])
  end)

  it(
    "is empty without networks",
    function()
      assert.same({ "false", "0" }, { inside [[local set = m.ip.set {} return set:has("10.0.0.1"), set:count()]] })
    end
  )

  it(
    "says which network is wrong",
    function()
      assert.same(
        { "nil", [[networks[2] ("10.0.0.0/40"): the prefix length must be 0 to 32]] },
        { inside [[return m.ip.set { "10.0.0.0/8", "10.0.0.0/40" }]] }
      )
    end
  )

  it(
    "says why something is no address",
    function()
      assert.same(
        { "nil", "numbers with leading zeros are ambiguous in IPv4 addresses" },
        { inside [[return m.ip.set { "10.0.0.0/8" }:has("010.0.0.1")]] }
      )
    end
  )

  it("points at the caller's mistakes", function()
    assert.matches(
      "^error: .*handler.lua:%d+: set:has: an address is a string, not nil",
      inside [[
      local found = m.ip.set({}):has(nil)
      return found]]
    )
    assert.matches(
      "^error: .*handler.lua:%d+: ip.set takes a list of networks",
      inside [[
      local set = m.ip.set("10.0.0.0/8")
      return set]]
    )
    assert.matches("networks%[1%] must be a string, not number", inside [[return m.ip.set { 10 }]])
  end)

  it("tells addresses and networks from other texts", function()
    assert.same(
      { "true", "false", "false" },
      { inside [[
      return m.ip.is_address("::1"), m.ip.is_address("10.0.0.0/8"), m.ip.is_address(nil)]] }
    )
    assert.same({ "true" }, { inside [[return m.ip.check("10.0.0.0/8")]] })
    assert.same({ "nil", "not an IP address" }, { inside [[return m.ip.check("ten")]] })
  end)

  it(
    "takes a hundred thousand networks",
    function()
      assert.same({ "100000", "true", "false" }, {
        inside [[
      local networks = {}
      for i = 0, 99999 do
        networks[i + 1] = ("%d.%d.%d.0/25"):format(1 + math.floor(i / 65536), math.floor(i / 256) % 256, i % 256)
      end
      local set = m.ip.set(networks)
      return set:count(), set:has("2.1.1.7"), set:has("2.1.1.200")]],
      })
    end
  )

  it(
    "collects the sets nobody has any more",
    function()
      assert.equal(
        "fine",
        inside [[
      local networks = {}
      for i = 1, 1000 do networks[i] = ("%d.%d.0.0/24"):format(1 + math.floor(i / 256), i % 256) end
      for _ = 1, 9000 do m.ip.set(networks) end
      return "fine"]]
      )
    end
  )
end)
