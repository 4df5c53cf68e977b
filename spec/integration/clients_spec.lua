-- Clients and services that others wrote, each with each: curl, nghttp, h2load and Node before the gateway; Node's servers of
-- HTTP/1.1 and HTTP/2 behind it, both with and without TLS. Bodies are larger than what anybody buffers, and come back as they went.
local cjson = require("cjson")
local certs = require("support.certs")
local host = require("support.host")
local moongate = require("support.moongate")
local process = require("support.process")
local wire = require("support.wire")

local NODE, SUPPORT = "/usr/bin/node", host.source_dir .. "/spec/support/"
local SERVICES = { "h1", "h2c", "https", "h2" }
local URLS = { h1 = "http", h2c = "http", https = "https", h2 = "https" }
local HTTP2 = { h2c = true, h2 = true }

local SERVICE = [[
  - name: %s
    url: %s://localhost:%d
    http2: %s%s
    routes: [{ name: %s, paths: [/%s], public: true }]
]]

local folder, services, ports, gw, body

local function configuration()
  local lines = {
    "workers: 1",
    "limits: { body: 64m }",
    "ca_certificates: [{ name: ca, cert: " .. folder:file("ca.pem") .. " }]",
    "listeners:",
    "  - { address: 127.0.0.1:0, http2: true }",
    "  - { address: 127.0.0.1:0, tls: {} }",
    "services:",
  }
  for _, name in ipairs(SERVICES) do
    lines[#lines + 1] = SERVICE:format(
      name,
      URLS[name],
      ports[name],
      tostring(HTTP2[name] or false),
      URLS[name] == "https" and "\n    ca_certificates: [ca]" or "",
      name,
      name
    )
  end
  return table.concat(lines, "\n") .. "\n"
end

-- What a command of others writes.
local function run(...)
  local result = process.run({ ... }, folder.path, {})
  assert(result.code == 0, table.concat({ ... }, " ") .. "\n" .. result.stderr .. result.stdout:sub(1, 500))
  return result.stdout
end

local function cleartext(name) return ("http://127.0.0.1:%d/%s"):format(gw.ports[1], name) end

local function secure(name) return ("https://127.0.0.1:%d/%s"):format(gw.ports[2], name) end

local function curl(url, ...)
  local answer = run(
    "/usr/bin/curl",
    "-sk",
    "--max-time",
    "60",
    "--data-binary",
    "@" .. folder:file("body"),
    "-w",
    "\n%{http_code} %{http_version}",
    ...,
    url
  ) -- stylua: ignore
  return answer:match("^(.*)\n(%d+) (%S+)$")
end

setup(function()
  folder = certs.folder()
  folder:authority("ca")
  folder:sign("localhost", { by = "ca", san = "DNS:localhost" })
  local random = assert(io.open("/dev/urandom", "rb"))
  body = random:read(3 * 1024 * 1024)
  random:close()
  folder:write("body", body)
  services = process.start(
    { NODE, SUPPORT .. "echo.js", folder:file("localhost.key"), folder:file("localhost.pem") },
    folder.path
  )
  ports = cjson.decode(wire.wait(function() return services:stdout():match("^[^\n]+\n") end, 20))
  gw = moongate.start { yaml = configuration() }
end)

teardown(function()
  if gw then gw:stop() end
  moongate.stop_all()
  services:kill("KILL")
  services:wait()
  folder:remove()
end)

for _, name in ipairs(SERVICES) do
  describe("a service of " .. name .. " is asked by", function()
    for how, ask in pairs {
      ["curl, HTTP/1.1"] = function() return { "1.1", curl(cleartext(name), "--http1.1") } end,
      ["curl, HTTP/1.1, chunked, over TLS"] = function()
        return { "1.1", curl(secure(name), "--http1.1", "-H", "Transfer-Encoding: chunked") }
      end,
      ["curl, HTTP/2"] = function() return { "2", curl(cleartext(name), "--http2-prior-knowledge") } end,
      ["curl, HTTP/2 over TLS"] = function() return { "2", curl(secure(name), "--http2") } end,
    } do
      it(how, function()
        local version, answer, status, spoken = unpack(ask())
        assert.same({ "200", version }, { status, spoken })
        assert.is_true(answer == body)
      end)
    end

    for how, url in pairs { ["HTTP/2"] = cleartext, ["HTTP/2 over TLS"] = secure } do
      it("nghttp, " .. how, function()
        local answer = run("/usr/bin/nghttp", "--no-verify-peer", "-d", folder:file("body"), url(name))
        assert.is_true(answer == body)
      end)

      it("h2load, " .. how, function()
        local report = run("/usr/bin/h2load", "-n300", "-c4", "-m10", url(name))
        assert.matches("300 total, 300 started, 300 done, 300 succeeded, 0 failed", report)
      end)

      it("Node, three streams, one of them slowly, " .. how, function()
        local said = run(NODE, SUPPORT .. "echo_client.js", url(name), folder:file("body"))
        for line in said:gmatch("[^\n]+") do
          local seen = cjson.decode(line)
          assert.same({ status = 200, same = true, trailers = tostring(#body), code = 0 }, seen)
        end
        assert.equal(3, select(2, said:gsub("\n", "")))
      end)
    end
  end)
end
