local certs = require("support.certs")
local moongate = require("support.moongate")

-- Everything that may be left open, and what may look like it.
local LOOSE = [[
default_access: allow
limits: { idle_timeout: off }
listeners:
  - address: 0.0.0.0:0
  - address: 127.0.0.1:0
    tls: {}
admin:
  address: 0.0.0.0:9000
  token: short
ca_certificates: [{ name: partners, cert: ca.pem }]
services:
  - name: far
    url: https://far.test
    tls_verify: false
    routes:
      - { name: keyed, paths: [/keyed], plugins: [{ name: key-auth }] }
      - { name: often, paths: [/often], plugins: [{ name: key-auth, when: "request.method == 'GET'" }] }
      - { name: open, paths: [/open], limits: { body_min_rate: off } }
  - name: near
    url: http://127.0.0.1:1
    routes:
      - name: secure
        paths: [/secure]
        snis: [near.test]
        protocols: [https]
        client_certificate: required
        ca_certificates: [partners]
        limits: { body: 2k }
        plugins: [{ name: key-auth }, { name: ip-restriction, config: { allow: [10.0.0.0/8] } }]
routes:
  - { name: everyone, paths: [/all], public: true, plugins: [{ name: echo }] }
]]

local TIGHT = [[
listeners: [{ address: 127.0.0.1:0 }, { address: "0.0.0.0:0", redirect_https: 301 }, { address: "[::]:0", tls: {} }]
services:
  - name: users
    url: https://users.test
    routes: [{ name: users, paths: [/users], plugins: [{ name: key-auth }] }]
]]

local PROXIED = [[
trusted_proxies: [10.0.0.0/8]
listeners: [{ address: 0.0.0.0:0 }]
services:
  - name: users
    url: http://users.test
    routes: [{ name: users, paths: [/users], plugins: [{ name: key-auth }] }]
]]

describe("moongate audit", function()
  local folder, authority

  setup(function()
    authority = certs.folder()
    authority:authority("ca")
    folder = moongate.folder {
      ["loose.yaml"] = LOOSE,
      ["tight.yaml"] = TIGHT,
      ["proxied.yaml"] = PROXIED,
      ["bad.yaml"] = "listeners: 7\n",
      ["ca.pem"] = authority:text("ca.pem"),
    }
  end)

  teardown(function()
    authority:remove()
    moongate.stop_all()
  end)

  local function audit(name) return moongate.command({ "audit", "-c", name }, folder) end

  it("says what a configuration leaves open, and fails for it", function()
    local result = audit("loose.yaml")
    assert.same({ 1, "" }, { result.code, result.stderr })
    for _, line in ipairs {
      "0.0.0.0:0 http elsewhere",
      "127.0.0.1:0 https this machine",
      "0.0.0.0:9000 (admin) http, token elsewhere",
      "keyed key-auth body 10m http, https https, NOT verified",
      "often everybody, sometimes key-auth body 10m http, https https, NOT verified",
      "open everybody body 10m http, https https, NOT verified",
      "secure client certificate, key-auth body 2k, ip-restriction https http",
      "everyone everybody (public) body 10m http, https no service",
      "loose.yaml: limits: no bound: limits.idle_timeout\n",
      "loose.yaml: admin.address: the token travels in cleartext",
      "loose.yaml:16: services[0].routes[0]: credentials for key-auth may come in cleartext through 0.0.0.0:0",
      "loose.yaml:17: services[0].routes[1]: key-auth (services[0].routes[1].plugins[0]) has a condition (when)",
      "loose.yaml:17: services[0].routes[1]: credentials for key-auth may come in cleartext",
      "loose.yaml:18: services[0].routes[2]: everybody may, and nobody wrote public: true",
      "loose.yaml:18: services[0].routes[2]: no bound: limits.body_min_rate\n",
      "loose.yaml: services[0]: far may be anybody: tls_verify is off",
      "loose.yaml: admin.token: can be guessed",
      "\n9 gaps\n",
    } do
      assert.is_truthy(result.stdout:gsub(" +", " "):find(line, 1, true), line .. "\n" .. result.stdout)
    end
  end)

  it("finds none where there are none", function()
    for _, name in ipairs { "tight.yaml", "proxied.yaml" } do
      local result = audit(name)
      assert.same({ 0, "" }, { result.code, result.stderr }, result.stdout)
      assert.matches("\nno gaps\n$", result.stdout)
    end
  end)

  it("judges nothing that is not good", function()
    local result = audit("bad.yaml")
    assert.same({ 1, "" }, { result.code, result.stdout })
    assert.is_truthy(result.stderr:find("bad.yaml:1: listeners: ", 1, true), result.stderr)
    assert.is_truthy(result.stderr:find("moongate: bad.yaml: 1 error\n", 1, true), result.stderr)
  end)
end)
