-- TLS to services: the real binary before Node and nginx, which say what they saw of it.
local certs_of = require("support.certs")
local cjson = require("cjson")
local http = require("support.http")
local moongate = require("support.moongate")
local peers = require("support.peers")
local tls_server = require("support.tls_server")
local wire = require("support.wire")

local certs, gw

setup(function()
  certs = certs_of.folder()
  certs:authority("ca")
  certs:authority("stranger")
  certs:authority("mid", "ca")
  certs:sign("good", { by = "ca", san = "DNS:localhost,DNS:a.test,DNS:*.wild.test,IP:127.0.0.1" })
  certs:sign("deep", { by = "mid", san = "DNS:localhost" })
  certs:write("deep.pem", certs:text("deep.pem") .. certs:text("mid.pem"))
  certs:sign("other", { by = "ca", san = "DNS:other.test" })
  certs:sign("cn", { by = "ca", cn = "localhost", san = "DNS:other.test" })
  certs:sign("bare", { by = "ca", cn = "localhost" })
  certs:sign("expired", { by = "ca", san = "DNS:localhost", till = "20210101000000Z" })
  certs:sign("early", { by = "ca", san = "DNS:localhost", from = "20900101000000Z" })
  certs:sign("self", { san = "DNS:localhost" })
  certs:sign("unknown", { by = "stranger", san = "DNS:localhost" })
  certs:sign("weak", { by = "ca", san = "DNS:localhost", rsa = 1024 })
  certs:sign("client", { by = "ca", cn = "the gateway" })
  certs:sign("second", { by = "ca", cn = "another gateway" })
  -- "localhost\0.bad.test" as a name
  certs:sign("nul", {
    by = "ca",
    san = "2.5.29.17=DER:30:15:82:13:6c:6f:63:61:6c:68:6f:73:74:00:2e:62:61:64:2e:74:65:73:74",
  })
  certs:sign("purpose", {
    by = "ca",
    san = "DNS:localhost",
    extensions = { "basicConstraints=CA:FALSE", "extendedKeyUsage=clientAuth" },
  })
end)

teardown(function() certs:remove() end)

after_each(function()
  peers.stop_all()
  tls_server.stop_all()
  moongate.stop_all()
end)

local FILES = { "ca", "stranger", "mid", "self", "client", "second", "weak" }

local function files()
  local list = {}
  for _, name in ipairs(FILES) do
    list[name .. ".pem"], list[name .. ".key"] = certs:text(name .. ".pem"), certs:text(name .. ".key")
  end
  return list
end

local HEAD = [[
workers: 1
ca_certificates:
  - { name: ca, cert: ca.pem }
  - { name: mid, cert: mid.pem }
  - { name: self, cert: self.pem }
]]

-- A service a name of `services`, each with a route of that path: { url, lines of it }.
local function yaml_of(services, more)
  local parts = { HEAD, more or "", "services:\n" }
  for name, lines in pairs(services) do
    parts[#parts + 1] = ("  - name: %s\n    routes: [{ name: %s, paths: [/%s], public: true }]\n"):format(
      name,
      name,
      name
    )
    for _, line in ipairs(lines) do
      parts[#parts + 1] = "    " .. line .. "\n"
    end
  end
  return table.concat(parts)
end

local function start(services, more, options)
  options = options or {}
  options.yaml, options.files = yaml_of(services, more), files()
  gw = moongate.start(options)
end

local TRUST = "ca_certificates: [ca]"

local function url(server, host) return ("url: https://%s:%d"):format(host or "localhost", server.port) end

local function seen(path) return cjson.decode(assert(gw:get(path)).body) end

-- Why it was not answered by the service, which the access log says, too; and how often that was tried.
local function refused(path, status)
  local response = gw:get(path)
  assert.equal(status or 502, response.status)
  local problem = cjson.decode(response.body)
  local line = wire.wait(function()
    for _, one in ipairs(gw:access_log()) do
      if one.correlationId == problem.correlationId then return one end
    end
  end)
  assert.equal(problem.reason, line.error)
  return problem.reason, line.tries
end

describe("a service over TLS", function()
  it("is asked by its name, over connections that are kept", function()
    local server = tls_server.start(certs, "good")
    start { a = { url(server), TRUST }, ip = { url(server, "127.0.0.1"), TRUST } }
    local first, second = seen("/a"), seen("/a")
    assert.equal("localhost", first.name)
    assert.equal("http/1.1", first.protocol)
    assert.equal("TLSv1.3", first.version)
    assert.equal("localhost:" .. server.port, first.host)
    assert.equal(first.reused, second.reused)
    assert.equal(1, #server:handshakes())
    -- an address has no name to ask for (RFC 6066 3), and is looked for among the addresses
    assert.equal(cjson.null, seen("/ip").name or cjson.null)
    assert.equal(2, #server:handshakes())
    local line = gw:access_log(3)[1]
    assert.is_true(line.phases.connect > 0)
    gw:stop()
  end)

  it("is asked over HTTP/2 when it agrees, with https as its scheme", function()
    local server = tls_server.start(certs, "good", { http2 = true })
    start {
      a = { url(server), TRUST, "http2: true" },
      grpc = { ("url: grpcs://localhost:%d"):format(server.port), TRUST },
    }
    for _ = 1, 3 do
      local answer = seen("/a")
      assert.same({ "h2", "https", "localhost" }, { answer.protocol, answer.scheme, answer.name })
    end
    assert.equal(1, #server:handshakes())
    assert.equal("h2", seen("/grpc").protocol)
    gw:stop()
  end)

  it("that does not agree to HTTP/2 is not asked otherwise", function()
    local old, new = tls_server.start(certs, "good"), tls_server.start(certs, "good", { http2 = true })
    start { a = { url(old), TRUST, "http2: true" }, b = { url(new), TRUST } }
    assert.equal("tls_protocol", (refused("/a")))
    assert.equal("tls_protocol", (refused("/b")))
    assert.same({}, old:requests())
    gw:stop()
  end)

  it("that agrees to nothing at all is asked over HTTP/1.1 alone", function()
    local server = tls_server.start(certs, "good", { silent = true })
    start { a = { url(server), TRUST, "http2: true" }, b = { url(server), TRUST } }
    assert.equal("tls_protocol", (refused("/a")))
    assert.is_false(seen("/b").protocol)
    gw:stop()
  end)

  it("gets large bodies, and gives them, whatever the two hold back", function()
    local one, two = tls_server.start(certs, "good"), tls_server.start(certs, "good", { http2 = true })
    start({ one = { url(one), TRUST }, two = { url(two), TRUST, "http2: true" } }, "limits: { body: 64m }\n")
    local body = ("0123456789abcdef"):rep(512 * 1024) -- 8 MiB
    for _, name in ipairs { "one", "two" } do
      assert.equal(
        #body,
        cjson.decode(gw:request("POST", "/" .. name .. "/slow", { body = body, seconds = 60 }).body).length
      )
      local response = gw:request("GET", "/" .. name .. "/size/" .. #body, { seconds = 60 })
      assert.is_true(response.body == body)
      local conn = gw:connect()
      conn:send("GET /" .. name .. "/size/" .. #body .. " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
      conn:hold(true)
      wire.pass(0.3) -- everything is full meanwhile
      conn:hold(false)
      assert.is_true(http.read_response(conn, { seconds = 60 }).body == body)
    end
    gw:stop()
  end)

  it("may say everything byte by byte", function()
    local server = tls_server.start(certs, "good", { bytes = true })
    start { a = { url(server), TRUST } }
    assert.equal("TLSv1.3", seen("/a").version)
    gw:stop()
  end)

  it("may be nginx", function()
    local web = peers.nginx {
      listen = "ssl",
      server = ([[
        ssl_certificate %s; ssl_certificate_key %s; ssl_protocols TLSv1.2; ssl_session_tickets off; ssl_session_cache shared:s:1m;
        client_max_body_size 64m;
        location / { return 200 "$ssl_protocol $ssl_server_name $ssl_session_reused $host"; }]]):format(
        certs:file("good.pem"),
        certs:file("good.key")
      ),
    }
    if not web then return pending("no nginx") end
    start { a = { url(web), TRUST, "keepalive: { connections: 0 }" } }
    assert.equal("TLSv1.2 localhost . localhost", gw:get("/a").body)
    assert.equal("TLSv1.2 localhost r localhost", gw:get("/a").body) -- by its session id
    gw:stop()
  end)

  it("hears the PROXY header before TLS", function()
    local server = tls_server.start(certs, "good", { proxy = true })
    start { a = { url(server), TRUST, "proxy_protocol: v1" } }
    assert.matches("^PROXY TCP4 127%.0%.0%.1 127%.0%.0%.1 %d+ " .. gw.port .. "$", seen("/a").header)
    assert.equal("http/1.1", seen("/a").protocol)
    assert.equal(2, #server:handshakes()) -- such a connection serves one client
    gw:stop()
  end)

  it("may be reached through a unix socket", function()
    local path = certs:file("tls.sock")
    local web = peers.nginx {
      path = path,
      listen = "ssl",
      server = ('ssl_certificate %s; ssl_certificate_key %s; location / { return 200 "$ssl_server_name $host"; }'):format(
        certs:file("good.pem"),
        certs:file("good.key")
      ),
    }
    if not web then return pending("no nginx") end
    start { a = { "url: https://unix:" .. path .. ":/", TRUST } }
    assert.equal("localhost localhost", gw:get("/a").body)
    gw:stop()
  end)
end)

describe("whom a service is believed to be:", function()
  local function service(name, lines)
    local server = tls_server.start(certs, name)
    local all = { url(server), unpack(lines or { TRUST }) }
    return all
  end

  it("each reason to refuse it has a name, at the client, in the log and in the metrics", function()
    start {
      expired = service("expired"),
      early = service("early"),
      self = service("self"),
      unknown = service("unknown"),
      system = service("good", { "retries: 3" }),
      other = service("other"),
      cn = service("cn"),
      bare = service("bare"),
      nul = service("nul"),
      weak = service("weak"),
      purpose = service("purpose"),
      deep = service("deep", { TRUST, "tls_verify_depth: 0" }),
    }
    local wanted = {
      expired = "tls_expired",
      early = "tls_expired",
      self = "tls_untrusted",
      unknown = "tls_untrusted",
      system = "tls_untrusted",
      other = "tls_name",
      cn = "tls_name",
      bare = "tls_name", -- names of yesterday's place are none
      nul = "tls_name",
      weak = "tls_certificate",
      purpose = "tls_certificate",
      deep = "tls_certificate",
    }
    for name, why in pairs(wanted) do
      local got, tries = refused("/" .. name)
      assert.same({ why, 1 }, { got, tries }, name)
    end
    assert.equal(1, gw:metric('moongate_upstream_requests_total{service="expired",outcome="tls_expired"}'))
    gw:wait_log("has expired or is not valid yet: certificate ")
    gw:wait_log("hostname mismatch")
    gw:stop()
  end)

  it("one that is trusted as it stands, in the middle of a chain, and below a depth", function()
    start {
      self = service("self", { "ca_certificates: [self]" }),
      mid = service("deep", { "ca_certificates: [mid]" }),
      deep = service("deep", { TRUST, "tls_verify_depth: 1" }),
      two = service("good", { "ca_certificates: [self, ca]" }),
    }
    for _, name in ipairs { "self", "mid", "deep", "two" } do
      assert.equal(200, gw:get("/" .. name).status, name)
    end
    gw:stop()
  end)

  it("whom the system trusts, where nobody else is named", function()
    start(
      { a = service("good", {}), b = service("unknown", {}) },
      nil,
      { env = { SSL_CERT_FILE = certs:file("ca.pem") } }
    )
    assert.equal(200, gw:get("/a").status)
    assert.equal("tls_untrusted", (refused("/b")))
    gw:stop()
    local check = moongate.command(
      { "check" },
      moongate.folder { ["moongate.yaml"] = "services:\n  - url: https://a\n" },
      { SSL_CERT_FILE = "/nowhere" }
    )
    assert.matches("services%[0%]: nobody is trusted on this system", check.stdout .. check.stderr)
  end)

  it("anybody, where it is not verified", function()
    start {
      expired = service("expired", { "tls_verify: false" }),
      other = service("other", { "tls_verify: false" }),
    }
    assert.equal(200, gw:get("/expired").status)
    assert.equal("localhost", seen("/other").name)
    gw:stop()
  end)

  it("the name is what the service is told, else its upstream's host_header, else the target's", function()
    local good, other = tls_server.start(certs, "good"), tls_server.start(certs, "other")
    local upstreams = ([[
upstreams:
  - { name: header, host_header: "a.test:8443", targets: [{ target: "localhost:%d" }] }
  - { name: own, targets: [{ target: "localhost:%d" }] }
  - { name: address, targets: [{ target: "127.0.0.1:%d" }] }
]]):format(good.port, good.port, other.port)
    start({
      told = { url(good, "127.0.0.1"), TRUST, "tls_server_name: x.wild.test" },
      two = { url(good), TRUST, "tls_server_name: y.x.wild.test" },
      header = { "url: https://header", TRUST },
      own = { "url: https://own", TRUST },
      address = { "url: https://address", TRUST },
      named = { "url: https://address", TRUST, "tls_server_name: OTHER.test" },
    }, upstreams)
    assert.equal("x.wild.test", seen("/told").name)
    assert.equal("tls_name", (refused("/two"))) -- a star is one label
    assert.same({ "a.test", "a.test:8443" }, { seen("/header").name, seen("/header").host })
    assert.same({ "localhost", "localhost:" .. good.port }, { seen("/own").name, seen("/own").host })
    assert.equal("tls_name", (refused("/address")))
    assert.equal("other.test", seen("/named").name)
    gw:stop()
  end)

  it("never the name that the client wrote", function()
    local server = tls_server.start(certs, "good")
    gw = moongate.start {
      yaml = HEAD .. ([[
services:
  - name: a
    url: https://localhost:%d
    ca_certificates: [ca]
    routes: [{ name: a, paths: [/a], public: true, preserve_host: true }]
]]):format(server.port),
      files = files(),
    }
    local answer = cjson.decode(gw:get("/a", { host = "evil.test" }).body)
    assert.same({ "localhost", "evil.test" }, { answer.name, answer.host })
    gw:stop()
  end)

  it("another target is asked when one cannot show who it is, and none for ever", function()
    local bad, good = tls_server.start(certs, "other"), tls_server.start(certs, "good")
    start(
      { a = { "url: https://two", TRUST }, b = { "url: https://one", TRUST, "retries: 100" } },
      ([[
upstreams:
  - { name: two, targets: [{ target: "localhost:%d" }, { target: "localhost:%d" }] }
  - { name: one, targets: [{ target: "localhost:%d" }] }
]]):format(bad.port, good.port, bad.port)
    )
    for _ = 1, 4 do
      assert.equal(200, gw:get("/a").status)
    end
    assert.same({ "tls_name", 1 }, { refused("/b") })
    gw:stop()
  end)
end)

describe("a handshake with a service", function()
  it("takes no longer than connect_timeout, and says that it was the handshake", function()
    local quiet = wire.listen { on_conn = function() end }
    local place = ("url: https://localhost:%d"):format(quiet.port)
    local short = { "connect_timeout: 300", "retries: 0" }
    start {
      a = { place, TRUST, unpack(short) },
      b = { place, TRUST, "http2: true", unpack(short) },
    }
    assert.equal("tls_timeout", (refused("/a", 504)))
    assert.equal("tls_timeout", (refused("/b", 504)))
    quiet:close()
    gw:stop()
  end)

  it("ends with its own reason when the other side is too old, speaks no TLS, or goes away", function()
    local old = tls_server.start(certs, "good", {
      minVersion = "TLSv1.1",
      maxVersion = "TLSv1.1",
      ciphers = "DEFAULT@SECLEVEL=0",
    })
    local static = tls_server.start(certs, "good", { maxVersion = "TLSv1.2", ciphers = "ECDHE-ECDSA-AES128-SHA" })
    local plain = wire.listen { on_conn = function(conn) conn:send("HTTP/1.1 400 Bad Request\r\n\r\n") end }
    local gone = wire.listen { on_conn = function(conn) conn:close() end }
    start {
      old = { url(old), TRUST },
      static = { url(static), TRUST },
      plain = { url(plain), TRUST, "retries: 0" },
      gone = { url(gone), TRUST, "retries: 0" },
    }
    assert.equal("tls_refused", (refused("/old")))
    assert.equal("tls_refused", (refused("/static")))
    assert.equal("tls_handshake", (refused("/plain")))
    assert.equal("tls_handshake", (refused("/gone")))
    plain:close()
    gone:close()
    gw:stop()
  end)

  -- Anybody on the way can write one before there are keys.
  it("is none after a close_notify in the clear: no request follows", function()
    local conns = {}
    local goodbye = wire.listen {
      on_conn = function(conn)
        conns[#conns + 1] = conn
        conn:send("\21\3\3\0\2\1\0")
      end,
    }
    local place = ("url: https://localhost:%d"):format(goodbye.port)
    start {
      a = { place, "retries: 0", "tls_verify: false" },
      b = { place, "retries: 0", "tls_verify: false", "http2: true" },
    }
    assert.equal("tls_handshake", (refused("/a")))
    assert.equal("tls_handshake", (refused("/b")))
    for _, conn in ipairs(conns) do
      assert.is_truthy(wire.wait(function() return conn.ended end))
      assert.is_nil(conn:peek():find("HTTP/", 1, true), "the request came in the clear")
    end
    assert.is_true(#conns >= 2)
    goodbye:close()
    gw:stop()
  end)

  it("shows a certificate to a server that asks, which refuses who has none", function()
    local function asks(options)
      options.requestCert, options.rejectUnauthorized, options.ca = true, true, "ca"
      return tls_server.start(certs, "good", options)
    end
    local new, old = asks {}, asks { maxVersion = "TLSv1.2" }
    local two = asks { http2 = true }
    local shown = "client_certificate: { cert: client.pem, key: client.key }"
    start(
      {
        new = { url(new), TRUST, shown },
        old = { url(old), TRUST, shown },
        two = { url(two), TRUST, shown, "http2: true" },
        id = { url(new), TRUST, "client_certificate: 7fca84d6-7d37-4a74-a7b0-93e576089a41" },
        new_none = { url(new), TRUST },
        old_none = { url(old), TRUST },
        two_none = { url(two), TRUST, "http2: true" },
      },
      [[
certificates:
  - { id: 7fca84d6-7d37-4a74-a7b0-93e576089a41, cert: second.pem, key: second.key }
]]
    )
    assert.equal("the gateway", seen("/new").client)
    assert.equal("the gateway", seen("/old").client)
    assert.equal("the gateway", seen("/two").client)
    assert.equal("another gateway", seen("/id").client)
    for _, name in ipairs { "new_none", "old_none", "two_none" } do
      assert.equal("tls_refused", (refused("/" .. name)), name)
    end
    gw:stop()
  end)
end)

describe("the end of a response over TLS", function()
  it("counts only when the server said it", function()
    local server = tls_server.start(certs, "good")
    start { a = { url(server), TRUST } }
    local whole = gw:get("/a/close")
    assert.same({ 200, "all of it" }, { whole.status, whole.body })
    local part = gw:get("/a/cut")
    assert.same({ 200, "some of it", true }, { part.status, part.body, part.cut })
    local log = gw:access_log(2)
    assert.equal("upstream_cut", log[2].error)
    gw:stop()
  end)
end)

describe("a tunnel over TLS", function()
  it("goes both ways, and its end is only the server's when that said so", function()
    local server = tls_server.start(certs, "good")
    start { a = { url(server), TRUST } }
    local function open()
      local conn = gw:connect()
      conn:send("GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
      assert.matches("^HTTP/1%.1 101", conn:read_until("\r\n\r\n"))
      local piece = ("x"):rep(300000)
      conn:send(piece)
      assert.is_true(conn:read(#piece) == piece)
      return conn
    end
    local conn = open()
    conn:send("/end")
    assert.same({ "bye", "end" }, { conn:read_all() })
    conn:close()
    conn = open()
    conn:send("/cut")
    local rest, how = conn:read_all()
    assert.equal("", rest)
    assert.equal("reset", how)
    conn:close()
    gw:stop()
  end)
end)

describe("sessions with services", function()
  local ALWAYS_NEW = "keepalive: { connections: 0 }"

  it("are taken up again, by each worker with each server", function()
    local one = tls_server.start(certs, "good")
    local two = tls_server.start(certs, "good", { maxVersion = "TLSv1.2" })
    start { one = { url(one), TRUST, ALWAYS_NEW }, two = { url(two), TRUST, ALWAYS_NEW } }
    for _, name in ipairs { "one", "two" } do
      assert.is_false(seen("/" .. name).reused, name)
      assert.is_true(seen("/" .. name).reused, name)
      assert.is_true(seen("/" .. name).reused, name)
    end
    gw:stop()
  end)

  it("and connections serve nobody with other settings, also after a reload", function()
    local server = tls_server.start(certs, "good", { requestCert = true, rejectUnauthorized = false, ca = "ca" })
    local function services(last)
      return {
        plain = { url(server), TRUST },
        name = { url(server), TRUST, "tls_server_name: a.test" },
        off = { url(server), "tls_verify: false" },
        shown = { url(server), TRUST, "client_certificate: { cert: client.pem, key: client.key }" },
        last = { url(server), unpack(last) },
      }
    end
    start(services { "tls_verify: false", "client_certificate: { cert: client.pem, key: client.key }" })
    for _, name in ipairs { "off", "plain", "name", "shown", "last" } do
      assert.is_false(seen("/" .. name).reused, name)
    end
    assert.equal(5, #server:handshakes())
    assert.equal("the gateway", seen("/last").client)
    assert.equal(5, #server:handshakes())
    -- what was verified less must not be used by who verifies
    gw:configure(yaml_of(services { "ca_certificates: [self]" }))
    assert.equal(200, gw:reload())
    assert.equal("tls_untrusted", (refused("/last")))
    gw:configure(yaml_of(services { TRUST, "client_certificate: { cert: second.pem, key: second.key }" }))
    assert.equal(200, gw:reload())
    local last = seen("/last")
    assert.same({ "another gateway", false }, { last.client, last.reused })
    assert.equal("the gateway", seen("/shown").client) -- still the one from before
    gw:stop()
  end)
end)

describe("keys and certificates of services", function()
  it("never show, and are load errors where they do not fit", function()
    local server = tls_server.start(certs, "good")
    start { a = { url(server), TRUST, "client_certificate: { cert: client.pem, key: client.key }" } }
    local shown = gw:ask("GET", "/config").body
    assert.is_nil(shown:find("BEGIN", 1, true))
    gw:configure(
      yaml_of { a = { url(server), TRUST, "client_certificate: { cert: client.pem, key: second.key }" } }
    )
    local code, answer = gw:reload()
    assert.equal(422, code)
    assert.matches(
      "services%[0%]%.client_certificate%.key: does not belong to the certificate",
      cjson.encode(answer)
    )
    gw:configure(yaml_of { a = { url(server), TRUST, "client_certificate: { cert: weak.pem, key: weak.key }" } })
    code, answer = gw:reload()
    assert.equal(422, code)
    assert.matches("key: cannot be used with its certificate %(ee key too small%)", cjson.encode(answer))
    assert.equal(200, gw:get("/a").status)
    gw:stop()
  end)
end)

describe("a certificate that only services see", function()
  it("is shown to no client", function()
    local folder = moongate.folder {
      ["moongate.yaml"] = [[
listeners: [{ address: "127.0.0.1:0", tls: {} }]
services:
  - { url: "https://a", client_certificate: 7fca84d6-7d37-4a74-a7b0-93e576089a41 }
certificates:
  - { id: 7fca84d6-7d37-4a74-a7b0-93e576089a41, cert: client.pem, key: client.key }
]],
      ["client.pem"] = certs:text("client.pem"),
      ["client.key"] = certs:text("client.key"),
    }
    local check = moongate.command({ "check" }, folder)
    assert.equal(0, check.code)
    assert.matches("shows a certificate that was made for development", check.stdout .. check.stderr)
  end)
end)

describe("files of Kong's", function()
  it("do not verify unless they say so, and check lists them", function()
    local folder = moongate.folder {
      ["kong.yaml"] = [[
_format_version: "3.0"
services:
  - { name: a, url: "https://a", routes: [{ name: a, paths: [/a] }] }
  - { name: b, url: "https://b", tls_verify: true, ca_certificates: [4e3ad2e4-0bc4-4638-8e34-c84a417ba39b],
      tls_verify_depth: 2, routes: [{ name: b, paths: [/b] }] }
ca_certificates:
  - { id: 4e3ad2e4-0bc4-4638-8e34-c84a417ba39b, cert: ca.pem }
]],
      ["ca.pem"] = certs:text("ca.pem"),
    }
    local check = moongate.command({ "check", "-c", "kong.yaml" }, folder)
    local said = check.stdout .. check.stderr
    assert.equal(0, check.code)
    assert.matches("kong.yaml:3: services%[0%]%.tls_verify: relies on the default false", said)
    assert.is_nil(said:find("services%[1%]"))
  end)
end)

describe("a log plugin with an https endpoint", function()
  it("delivers to who is believed alone", function()
    local good, stranger = tls_server.start(certs, "good"), tls_server.start(certs, "unknown")
    gw = moongate.start {
      env = { SSL_CERT_FILE = certs:file("ca.pem") },
      yaml = ([[
workers: 2
routes:
  - { name: one, paths: [/one], public: true, plugins: [{ name: echo }] }
plugins:
  - { name: http-log, config: { http_endpoint: "https://localhost:%d/good" } }
  - { name: http-log, instance_name: other, route: one, config: { http_endpoint: "https://localhost:%d/bad" } }
]]):format(good.port, stranger.port),
    }
    gw:get("/one")
    gw:get("/nowhere")
    assert.is_truthy(wire.wait(function() return #good:requests() == 1 end))
    gw:wait_log("signed by nobody who is trusted")
    assert.same({}, stranger:requests())
    assert.equal("localhost", good:handshakes()[1].name)
    gw:stop()
  end)
end)

describe("ctx:fetch", function()
  it("speaks TLS to services and URLs, verified", function()
    local server = tls_server.start(certs, "good")
    local stranger = tls_server.start(certs, "unknown")
    gw = moongate.start {
      env = { SSL_CERT_FILE = certs:file("ca.pem") },
      files = {
        ["plugins/ask/handler.lua"] = [[
return {
  access = function(_, ctx)
    local query = ctx.request:get_query()
    local answer, why = ctx:fetch { url = query.url, service = query.service }
    return ctx.response:exit(answer and answer.status or 500, answer and answer.body or why)
  end,
}
]],
        ["plugins/ask/schema.lua"] = 'return require("moongate.schema").record {}',
      },
      yaml = ([[
workers: 1
fetch: { allow: ["localhost:%d", "localhost:%d"] }
services:
  - { name: known, url: "https://localhost:%d" }
routes:
  - { name: ask, paths: [/ask], public: true, plugins: [{ name: ask }] }
]]):format(server.port, stranger.port, server.port),
    }
    local function fetch(what) return gw:get("/ask?" .. what) end
    local by_url = cjson.decode(fetch("url=https://localhost:" .. server.port .. "/x").body)
    assert.same({ "localhost", "localhost:" .. server.port }, { by_url.name, by_url.host })
    assert.equal("localhost", cjson.decode(fetch("service=known").body).name)
    local strange = fetch("url=https://localhost:" .. stranger.port)
    assert.equal(500, strange.status)
    assert.matches("signed by nobody who is trusted", strange.body)
    assert.matches("outside the configuration", fetch("url=https://example.com/").body)
    gw:stop()
  end)
end)
