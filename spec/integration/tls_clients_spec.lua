-- Client certificates: of listeners, of routes by name; connections and sessions that must not carry them elsewhere.
local moongate = require("support.moongate")
local pki = require("support.pki")
local wire = require("support.wire")

local certs, gw

setup(function()
  certs = pki.new()
  certs:authority("ca")
  certs:authority("partners")
  certs:issue("server", { by = "ca", names = { "open.test", "closed.test", "other.test", "*.deep.test" } })
  certs:issue("alice", { by = "partners" })
  certs:issue("mallory", { by = "ca" })
  certs:issue("revoked", { by = "partners" })
  certs:issue("old", { by = "partners", from = os.time() - 7200, till = os.time() - 3600 })
  certs:issue("middle", { by = "partners", authority = true })
  certs:issue("bob", { by = "middle" })
  certs:revoke("partners", "revoked")
  certs:list("partners")
  os.execute(("cd '%s' && cat bob.pem middle.pem > bobs.pem && cp bob.key bobs.key"):format(certs.folder))
end)

teardown(function() certs:remove() end)

after_each(function() moongate.stop_all() end)

local function curl(host, path, more)
  local pipe = assert(
    io.popen(
      ("curl -sS -m 10 --cacert %s/ca.pem --connect-to ::127.0.0.1:%d %s -w '\n%%{http_code}' https://%s%s 2>&1"):format(
        certs.folder,
        gw.port,
        more or "",
        host,
        path
      )
    )
  )
  local text = pipe:read("*a")
  pipe:close()
  local body, status = text:match("^(.*)\n(%d+)$")
  return tonumber(status), body
end

local function with(name)
  return ("--cert %s/%s.pem --key %s/%s.key"):format(certs.folder, name, certs.folder, name)
end

local function start(tls, rest)
  gw = moongate.start {
    yaml = ("listeners: [{ address: 127.0.0.1:0, tls: %s }]\n"):format(tls) .. rest,
    files = certs:files("server.pem", "server.key", "ca.pem", "partners.pem", "partners.crl"),
  }
end

local OWN = "cert: server.pem, key: server.key"
local ALL = "routes: [{ name: all, paths: [/], public: true, plugins: [{ name: echo }] }]\n"

local BY_ROUTE = [[
ca_certificates: [{ name: partners, cert: partners.pem }]
routes:
  - { name: open, hosts: [open.test, other.test], paths: [/], public: true, plugins: [{ name: echo }] }
  - name: closed
    hosts: [closed.test, "*.deep.test"]
    paths: [/]
    client_certificate: required
    ca_certificates: [partners]
    public: true
    plugins: [{ name: echo }]
  - name: health
    hosts: [closed.test]
    paths: [/health]
    public: true
    plugins: [{ name: echo }]
]]

describe("client certificates of a listener", function()
  it("are required, or good where one is shown", function()
    start("{ " .. OWN .. ", client_certificate: required, client_ca: partners.pem, crl: partners.crl }", ALL)
    assert.equal(200, (curl("open.test", "/", with("alice"))))
    for _, arguments in ipairs { "", with("mallory"), with("revoked"), with("old") } do
      local status, why = curl("open.test", "/", arguments)
      assert.equal(0, status, arguments)
      assert.matches("curl: %(", why)
    end
    gw:configure(
      "listeners: [{ address: 127.0.0.1:0, tls: { "
        .. OWN
        .. ", client_certificate: optional, client_ca: partners.pem } }]\n"
        .. ALL
    )
    assert.equal(200, gw:reload())
    assert.equal(200, (curl("open.test", "/")))
    assert.equal(200, (curl("open.test", "/", with("alice"))))
    assert.equal(200, (curl("open.test", "/", with("bobs"))))
    assert.equal(0, (curl("open.test", "/", with("mallory"))))
    gw:stop()
  end)

  it("may stand below an intermediate, within client_depth", function()
    start("{ " .. OWN .. ", client_certificate: required, client_ca: partners.pem, client_depth: 0 }", ALL)
    assert.equal(200, (curl("open.test", "/", with("alice"))))
    assert.equal(0, (curl("open.test", "/", with("bobs"))))
    gw:stop()
  end)

  it("are refused beside a list that is past its time; check and status say so", function()
    certs:list("partners", { from = os.time() - 7200, till = os.time() - 60 })
    start("{ " .. OWN .. ", client_certificate: required, client_ca: partners.pem, crl: partners.crl }", ALL)
    certs:list("partners")
    assert.equal(0, (curl("open.test", "/", with("alice"))))
    assert.matches("every client certificate of its issuer is refused", table.concat(gw:status().warnings))
    local result = moongate.command({ "check", "-c", gw.config }, gw.folder)
    assert.matches("tls.crl: the list was to be replaced by", result.stdout .. result.stderr)
    gw:replace("partners.crl", certs:text("partners.crl"))
    assert.equal(200, gw:reload())
    assert.equal(200, (curl("open.test", "/", with("alice"))))
    gw:stop()
  end)
end)

describe("client certificates of a route", function()
  it("are asked for under its names alone, and say in words what is missing", function()
    start("{ " .. OWN .. " }", BY_ROUTE)
    assert.equal(200, (curl("open.test", "/")))
    for _, host in ipairs { "closed.test", "x.deep.test" } do
      assert.equal(200, (curl(host, "/", with("alice"))), host)
      for arguments, words in pairs {
        [""] = "none was shown",
        [with("mallory")] = "of an issuer that is not accepted here",
        [with("old")] = "has expired",
      } do
        local status, body = curl(host, "/", arguments)
        assert.equal(403, status, host .. arguments)
        assert.matches('"client_certificate"', body)
        assert.matches('"detail":"[^"]*' .. words, body)
      end
    end
    assert.equal(200, (curl("closed.test", "/health")))
    assert.equal(200, (curl("closed.test", "/health", with("mallory"))))
    gw:stop()
  end)

  it("are not to be had by a connection that was made for another name", function()
    start("{ " .. OWN .. " }", BY_ROUTE)
    for _, version in ipairs { "--http1.1", "--http2" } do
      local status, body = curl("open.test", "/", version .. " -H 'Host: closed.test' " .. with("alice"))
      assert.equal(421, status, version)
      assert.matches('"misdirected"', body)
      assert.equal(421, (curl("closed.test", "/", version .. " -H 'Host: open.test' " .. with("alice"))))
      assert.equal(421, (curl("open.test", "/health", version .. " -H 'Host: closed.test'")))
      assert.equal(200, (curl("open.test", "/", version .. " -H 'Host: other.test'"))) -- what is asked is the same
    end
    local nameless = certs:run(
      ("(printf 'GET / HTTP/1.1\\r\\nHost: closed.test\\r\\nConnection: close\\r\\n\\r\\n'; cat) | "):gsub(
        "; cat",
        ""
      ) .. ("openssl s_client -quiet -ign_eof -noservername -connect 127.0.0.1:%d"):format(gw.port)
    )
    assert.matches("HTTP/1.1 421", nameless)
    gw:stop()
  end)

  it("may be those its listener asks for", function()
    start(
      "{ " .. OWN .. ", client_certificate: optional, client_ca: partners.pem }",
      [[
routes:
  - { name: open, paths: [/], public: true, plugins: [{ name: echo }] }
  - { name: closed, paths: [/closed], client_certificate: required, public: true, plugins: [{ name: echo }] }
]]
    )
    assert.equal(200, (curl("open.test", "/")))
    assert.equal(403, (curl("open.test", "/closed")))
    assert.equal(200, (curl("open.test", "/closed", with("alice"))))
    gw:stop()
  end)

  it("cannot be of two kinds under one name", function()
    local folder = moongate.folder(certs:files("server.pem", "server.key", "ca.pem", "partners.pem"))
    local function check(routes, tls)
      local yaml = ("listeners: [{ address: 127.0.0.1:0, tls: { %s } }]\nroutes:\n"):format(tls or "") .. routes
      moongate.write(folder .. "/m.yaml", yaml)
      local result = moongate.command({ "check", "-c", folder .. "/m.yaml" }, folder)
      return result.stdout .. result.stderr
    end
    local route = "  - { name: %s, hosts: [%s], public: true, client_certificate: required, client_ca: %s.pem }\n"
    local two = route:format("one", "a.test", "ca") .. route:format("two", "a.test", "partners")
    assert.matches(
      'routes%[1%]: asks for other client certificates than the route "one" under the same name a.test',
      check(two)
    )
    assert.matches(
      "asks for other client certificates than the listener 127.0.0.1:0",
      check(route:format("one", "a.test", "ca"), "client_certificate: optional, client_ca: partners.pem")
    )
    assert.matches("a host that ends in %* needs snis", check(route:format("one", "a.*", "ca")))
  end)
end)

describe("a session that is taken up again", function()
  local function shake(arguments)
    return certs:run(
      (
        "(printf 'GET /health HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n') | "
        .. "openssl s_client -ign_eof -connect 127.0.0.1:%d %s"
      ):format(gw.port, arguments)
    )
  end

  for _, version in ipairs { "-tls1_2", "-tls1_3" } do
    it("does not bring a certificate to another name, nor leave one out: " .. version, function()
      start("{ " .. OWN .. " }", BY_ROUTE)
      local alice = "-cert alice.pem -key alice.key "
      shake(version .. " -servername closed.test -sess_out closed.session " .. alice)
      shake(version .. " -servername open.test -sess_out open.session")
      assert.matches("Reused, ", shake(version .. " -servername closed.test -sess_in closed.session"))
      assert.matches("Reused, ", shake(version .. " -servername open.test -sess_in open.session"))
      assert.matches("New, ", shake(version .. " -servername closed.test -sess_in open.session"))
      assert.matches("New, ", shake(version .. " -servername open.test -sess_in closed.session"))
      gw:stop()
    end)

    it("ends with its client's certificate: " .. version, function()
      start("{ " .. OWN .. ", client_certificate: required, client_ca: partners.pem }", ALL)
      local till = os.time() + 4
      certs:issue("short", { by = "partners", till = till })
      shake(version .. " -sess_out short.session -cert short.pem -key short.key")
      assert.matches("Reused, ", shake(version .. " -sess_in short.session"))
      wire.wait(function() return os.time() > till end, 10)
      local late = shake(version .. " -sess_in short.session -cert short.pem -key short.key")
      assert.is_nil(late:find("Reused, ", 1, true))
      assert.matches("alert", late)
      gw:stop()
    end)
  end

  it("ends with a new list of what was revoked", function()
    start("{ " .. OWN .. ", client_certificate: required, client_ca: partners.pem, crl: partners.crl }", ALL)
    certs:issue("soon", { by = "partners" })
    shake("-sess_out soon.session -cert soon.pem -key soon.key")
    assert.matches("Reused, ", shake("-sess_in soon.session"))
    certs:revoke("partners", "soon")
    certs:list("partners")
    gw:replace("partners.crl", certs:text("partners.crl"))
    assert.equal(200, gw:reload())
    local late = shake("-sess_in soon.session -cert soon.pem -key soon.key")
    assert.is_nil(late:find("Reused, ", 1, true))
    assert.matches("alert", late)
    gw:stop()
  end)
end)
