-- What the first message of a client gets: names, versions, cipher suites, however its bytes come.
local hello = require("support.client_hello")
local moongate = require("support.moongate")
local pki = require("support.pki")

local certs, gw

setup(function()
  certs = pki.new()
  certs:authority("ca")
  certs:issue("first", { by = "ca", names = { "first.test" } })
  certs:issue("second", { by = "ca", names = { "second.test", "*.wild.test" } })
  certs:issue("rsa", { by = "ca", names = { "second.test" }, kind = "rsa" })
end)

teardown(function() certs:remove() end)

after_each(function() moongate.stop_all() end)

local function start(tls)
  gw = moongate.start {
    yaml = ([[
listeners: [{ address: 127.0.0.1:0, tls: TLS }]
certificates:
  - { cert: first.pem, key: first.key, snis: [{ name: first.test }] }
  - cert: second.pem
    key: second.key
    cert_alt: rsa.pem
    key_alt: rsa.key
    snis: [{ name: second.test }, { name: "*.wild.test" }]
routes:
  - { name: echo, paths: [/], public: true, plugins: [{ name: echo }] }
  - { name: closed, hosts: [first.test], client_certificate: required, client_ca: first.pem, public: true,
      plugins: [{ name: echo }] }
]]):gsub("TLS", tls or "{}"),
    files = certs:files("first.pem", "first.key", "second.pem", "second.key", "rsa.pem", "rsa.key"),
  }
end

local function ask(opts, most)
  local conn = gw:connect()
  conn:send(hello.records(hello.message(opts), most))
  local said = hello.answer(conn)
  conn:close()
  return said
end

local function shows(said, name) return said.certificate ~= nil and said.certificate:find(name, 1, true) ~= nil end

describe("a client's hello", function()
  it("gets the certificate and the policy of its name, also in records of one byte", function()
    start()
    for _, most in ipairs { 16384, 1, 7 } do
      assert.is_true(shows(ask({ name = "first.test" }, most), "first.test"), most)
      assert.is_true(shows(ask({ name = "second.test" }, most), "second.test"), most)
      assert.is_true(shows(ask({ name = "a.wild.test" }, most), "*.wild.test"), most)
      assert.is_true(shows(ask({ name = "SECOND.test." }, most), "second.test"), most)
    end
    gw:stop()
  end)

  it("gets the certificate whose key it can use", function()
    start()
    local ec, rsa =
      ask { name = "second.test", suites = { 0xc02b } }, ask { name = "second.test", suites = { 0xc02f } }
    assert.equal(0xc02b, ec.suite)
    assert.equal(0xc02f, rsa.suite)
    assert.is_true(#rsa.certificate > #ec.certificate + 100)
    gw:stop()
  end)

  it("with a name that is none is refused", function()
    start("{ strict_sni: true }")
    for what, opts in pairs {
      ["no name"] = {},
      ["a name that nobody has"] = { name = "third.test" },
      ["two labels for one"] = { name = "a.b.wild.test" },
    } do
      assert.equal(112, ask(opts).alert, what) -- unrecognized_name
    end
    for what, raw in pairs {
      ["a name with NUL"] = "\0\16\0\0\13first.test\0.x",
      ["a list that is cut"] = "\0\99\0\0\10first.test",
      ["another kind of name"] = "\0\13\1\0\10first.test",
      ["a name of no byte"] = "\0\3\0\0\0",
    } do
      local said = ask { raw_name = raw }
      assert.is_nil(said.certificate, what)
      assert.is_not_nil(said.alert, what)
    end
    gw:stop()
  end)

  it("of yesterday is refused: versions, suites, compression", function()
    start()
    for _, version in ipairs { 0x0300, 0x0301, 0x0302 } do
      local said = ask { version = version }
      assert.is_nil(said.suite, version)
      assert.is_truthy(said.alert == 70 or said.alert == 40, version) -- protocol_version, handshake_failure
    end
    for what, suites in pairs {
      ["NULL"] = { 0x0001, 0x0002, 0x003b, 0xc006, 0xc010 },
      ["export"] = { 0x0003, 0x0006, 0x0008, 0x0014 },
      ["RC4"] = { 0x0004, 0x0005, 0xc007, 0xc011 },
      ["3DES"] = { 0x000a, 0x0016, 0xc008, 0xc012 },
      ["anonymous"] = { 0x0018, 0x0034, 0x003a, 0xc015, 0xc018, 0xc019 },
      ["RSA key exchange"] = { 0x002f, 0x0035, 0x003c, 0x009c, 0x009d },
      ["DHE"] = { 0x0033, 0x0039, 0x0067, 0x009e, 0x009f },
      ["CBC"] = { 0xc009, 0xc00a, 0xc013, 0xc014, 0xc023, 0xc024, 0xc027, 0xc028 },
      ["IDEA, SEED, Camellia"] = { 0x0007, 0x0096, 0x0041, 0x0084 },
    } do
      assert.equal(40, ask({ suites = suites }).alert, what) -- handshake_failure
    end
    assert.is_not_nil(ask({ compressions = "\1" }).alert) -- none must be among them
    assert.equal(0xc02b, ask({ compressions = "\1\0" }).suite)
    assert.equal(0x0303, ask({}).version)
    gw:stop()
  end)

  it("that offers one of ours beside others gets ours", function()
    start()
    assert.equal(0xc02b, ask({ suites = { 0x000a, 0x0005, 0xc013, 0xc02b } }).suite)
    gw:stop()
  end)

  it("is heard to its end, however slowly, within handshake_timeout", function()
    start("{ handshake_timeout: 300ms }")
    local bytes = hello.records(hello.message { name = "first.test" })
    local conn = gw:connect()
    conn:send(bytes:sub(1, 40))
    conn:read_all(10)
    assert.truthy(conn.ended)
    conn:close()
    assert.equal(1, gw:metric('moongate_tls_handshakes_total{result="timeout"'))
    gw:stop()
  end)
end)

describe("application protocols", function()
  local function agreed(arguments)
    local text = certs:run(("openssl s_client -connect 127.0.0.1:%d %s </dev/null"):format(gw.port, arguments))
    return text:match("no application protocol")
      or text:match("ALPN protocol: (%S+)")
      or text:match("No ALPN negotiated")
  end

  it("are h2 and http/1.1, in our order", function()
    start()
    assert.equal("h2", agreed("-alpn http/1.1,h2"))
    assert.equal("http/1.1", agreed("-alpn http/1.1"))
    assert.equal("No ALPN negotiated", agreed(""))
    assert.equal("no application protocol", agreed("-alpn http/1.0,spdy/3"))
    assert.equal(120, ask({ protocols = { "smtp" } }).alert)
    gw:configure([[
listeners: [{ address: 127.0.0.1:0, http2: false, tls: {} }]
certificates: [{ cert: first.pem, key: first.key }]
]])
    assert.equal(200, gw:reload())
    assert.equal("http/1.1", agreed("-alpn h2,http/1.1"))
    assert.equal("no application protocol", agreed("-alpn h2"))
    gw:stop()
  end)

  it("do not keep a connection that says nothing after them", function()
    start()
    gw:configure([[
listeners: [{ address: 127.0.0.1:0, limits: { head_timeout: 200ms, idle_timeout: 200ms }, tls: {} }]
certificates: [{ cert: first.pem, key: first.key }]
]])
    assert.equal(200, gw:reload())
    for _, protocol in ipairs { "h2", "http/1.1" } do
      -- -quiet keeps the client there until the server ends; the pipe never does
      local text = certs:run(
        ("tail -f /dev/null --pid=$$ | timeout 10 openssl s_client -connect 127.0.0.1:%d -alpn %s; echo ended $?"):format(
          gw.port,
          protocol
        )
      )
      assert.matches("ended 0", text, protocol)
      assert.matches("ALPN protocol: " .. protocol:gsub("%p", "%%%0"), text)
    end
    gw:stop()
  end)
end)

describe("a session", function()
  it("takes no early data", function()
    start()
    local text = certs:run(
      (
        "(printf 'GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n') | "
        .. "openssl s_client -ign_eof -connect 127.0.0.1:%d -tls1_3 -sess_out early.session"
      ):format(gw.port)
    )
    assert.matches("Max Early Data: 0", text)
    certs:run("printf 'GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n' > early.data")
    local second = certs:run(
      ("openssl s_client -connect 127.0.0.1:%d -tls1_3 -sess_in early.session -early_data early.data </dev/null"):format(
        gw.port
      )
    )
    assert.is_nil(second:find("Early data was accepted", 1, true))
    gw:stop()
  end)
end)

describe("sslscan", function()
  it("finds nothing of yesterday on a default listener", function()
    start()
    local text = certs:run(("sslscan --no-colour 127.0.0.1:%d"):format(gw.port))
    for _, version in ipairs { "SSLv2", "SSLv3", "TLSv1%.0", "TLSv1%.1" } do
      assert.matches(version .. "%s+disabled", text)
    end
    for _, version in ipairs { "TLSv1%.2", "TLSv1%.3" } do
      assert.matches(version .. "%s+enabled", text)
    end
    assert.matches("Session renegotiation not supported", text)
    assert.matches("not vulnerable to heartbleed", text)
    for name in text:gmatch("Accepted%s+TLSv1%.2%s+%d+ bits%s+%S*%s*(ECDHE%S+)") do
      assert.matches("^ECDHE%-%u+%-%u+", name)
    end
    for line in text:gmatch("%f[%w]Accepted[^\n]*") do
      assert.is_truthy(line:find("GCM", 1, true) or line:find("CHACHA20", 1, true), line)
    end
    gw:stop()
  end)
end)
