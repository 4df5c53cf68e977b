-- Certificates that change while clients come and stay; what is stapled to them.
local cjson = require("cjson")
local host = require("support.host")
local moongate = require("support.moongate")
local pki = require("support.pki")
local process = require("support.process")
local wire = require("support.wire")

local NODE = "/usr/bin/node"
local SCRIPT = host.source_dir .. "/spec/support/tls_visitors.js"
local HELD = 500

local certs, gw, visitors

setup(function()
  certs = pki.new()
  certs:authority("ca")
  certs:issue("old", { by = "ca", cn = "old", names = { "a.test" } })
  certs:issue("new", { by = "ca", cn = "new", names = { "a.test" } })
end)

teardown(function() certs:remove() end)

after_each(function()
  if visitors and not visitors.code then
    visitors:kill("KILL")
    visitors:wait()
  end
  visitors = nil
  moongate.stop_all()
end)

local YAML = [[
workers: 2
listeners: [{ address: 127.0.0.1:0, tls: {} }]
certificates: [{ cert: certs/a.pem, key: certs/a.key, snis: [{ name: a.test }] }]
routes: [{ name: echo, paths: [/], public: true, plugins: [{ name: echo }] }]
]]

local function start(args)
  gw = moongate.start {
    yaml = YAML,
    files = { ["certs/a.pem"] = certs:text("old.pem"), ["certs/a.key"] = certs:text("old.key") },
    args = args,
  }
end

local function lines()
  local list = {}
  for line in visitors:stdout():gmatch("[^\n]+\n") do
    list[#list + 1] = cjson.decode(line)
  end
  return list
end

local function await(count)
  wire.wait(function() return #lines() >= count or visitors.code end, 60)
  local list = lines()
  assert(#list >= count, visitors:stderr())
  return list
end

local function open_all()
  visitors = process.start({ NODE, SCRIPT, tostring(gw.port), tostring(HELD), "a.test" }, gw.folder)
  local list = await(2)
  assert.equal(HELD, list[1].open)
  assert.equal("old", list[2].shown)
end

-- What the visitors say when they are through.
local function all_went_well()
  assert.equal("new", await(3)[3].shown)
  visitors:kill("TERM")
  local last = await(4)[4]
  assert.equal(0, visitors:wait(20))
  assert.same({}, last.failures)
  assert.equal(HELD, last.answers)
  assert.is_true(last.handshakes > 20)
  return last
end

describe("a new certificate", function()
  it("is shown after a reload, with 500 connections open and new ones all the time: none of them fails", function()
    start()
    open_all()
    gw:replace("certs/a.key", certs:text("new.key"))
    gw:replace("certs/a.pem", certs:text("new.pem"))
    assert.equal(200, gw:reload())
    -- Who comes after the reload has answered sees it.
    local shown =
      certs:run(("openssl s_client -connect 127.0.0.1:%d -servername a.test </dev/null"):format(gw.port))
    assert.matches("CN = new", shown)
    all_went_well()
    assert.is_nil(gw:metric('moongate_tls_handshakes_total{result="internal"'))
    gw:stop()
  end)

  it("is found by who watches the files", function()
    start { "--watch" }
    open_all()
    -- Between the two writes key and certificate do not belong together: nothing changes until they do.
    gw:replace("certs/a.key", certs:text("new.key"))
    gw:replace("certs/a.pem", certs:text("new.pem"))
    all_went_well()
    gw:stop()
  end)

  it("that cannot be used leaves the old one where it is", function()
    start()
    gw:replace("certs/a.pem", certs:text("new.pem"))
    local status, answer = gw:reload()
    assert.equal(422, status)
    assert.matches("certificates%[0%].key: does not belong to the certificate", cjson.encode(answer))
    local shown =
      certs:run(("openssl s_client -connect 127.0.0.1:%d -servername a.test </dev/null"):format(gw.port))
    assert.matches("CN = old", shown)
    gw:stop()
  end)
end)

describe("a stapled answer", function()
  -- What the authority says of the certificate, in DER.
  local function staple(name)
    certs:run(
      (
        "openssl ocsp -issuer ca.pem -cert %s.pem -reqout %s.req -no_nonce && "
        .. "openssl ocsp -index ca.index -CA ca.pem -rsigner ca.pem -rkey ca.key -reqin %s.req -respout %s.ocsp -ndays 7"
      ):format(name, name, name, name)
    )
  end

  local function asked(arguments)
    return certs:run(
      ("openssl s_client -connect 127.0.0.1:%d -servername a.test -status %s </dev/null"):format(
        gw.port,
        arguments or ""
      )
    )
  end

  it("goes to clients that ask, and changes with a reload", function()
    staple("old")
    gw = moongate.start {
      yaml = YAML:gsub("certs/a.key,", "certs/a.key, ocsp: certs/a.ocsp,"),
      files = {
        ["certs/a.pem"] = certs:text("old.pem"),
        ["certs/a.key"] = certs:text("old.key"),
        ["certs/a.ocsp"] = certs:text("old.ocsp"),
      },
    }
    for _, version in ipairs { "-tls1_2", "-tls1_3" } do
      local text = asked(version)
      assert.matches("OCSP Response Status: successful", text)
      assert.matches("Cert Status: good", text)
    end
    certs:revoke("ca", "old")
    staple("old")
    gw:replace("certs/a.ocsp", certs:text("old.ocsp"))
    assert.equal(200, gw:reload())
    assert.matches("Cert Status: revoked", asked())
    gw:configure(YAML)
    assert.equal(200, gw:reload())
    assert.matches("OCSP response: no response sent", asked())
    gw:stop()
  end)
end)
