-- What routes and listeners ask of the way a request comes: HTTPS, a name in the handshake.
local moongate = require("support.moongate")
local peers = require("support.peers")
local pki = require("support.pki")

local certs, gw

setup(function()
  certs = pki.new()
  certs:authority("ca")
  for _, name in ipairs { "a", "b" } do
    certs:issue(name, { by = "ca", names = { name .. ".test", "*." .. name .. ".test" } })
  end
end)

teardown(function() certs:remove() end)

-- A request over TLS to a name, and what came: status, body, Location.
local function https(host, path, more)
  local pipe = assert(
    io.popen(
      ("curl -sS -m 10 --cacert %s/ca.pem --connect-to ::127.0.0.1:%d %s -w '\n%%{http_code} %%{redirect_url}' https://%s%s 2>&1"):format(
        certs.folder,
        gw.ports[2],
        more or "",
        host,
        path
      )
    )
  )
  local text = pipe:read("*a")
  pipe:close()
  local body, status, location = text:match("^(.*)\n(%d+) (.*)$")
  return { status = tonumber(status), body = body, location = location }
end

local LISTENERS = [[
listeners:
  - { address: 127.0.0.1:0 PLAIN }
  - { address: 127.0.0.1:0, tls: TLS }
certificates:
  - { name: first, cert: a.pem, key: a.key, snis: [{ name: a.test }, { name: "*.a.test" }] }
  - { name: second, cert: b.pem, key: b.key, snis: [{ name: b.test }] }
]]

local function start(routes, plain, tls)
  gw = moongate.start {
    yaml = LISTENERS:gsub("PLAIN", plain or ""):gsub("TLS", tls or "{}") .. routes,
    files = certs:files("a.pem", "a.key", "b.pem", "b.key"),
  }
end

local function route_of(response) return response.body:match('"route":"([^"]+)"') end

describe("routes", function()
  after_each(function()
    peers.stop_all()
    moongate.stop_all()
  end)

  it("are chosen by the name of the handshake", function()
    start([[
routes:
  - { name: a, paths: [/], snis: [a.test], public: true, plugins: [{ name: echo }] }
  - { name: deep, paths: [/], snis: ["*.a.test"], public: true, plugins: [{ name: echo }] }
  - { name: rest, paths: [/], public: true, plugins: [{ name: echo }] }
]])
    assert.equal("a", route_of(https("a.test", "/")))
    assert.equal("a", route_of(https("a.test", "/", "--http2")))
    assert.equal("deep", route_of(https("x.a.test", "/")))
    assert.equal("rest", route_of(https("b.test", "/")))
    assert.equal("a", route_of(https("a.test", "/", "-H 'Host: b.test'"))) -- the name, not the Host
    assert.equal("rest", route_of(https("b.test", "/", "-H 'Host: a.test'")))
    for url, route in pairs {
      ["https://a.test/"] = "a",
      ["https://x.a.test/"] = "deep",
      ["https://b.test/ --sni A.test"] = "a",
      ["https://b.test/"] = "rest",
    } do
      local argv = { "explain", "-c", gw.config, "GET" }
      for word in url:gmatch("%S+") do
        argv[#argv + 1] = word
      end
      local result = moongate.command(argv, gw.folder)
      assert.matches("^route      " .. route .. " ", result.stdout, url)
    end
    assert.matches("sni:a.test", moongate.command({ "routes", "-c", gw.config }, gw.folder).stdout)
    gw:stop()
  end)

  it("for HTTPS alone send plain HTTP away: 426, or to the same place", function()
    start([[
routes:
  - { name: upgrade, paths: [/upgrade], protocols: [https], public: true, plugins: [{ name: echo }] }
  - { name: there, paths: [/there], protocols: [https], https_redirect_status_code: 308, public: true,
      plugins: [{ name: echo }] }
  - { name: plain, paths: [/plain], protocols: [http], public: true, plugins: [{ name: echo }] }
]])
    local refused = gw:get("/upgrade")
    assert.equal(426, refused.status)
    assert.equal("TLS/1.2, HTTP/1.1", refused.headers.upgrade)
    assert.matches("upgrade", refused.headers.connection:lower())
    assert.matches('"https_only"', refused.body)
    local sent = gw:request("POST", "/there/x?y=1&z=%20", { headers = { Host = "A.test:8000" } })
    assert.equal(308, sent.status)
    assert.equal("https://a.test/there/x?y=1&z=%20", sent.headers.location)
    assert.equal("upgrade", route_of(https("a.test", "/upgrade")))
    assert.equal("there", route_of(https("a.test", "/there")))
    assert.equal(200, gw:get("/plain").status)
    assert.equal(404, https("a.test", "/plain").status)
    gw:stop()
  end)

  it("believe a trusted proxy that TLS ended there, and nobody else", function()
    local routes = [[
routes: [{ name: safe, paths: [/], protocols: [https], public: true, plugins: [{ name: echo }] }]
]]
    start("trusted_proxies: [127.0.0.1]\n" .. routes)
    assert.equal(200, gw:get("/", { ["X-Forwarded-Proto"] = "https" }).status)
    assert.equal(426, gw:get("/").status)
    gw:stop()
    start(routes)
    assert.equal(426, gw:get("/", { ["X-Forwarded-Proto"] = "https" }).status)
    gw:stop()
  end)
end)

describe("a listener", function()
  after_each(function() moongate.stop_all() end)

  it("sends everything on to HTTPS", function()
    start(
      "routes: [{ name: all, paths: [/], public: true, plugins: [{ name: echo }] }]\n",
      ", redirect_https: 301"
    )
    local sent = gw:get("/x?y=1", { Host = "a.test" })
    assert.equal(301, sent.status)
    assert.equal("https://a.test/x?y=1", sent.headers.location)
    assert.equal("https://a.test/no/such", gw:get("/no/such", { Host = "a.test" }).headers.location)
    assert.equal("all", route_of(https("a.test", "/x")))
    local listed = gw:access_log(1)[1]
    assert.equal(301, listed.statusCode)
    assert.equal(require("cjson").null, listed.error)
    gw:stop()
  end)

  it("shows the certificates it names, and no others", function()
    start(
      "routes: [{ name: all, paths: [/], public: true, plugins: [{ name: echo }] }]\n",
      nil,
      "{ certificates: [second], strict_sni: true }"
    )
    assert.equal(200, https("b.test", "/").status)
    assert.matches("unrecognized name", https("a.test", "/").body)
    gw:stop()
  end)
end)
