-- TLS from clients: the real binary, spoken to by curl and openssl.
local moongate = require("support.moongate")
local peers = require("support.peers")

local gw

local function output(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local text = pipe:read("*a")
  pipe:close()
  return text
end

local MAKE = "cd '%s' && openssl req -x509 -newkey %s -nodes -keyout %s.key -out %s.pem -subj '/CN=%s' "
  .. "-addext 'subjectAltName=DNS:%s' -days 30 2>/dev/null"
local EC, RSA = "ec -pkeyopt ec_paramgen_curve:P-256", "rsa:2048"

local shared -- a folder with certificates for all of these specs

local function make(name, kind, host)
  host = host or name .. ".test"
  assert.equal(0, os.execute(MAKE:format(shared, kind or EC, name, name, host, host)))
end

local function text(name)
  local file = assert(io.open(shared .. "/" .. name, "rb"))
  local content = file:read("*a")
  file:close()
  return content
end

local function client(arguments)
  return output(("openssl s_client -connect 127.0.0.1:%d %s </dev/null"):format(gw.port, arguments or ""))
end

local function shown(arguments) return client(arguments):match("subject=CN = ([^\n]+)") end

local function curl(arguments) return output(("curl -sS -m 10 -k %s"):format(arguments)) end

local ROUTE = [[
routes:
  - { name: echo, paths: [/echo], public: true, plugins: [{ name: echo }] }
]]

local function start(listener, top, options)
  options = options or {}
  options.yaml = ("listeners:\n  - address: 127.0.0.1:0\n    tls: %s\n%s%s"):format(listener, top or "", ROUTE)
  options.files = {
    ["a.pem"] = text("a.pem"),
    ["a.key"] = text("a.key"),
    ["b.pem"] = text("b.pem"),
    ["b.key"] = text("b.key"),
    ["r.pem"] = text("r.pem"),
    ["r.key"] = text("r.key"),
  }
  gw = moongate.start(options)
end

local function check(yaml)
  local folder = moongate.folder {
    ["a.pem"] = text("a.pem"),
    ["a.key"] = text("a.key"),
    ["b.key"] = text("b.key"),
    ["locked.key"] = text("locked.key"),
    ["m.yaml"] = yaml .. ROUTE,
  }
  return moongate.command({ "check", "-c", folder .. "/m.yaml" }, folder)
end

setup(function()
  shared = os.tmpname() .. ".d"
  assert.equal(0, os.execute("mkdir -m 700 " .. shared))
  make("a")
  make("b")
  make("r", RSA, "a.test")
  assert.equal(
    0,
    os.execute(
      ("cd '%s' && openssl ec -in a.key -aes128 -passout pass:secret -out locked.key 2>/dev/null"):format(shared)
    )
  )
end)

teardown(function() os.execute(("rm -rf '%s' '%s'"):format(shared, shared:sub(1, -3))) end)

describe("a listener with TLS", function()
  after_each(function()
    peers.stop_all()
    moongate.stop_all()
  end)

  it("shows a certificate made for development where it has none, and says so", function()
    start("{}")
    assert.equal("Moongate development certificate", shown())
    assert.matches("made for development", table.concat(gw:status().warnings))
    local url = ("https://127.0.0.1:%d/echo"):format(gw.port)
    assert.matches('"route":"echo"', curl(url))
    local twice = ("-o /dev/null %s -o /dev/null %s -w '%%{http_code},%%{num_connects} '"):format(url, url)
    assert.equal("200,1 200,0 ", curl(twice))
    gw:stop()
  end)

  it("answers plain HTTP in plain words, and counts nothing as a request that is none", function()
    start("{}")
    local response = gw:get("/echo")
    assert.equal(400, response.status)
    assert.equal(1, gw:metric('moongate_tls_handshakes_total{result="plain_http"'))
    assert.matches("plain HTTP was sent to a port that speaks TLS", response.body)
    assert.equal("", gw:raw(("\0\1\2"):rep(500), 2) or "")
    assert.matches('"route":"echo"', curl(("https://127.0.0.1:%d/echo"):format(gw.port)))
    gw:stop()
  end)

  it("chooses the certificate by name: exact, wildcard, the rest; strict refuses", function()
    local top = [[
certificates:
  - { cert: a.pem, key: a.key, cert_alt: r.pem, key_alt: r.key, snis: [{ name: a.test }] }
  - { cert: b.pem, key: b.key, snis: [{ name: "*.b.test" }] }
]]
    start("{}", top)
    assert.equal("a.test", shown("-servername a.test"))
    assert.equal("b.test", shown("-servername x.b.test"))
    assert.equal("a.test", shown("-servername x.y.b.test"))
    assert.equal("a.test", shown("-noservername"))
    local rsa = client("-servername a.test -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256")
    assert.matches("Cipher is ECDHE%-RSA%-AES128%-GCM%-SHA256", rsa)
    assert.matches("Cipher is ECDHE%-ECDSA%-AES128%-GCM%-SHA256", client("-servername a.test -tls1_2"))
    gw:configure(("listeners:\n  - address: 127.0.0.1:0\n    tls: { strict_sni: true }\n%s%s"):format(top, ROUTE))
    gw:reload()
    assert.equal("b.test", shown("-servername x.b.test"))
    assert.matches("unrecognized name", client("-servername c.test"))
    assert.is_nil(gw:ask("GET", "/config").body:find("BEGIN", 1, true))
    gw:stop()
  end)

  it("swaps a certificate by reload; who is connected stays", function()
    start("{ cert: a.pem, key: a.key }")
    local held = assert(
      io.popen(
        (
          "(printf 'GET /echo HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'; cat '%s/go' ; "
          .. "printf 'GET /echo HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n'; sleep 0.3) | "
          .. "openssl s_client -quiet -connect 127.0.0.1:%d 2>&1"
        ):format(
          (function()
            os.execute(("mkfifo '%s/go'"):format(gw.folder))
            return gw.folder
          end)(),
          gw.port
        )
      )
    )
    gw:replace("a.pem", text("b.pem"))
    gw:replace("a.key", text("b.key"))
    gw:reload()
    assert.equal("b.test", shown())
    os.execute(("echo -n '' > '%s/go'"):format(gw.folder))
    local answers = held:read("*a")
    held:close()
    assert.equal(2, select(2, answers:gsub("HTTP/1.1 200", "")))
    gw:stop()
  end)

  it("takes a session up again on every worker, also after a reload", function()
    start("{ cert: a.pem, key: a.key }", "workers: 2\n")
    local session = gw.folder .. "/session"
    for version, flag in pairs { ["TLSv1.3"] = "-tls1_3", ["TLSv1.2"] = "-tls1_2" } do
      output(
        (
          "(printf 'GET /echo HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n'; sleep 0.2) | "
          .. "openssl s_client -connect 127.0.0.1:%d %s -sess_out '%s' -ign_eof"
        ):format(gw.port, flag, session)
      )
      for i = 1, 4 do
        if i == 3 then gw:reload() end
        assert.matches("Reused, " .. version, client(("%s -sess_in '%s'"):format(flag, session)))
      end
    end
    gw:stop()
  end)

  it("speaks 1.2 and 1.3 and nothing older, and negotiates nothing anew", function()
    start("{}")
    for flag, good in pairs {
      ["-tls1_3"] = true,
      ["-tls1_2"] = true,
      ["-tls1_1 -cipher ALL:@SECLEVEL=0"] = false,
      ["-tls1 -cipher ALL:@SECLEVEL=0"] = false,
      ["-tls1_2 -cipher AES128-SHA"] = false,
    } do
      assert.equal(good, shown(flag) ~= nil, flag)
    end
    gw:stop()
  end)

  it("asks clients for certificates", function()
    start("{ cert: b.pem, key: b.key, client_certificate: required, client_ca: a.pem }")
    local url = ("https://127.0.0.1:%d/echo"):format(gw.port)
    assert.matches("curl: %(", curl(url))
    assert.matches("curl: %(", curl(("--cert %s/b.pem --key %s/b.key %s"):format(shared, shared, url)))
    assert.matches('"method":"GET"', curl(("--cert %s/a.pem --key %s/a.key %s"):format(shared, shared, url)))
    gw:stop()
  end)

  it("gives a handshake its time, and no more", function()
    start("{ handshake_timeout: 200ms }")
    local conn = gw:connect()
    conn:send("\22\3\1")
    conn:read_all(5)
    assert.truthy(conn.ended)
    conn:close()
    gw:stop()
  end)
end)

describe("a mistake in TLS", function()
  local function listener(tls) return ("listeners:\n  - address: 127.0.0.1:0\n    tls: %s\n"):format(tls) end

  it("is refused with line and path, and without a word of the key", function()
    for tls, message in pairs {
      ["{ cert: a.pem, key: b.key }"] = "m.yaml:3: listeners%[0%].tls.key: does not belong to the certificate",
      ["{ cert: a.pem, key: locked.key }"] = "tls.key: is protected by a passphrase",
      ["{ cert: a.key, key: a.key }"] = "tls.cert: holds no certificate in PEM form",
      ["{ cert: a.pem, key: a.pem }"] = "tls.key: holds no private key in PEM form",
      ["{ cert: a.pem, key: a.key, cert_alt: a.pem, key_alt: a.key }"] = "tls.cert_alt: has a key of the same kind",
      ["{ cert: a.pem, key: a.key, ocsp: a.pem }"] = "tls.ocsp: holds no OCSP response in DER form",
    } do
      local result = check(listener(tls))
      assert.equal(1, result.code, tls)
      assert.matches(message, result.stderr .. result.stdout)
      assert.is_nil((result.stderr .. result.stdout):find("PRIVATE", 1, true))
    end
  end)

  it("is a name that two certificates have", function()
    local one = "  - { cert: a.pem, key: a.key, snis: [{ name: a.test }] }\n"
    local result = check(listener("{}") .. "certificates:\n" .. one .. one)
    assert.equal(1, result.code)
    assert.matches(
      'certificates%[1%].snis%[0%].name: an SNI named "a.test" is already there',
      result.stderr .. result.stdout
    )
  end)

  it("is a CA certificate that is none, has another digest, or a name twice", function()
    local digest = output(("openssl x509 -in %s/a.pem -noout -fingerprint -sha256"):format(shared))
      :match("=([%x:]+)")
      :gsub(":", "")
    local good = check(("ca_certificates: [{ name: a, cert: a.pem, cert_digest: %s }]\n"):format(digest:lower()))
    assert.equal(0, good.code, good.stderr .. good.stdout)
    for list, message in pairs {
      ["[{ cert: a.key }]"] = "ca_certificates%[0%].cert: holds no certificate in PEM form",
      [("[{ cert: a.pem, cert_digest: %s }]"):format(("0"):rep(64))] = "cert_digest: is not that of the certificate",
      ["[{ name: a, cert: a.pem }, { name: a, cert: a.pem }]"] = 'a CA certificate named "a" is already there',
    } do
      local result = check(("ca_certificates: %s\n"):format(list))
      assert.equal(1, result.code, list)
      assert.matches(message, result.stderr .. result.stdout)
    end
  end)
end)
