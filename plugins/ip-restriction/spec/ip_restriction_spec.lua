local cjson = require("cjson")
local moongate = require("support.moongate")

describe("ip-restriction", function()
  local gw

  setup(function()
    gw = moongate.start { yaml = [[
trusted_proxies: [127.0.0.1]
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
]] }
  end)

  teardown(function()
    gw:stop()
    moongate.stop_all()
  end)

  local function status(path, address)
    return gw:get(path, { ["X-Forwarded-For"] = address }).status
  end

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
    assert.equal("nothing here", cjson.decode(res.body).detail)
    assert.equal("your address is not allowed here", cjson.decode(gw:get("/allow").body).detail)
  end)

  it("does not load with lists that say nothing or something else", function()
    for config, text in pairs {
      [""] = "at least one of.-allow",
      ["allow: [10.0.0.0/33]"] = "allow%[0%]",
      ["deny: [010.0.0.1]"] = "deny%[0%]",
      ["deny: [\"0x0a.1\"]"] = "deny%[0%]",
      ["deny: [\"fe80::1%eth0\"]"] = "deny%[0%]",
      ["deny: [example.com]"] = "deny%[0%]",
    } do
      local folder = moongate.folder { ["moongate.yaml"] = moongate.yaml(
        "routes:\n  - { name: r, paths: [/], plugins: [{ name: ip-restriction, config: { " .. config .. " } }, { name: echo }] }\n") }
      local check = moongate.command({ "check", "-c", "moongate.yaml" }, folder)
      assert.equal(1, check.code, config)
      assert.matches(text, check.stderr)
    end
  end)
end)

describe("ip-restriction without trusted proxies", function()
  teardown(moongate.stop_all)

  it("does not believe what a client says about its address", function()
    local gw = moongate.start { yaml = [[
routes:
  - { name: r, paths: [/], plugins: [{ name: ip-restriction, config: { allow: [10.0.0.0/8] } }, { name: echo }] }
]] }
    for _, name in ipairs { "X-Forwarded-For", "X-Real-IP", "Forwarded", "Client-IP" } do
      assert.equal(403, gw:get("/", { [name] = name == "Forwarded" and "for=10.0.0.1" or "10.0.0.1" }).status)
    end
    gw:stop()
  end)
end)
