-- What is known of a client's TLS: for plugins, trusted or not, Kong's too, in the access log, in /metrics.
local cjson = require("cjson")
local moongate = require("support.moongate")
local peers = require("support.peers")
local pki = require("support.pki")

local certs, gw

setup(function()
  certs = pki.new()
  certs:authority("ca")
  certs:issue("server", { by = "ca", names = { "a.test" } })
  certs:issue("alice", { by = "ca", cn = "Alice \195\132", names = { "alice.test" } })
  certs:authority("other")
  certs:issue("mallory", { by = "other" })
end)

teardown(function() certs:remove() end)

after_each(function()
  peers.stop_all()
  moongate.stop_all()
end)

local function curl(path, more)
  local pipe = assert(
    io.popen(
      ("curl -sS -m 10 --cacert %s/ca.pem --connect-to ::127.0.0.1:%d %s https://a.test%s 2>&1"):format(
        certs.folder,
        gw.port,
        more or "",
        path
      )
    )
  )
  local text = pipe:read("*a")
  pipe:close()
  return text
end

local function with(name)
  return ("--cert %s/%s.pem --key %s/%s.key"):format(certs.folder, name, certs.folder, name)
end

local PLUGIN = [[
local function facts(tls)
  return {
    version = tls:get_version(), cipher = tls:get_cipher(), protocol = tls:get_protocol(), sni = tls:get_sni(),
    resumed = tls:is_resumed(), certificate = tls:get_certificate(), pem = tls:get_full_client_certificate_chain(),
    verify = tls:get_client_verify(),
  }
end
return {
  access = function(conf, ctx)
    local said = facts(ctx.client.tls)
    said.scheme, said.http = ctx.request:get_scheme(), ctx.request:get_http_version()
    if ctx.request:get_header("x-verify") then
      ctx.client.tls:set_client_verify(ctx.request:get_header("x-verify"))
      said.verify = ctx.client.tls:get_client_verify()
    end
    ctx.response:exit(200, said)
  end,
  log = function(conf, ctx)
    local certificate = ctx.client.tls:get_certificate()
    ctx.log:notice("SEEN ", tostring(certificate and certificate.subject), " ",
      ctx.log:serialize().request.tls and ctx.log:serialize().request.tls.client_verify or "plain")
  end,
}]]

local KONG = [[
local M = { VERSION = "1.0.0", PRIORITY = 10 }
function M:access()
  local names = { "https", "server_protocol", "ssl_protocol", "ssl_cipher", "ssl_server_name", "ssl_session_reused",
    "ssl_client_verify", "ssl_client_s_dn", "ssl_client_serial", "ssl_client_fingerprint", "ssl_client_v_end",
    "ssl_client_escaped_cert" }
  local said = { scheme = kong.request.get_scheme(), http = kong.request.get_http_version() }
  for _, name in ipairs(names) do said[name] = ngx.var[name] end
  said.pem = kong.client.tls.get_full_client_certificate_chain()
  kong.response.exit(200, said)
end
return M]]

local function files()
  local all = certs:files("server.pem", "server.key", "ca.pem")
  all["plugins/facts/handler.lua"] = PLUGIN
  all["plugins/facts/schema.lua"] = 'return require("moongate.schema").record {}'
  all["plugins/kongs/handler.lua"] = KONG
  all["plugins/kongs/schema.lua"] =
    'return { name = "kongs", fields = { { config = { type = "record", fields = {} } } } }'
  return all
end

local function start()
  gw = moongate.start {
    yaml = [[
listeners:
  - address: 127.0.0.1:0
    tls: { cert: server.pem, key: server.key }
  - address: 127.0.0.1:0
plugin_paths: [plugins]
routes:
  - { name: own, paths: [/own], client_certificate: optional, client_ca: ca.pem, public: true, plugins: [{ name: facts }] }
  - { name: boxed, paths: [/boxed], public: true, plugins: [{ name: facts, trusted: false }] }
  - { name: kong, paths: [/kong], public: true, plugins: [{ name: kongs }] }
  - name: when
    paths: [/when]
    public: true
    plugins:
      - { name: facts, when: 'client.verified and client.subject:find("^CN=Alice") and request.sni == "a.test"' }
      - { name: request-termination, config: { status_code: 403, message: nobody } }
]],
    files = files(),
  }
end

describe("a plugin", function()
  for _, path in ipairs { "/own", "/boxed" } do
    it("knows how its client is connected, and by which certificate: " .. path, function()
      start()
      local said = cjson.decode(curl(path, "--http2 " .. with("alice")))
      assert.equal("TLSv1.3", said.version)
      assert.equal("TLS_AES_128_GCM_SHA256", said.cipher)
      assert.equal("h2", said.protocol)
      assert.equal("a.test", said.sni)
      assert.equal("https", said.scheme)
      assert.equal(2, said.http)
      assert.is_false(said.resumed)
      local shown = said.certificate
      assert.is_true(shown.verified)
      assert.equal("CN=Alice \\C3\\84,O=Moongate", shown.subject)
      assert.equal("CN=ca", shown.issuer)
      assert.same({ "DNS:alice.test" }, shown.names)
      local fact = certs:run("openssl x509 -in alice.pem -noout -serial -fingerprint -sha256")
      assert.equal(fact:match("serial=(%x+)"), shown.serial)
      assert.equal(fact:match("Fingerprint=([%x:]+)"):gsub(":", ""):lower(), shown.fingerprint)
      assert.is_true(math.abs(shown.not_after - os.time() - 30 * 24 * 3600) < 300)
      assert.equal(certs:text("alice.pem"), said.pem)
      assert.equal("SUCCESS", said.verify)
      gw:wait_log("SEEN CN=Alice \\C3\\84,O=Moongate SUCCESS")
      gw:stop()
    end)
  end

  it("sees a certificate that is not good as such, and nothing where there is none", function()
    start()
    local bad = cjson.decode(curl("/boxed", "--http1.1 --tls-max 1.2 " .. with("mallory")))
    assert.equal("TLSv1.2", bad.version)
    assert.equal(1.1, bad.http)
    assert.is_false(bad.certificate.verified)
    assert.matches("unable to", bad.certificate.problem)
    assert.equal("FAILED:" .. bad.certificate.problem, bad.verify)
    local none = cjson.decode(curl("/own", "-H 'x-verify: FAILED:of mine'"))
    assert.is_nil(none.certificate)
    assert.equal("FAILED:of mine", none.verify)
    gw:wait_log("SEEN nil FAILED:of mine")
    local plain = cjson.decode(gw:request("GET", "/own", { port = gw.ports[2] }).body)
    assert.same({ resumed = false, verify = "NONE", scheme = "http", http = 1.1 }, plain)
    gw:stop()
  end)

  it("is chosen by a condition over them", function()
    start()
    assert.matches("TLSv1.3", curl("/when", with("alice")))
    assert.matches("nobody", curl("/when", with("mallory")))
    assert.matches("nobody", curl("/when"))
    gw:stop()
  end)

  it("that was written for Kong finds nginx's variables", function()
    start()
    local said = cjson.decode(curl("/kong", "--http1.1 " .. with("alice")))
    local sha1 = certs:run("openssl x509 -in alice.pem -noout -fingerprint -sha1"):match("Fingerprint=([%x:]+)")
    assert.equal(sha1:gsub(":", ""):lower(), said.ssl_client_fingerprint)
    assert.equal("SUCCESS", said.ssl_client_verify)
    assert.equal("CN=Alice \\C3\\84,O=Moongate", said.ssl_client_s_dn)
    assert.equal("on", said.https)
    assert.equal("HTTP/1.1", said.server_protocol)
    assert.equal("TLSv1.3", said.ssl_protocol)
    assert.equal(".", said.ssl_session_reused)
    assert.equal("a.test", said.ssl_server_name)
    assert.matches("^%u%l%l .- GMT$", said.ssl_client_v_end)
    assert.matches("^%-%-%-%-%-BEGIN%%20CERTIFICATE", said.ssl_client_escaped_cert)
    assert.equal(certs:text("alice.pem"), said.pem)
    local plain = cjson.decode(gw:request("GET", "/kong", { port = gw.ports[2] }).body)
    assert.same({ scheme = "http", http = 1.1, https = "", server_protocol = "HTTP/1.1" }, plain)
    gw:stop()
  end)
end)

describe("the gateway", function()
  it("writes TLS into the access log, and counts it", function()
    start()
    curl("/own", "--http2 " .. with("alice"))
    gw:request("GET", "/own", { port = gw.ports[2] })
    local lines = gw:access_log(2)
    assert.same(
      { version = "TLSv1.3", cipher = "TLS_AES_128_GCM_SHA256", sni = "a.test", resumed = false },
      lines[1].tls
    )
    assert.is_nil(lines[2].tls)
    assert.equal(1, gw:metric('moongate_tls_handshakes_total{result="ok",version="TLSv1.3",resumed="false"}'))
    assert.equal(1, gw:metric('moongate_protocol_requests_total{http="2",tls="TLSv1.3"}'))
    assert.equal(1, gw:metric('moongate_protocol_requests_total{http="1.1",tls=""}'))
    local left = gw:metric('moongate_certificate_expiry_seconds{kind="certificate",name="listeners[0].tls.cert"}')
    assert.is_true(math.abs(left - 30 * 24 * 3600) < 300)
    gw:stop()
  end)

  it("tells a service of a certificate that is good, and nobody else can", function()
    local up = peers.nginx {
      server = [[return 200 "$http_client_cert|$http_x_forwarded_client_cert|$http_client_cert_chain";]],
    }
    if not up then return pending("nginx is not here") end
    local function ask(header, more)
      gw:configure(([[
listeners: [{ address: 127.0.0.1:0, tls: { cert: server.pem, key: server.key } }]
services:
  - name: s
    url: http://127.0.0.1:PORT
    HEADER
    routes: [{ name: r, paths: [/], public: true, client_certificate: optional, client_ca: ca.pem }]
]]):gsub("PORT", up.port):gsub("HEADER", header))
      assert.equal(200, gw:reload())
      return curl(
        "/",
        "-H 'Client-Cert: :bWU=:' -H 'Client-Cert-Chain: x' -H 'X-Forwarded-Client-Cert: Hash=me' " .. more
      )
    end
    start()
    assert.equal("||", ask("", with("alice")))
    assert.equal("||", ask("client_certificate_header: client-cert", ""))
    local der = certs:run("openssl x509 -in alice.pem -outform der | base64 -w0")
    assert.equal(":" .. der .. ":||", ask("client_certificate_header: client-cert", with("alice")))
    local fact = certs:run("openssl x509 -in alice.pem -noout -fingerprint -sha256")
    local hash = fact:match("Fingerprint=([%x:]+)"):gsub(":", ""):lower()
    assert.equal(
      ('|Hash=%s;Subject="CN=Alice \\C3\\84,O=Moongate";DNS="alice.test"|'):format(hash),
      ask("client_certificate_header: x-forwarded-client-cert", with("alice"))
    )
    gw:stop()
  end)
end)
