local gateway = require("moongate.spec")

describe("ip-restriction", function()
  local gw = gateway.new {
    config = [[
default_access: allow
routes:
  - name: allow
    paths: [/allow]
    plugins: [{ name: ip-restriction, config: { allow: [10.0.0.0/8, "2001:db8::/32", 192.0.2.7] } }, { name: echo }]
  - { name: deny, paths: [/deny], plugins: [{ name: ip-restriction, config: { deny: [10.0.0.0/8] } }, { name: echo }] }
  - name: both
    paths: [/both]
    plugins: [{ name: ip-restriction, config: { allow: [10.0.0.0/8], deny: [10.9.0.0/16] } }, { name: echo }]
  - name: mapped
    paths: [/mapped]
    plugins: [{ name: ip-restriction, config: { allow: ["::ffff:10.0.0.0/104"] } }, { name: echo }]
  - name: own
    paths: [/own]
    plugins: [{ name: ip-restriction, config: { deny: ["0.0.0.0/0"], status: 404, message: nothing here } }, { name: echo }]
]],
  }

  local function status(path, address) return gw:get(path, { from = address }).status end

  it("lets pass who is on the list, and nobody else", function()
    for _, address in ipairs { "10.0.0.1", "10.255.255.255", "2001:db8::1", "192.0.2.7" } do
      assert.equal(200, status("/allow", address), address)
    end
    for _, address in ipairs { "11.0.0.0", "9.255.255.255", "2001:db9::1", "192.0.2.8" } do
      assert.equal(403, status("/allow", address), address)
    end
  end)

  it("keeps out who is on the other list, and nobody else", function()
    assert.equal(403, status("/deny", "10.1.2.3"))
    assert.equal(200, status("/deny", "11.1.2.3"))
  end)

  it("denies before it allows", function()
    assert.equal(200, status("/both", "10.8.0.1"))
    assert.equal(403, status("/both", "10.9.0.1"))
    assert.equal(403, status("/both", "11.0.0.1"))
  end)

  it("takes a mapped address for the one it stands for", function()
    assert.equal(200, status("/allow", "::ffff:10.0.0.1"))
    assert.equal(403, status("/deny", "::ffff:10.0.0.1"))
    assert.equal(403, status("/deny", "::FFFF:a00:1"))
    assert.equal(200, status("/mapped", "10.3.2.1"))
    assert.equal(403, status("/mapped", "11.3.2.1"))
  end)

  it("says what it was told to say", function()
    local res = gw:get("/own")
    assert.equal(404, res.status)
    assert.equal("nothing here", res:json().detail)
    assert.equal("your address is not allowed here", gw:get("/allow"):json().detail)
  end)

  it("does not believe what a client says about its address", function()
    for name, value in pairs {
      ["X-Forwarded-For"] = "10.0.0.1",
      ["X-Real-IP"] = "10.0.0.1",
      ["Client-IP"] = "10.0.0.1",
      Forwarded = "for=10.0.0.1",
    } do
      assert.equal(403, gw:get("/allow", { from = "11.0.0.1", headers = { [name] = value } }).status)
    end
  end)

  it("believes a trusted proxy, and looks at the last address that is not one", function()
    local own = gateway.new {
      trusted_proxies = { "198.51.100.0/24" },
      plugins = { { name = "ip-restriction", config = { allow = { "10.0.0.0/8" } } } },
    }
    local function behind(forwarded)
      return own:get("/", { from = "198.51.100.1", headers = { ["X-Forwarded-For"] = forwarded } }).status
    end
    assert.equal(200, behind("10.0.0.1"))
    assert.equal(200, behind("10.0.0.1, 198.51.100.2"))
    assert.equal(403, behind("10.0.0.1, 11.0.0.1"))
  end)

  it("does not load with lists that say nothing or something else", function()
    for _, case in ipairs {
      { {}, "at least one of.-allow" },
      { { allow = { "10.0.0.0/33" } }, "allow%[0%]" },
      { { deny = { "010.0.0.1" } }, "deny%[0%]" },
      { { deny = { "0x0a.1" } }, "deny%[0%]" },
      { { deny = { "fe80::1%eth0" } }, "deny%[0%]" },
      { { deny = { "example.com" } }, "deny%[0%]" },
    } do
      assert.error_matches(
        function() gateway.new { plugins = { { name = "ip-restriction", config = case[1] } } } end,
        case[2]
      )
    end
  end)
end)
