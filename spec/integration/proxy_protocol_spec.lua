-- The PROXY protocol in the real binary: what load balancers that are listed must say and may say, what nobody else may, and HAProxy
-- itself in front.
local cjson = require("cjson")
local http = require("support.http")
local moongate = require("support.moongate")
local peers = require("support.peers")
local wire = require("support.wire")

local GET = "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"
local V1 = "PROXY TCP4 203.0.113.9 198.51.100.1 4711 443\r\n"
local V2 = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\203\0\113\9\198\51\100\1\18\103\1\187"

local YAML = [[
listeners:
  - address: 127.0.0.1:0
    proxy_protocol: { from: [127.0.0.1] }
    limits: { head_timeout: {{timeout}} }
routes:
  - name: echo
    paths: [/echo]
    public: true
    plugins: [{ name: echo }]
]]

local gw

local function start(more, vars)
  gw = moongate.start { yaml = (more or "") .. YAML, vars = vars or { timeout = "10s" } }
end

local function ask(conn, bytes)
  conn:send(bytes)
  return cjson.decode(assert(http.read_response(conn)).body)
end

-- What came back on a connection that was given these bytes, until its end.
local function refused(bytes)
  local answer, ended = gw:raw(bytes)
  assert.equal("end", ended)
  assert.is_truthy(answer:find("^HTTP/1.1 400 "), answer)
end

describe("a listed peer", function()
  after_each(function()
    peers.stop_all()
    moongate.stop_all()
  end)

  it("names the client, for all requests of its connection", function()
    start()
    for _, header in ipairs { V1, V2 } do
      local conn = gw:connect()
      local first = ask(conn, header .. GET)
      assert.equal("203.0.113.9", first.client_ip)
      assert.equal("203.0.113.9", first.headers["x-forwarded-for"] or first.client_ip)
      assert.equal("203.0.113.9", ask(conn, GET).client_ip)
      conn:close()
    end
    for _, line in ipairs(gw:access_log(4)) do
      assert.equal("203.0.113.9", line.clientIp)
    end
    gw:stop()
  end)

  it("may cut its header anywhere, and pipeline behind it", function()
    start()
    for _, header in ipairs { V1, V2 } do
      for at = 1, #header do
        local conn = gw:connect()
        conn:send(header:sub(1, at)):flush()
        wire.pass(0.002) -- so that it is read alone
        conn:send(header:sub(at + 1) .. GET .. GET)
        for _ = 1, 2 do
          assert.equal("203.0.113.9", cjson.decode(assert(http.read_response(conn)).body).client_ip, at)
        end
        conn:close()
      end
    end
    gw:stop()
  end)

  it("may speak of itself: then its own address counts", function()
    start()
    for _, header in ipairs {
      "PROXY UNKNOWN\r\n",
      "PROXY UNKNOWN 203.0.113.9 198.51.100.1 4711 443\r\n",
      "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
      "\r\n\r\n\0\r\nQUIT\n\x21\0\0\0",
      "\r\n\r\n\0\r\nQUIT\n\x21\x31\0\216" .. ("x"):rep(216),
    } do
      local conn = gw:connect()
      assert.equal("127.0.0.1", ask(conn, header .. GET).client_ip, header)
      conn:close()
    end
    gw:stop()
  end)

  it("is refused without a header, with a wrong one and with a second one", function()
    start()
    refused(GET)
    refused("PROXY TCP4 203.0.113.9 198.51.100.1 4711\r\n" .. GET)
    refused("PROXY TCP4 203.0.113.9 198.51.100.1 4711 443\n" .. GET)
    refused(V2:sub(1, 12) .. "\x31" .. V2:sub(14) .. GET)
    refused(V1 .. V1 .. GET)
    refused(V1 .. V2 .. GET)
    assert.is_truthy(
      gw:wait_log("127.0.0.1 is in proxy_protocol.from and must begin with a PROXY header: it begins")
    )
    local count = {} -- workers write in no order
    for _, line in ipairs(gw:access_log(6)) do
      local what = ("%s %d %s"):format(line.error, line.statusCode, line.clientIp)
      count[what] = (count[what] or 0) + 1
    end
    assert.same({ ["proxy_header 400 127.0.0.1"] = 4, ["bad_request 400 203.0.113.9"] = 2 }, count)
    gw:stop()
  end)

  it("has only so much time for it", function()
    start("", { timeout = "200ms" })
    local slow, silent = gw:connect(), gw:connect()
    slow:send(V1:sub(1, 20))
    local answer, ended = slow:read_all(5)
    assert.equal("end", ended)
    assert.is_truthy(answer:find("^HTTP/1.1 408 "), answer)
    assert.same({ "", "end" }, { silent:read_all(5) }) -- nobody asked anything
    gw:stop()
  end)

  it("may connect and leave without a word", function()
    start()
    for _ = 1, 20 do
      local conn = gw:connect()
      conn:shutdown()
      assert.same({ "", "end" }, { conn:read_all(5) })
      conn:close()
    end
    assert.equal(nil, gw:stderr():match("must begin with a PROXY header"))
    gw:stop()
  end)

  it("does not keep a stopping gateway waiting", function()
    start("", { timeout = "60s" })
    local conn = gw:connect()
    conn:send(V1:sub(1, 20)):flush()
    wire.pass(0.05)
    local before = wire.now()
    gw:stop()
    assert.is_true(wire.now() - before < 20)
    conn:close()
  end)

  it("brings clients that are counted one by one", function()
    gw = moongate.start {
      yaml = YAML:gsub("limits: {", "limits: { connections_per_client: 1,"),
      vars = { timeout = "10s" },
    }
    local one, same, other = gw:connect(), gw:connect(), gw:connect()
    assert.equal("203.0.113.9", ask(one, V1 .. GET).client_ip)
    same:send(V1 .. GET)
    assert.equal(429, assert(http.read_response(same)).status)
    assert.equal("203.0.113.10", ask(other, V1:gsub("113%.9", "113.10") .. GET).client_ip)
    assert.equal("203.0.113.9", ask(one, GET).client_ip)
    for _, conn in ipairs { one, same, other } do
      conn:close()
    end
    gw:stop()
  end)

  it("is not believed in X-Forwarded-For for that: trusted_proxies is asked about the address it named", function()
    local spoof = "GET /echo HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
    start("trusted_proxies: [127.0.0.1]\n")
    local conn = gw:connect()
    assert.equal("203.0.113.9", ask(conn, V1 .. spoof).client_ip)
    conn:close()
    gw:stop()
    start("trusted_proxies: [203.0.113.9]\n")
    conn = gw:connect()
    assert.equal("192.0.2.1", ask(conn, V1 .. spoof).client_ip)
    conn:close()
    gw:stop()
  end)
end)

describe("a peer that is not listed", function()
  after_each(moongate.stop_all)

  it("is itself, and a header of it is refused like any garbage", function()
    gw = moongate.start { yaml = YAML:gsub("%[127.0.0.1%]", "[192.0.2.0/24]"), vars = { timeout = "10s" } }
    local conn = gw:connect()
    assert.equal("127.0.0.1", ask(conn, GET).client_ip)
    conn:close()
    refused(V1 .. GET)
    refused(V2 .. GET)
    gw:stop()
  end)

  it("may become one with a reload", function()
    gw = moongate.start { yaml = YAML:gsub("%[127.0.0.1%]", "[192.0.2.0/24]"), vars = { timeout = "10s" } }
    gw:configure(YAML)
    assert.equal(200, (gw:reload()))
    local conn = gw:connect()
    assert.equal("203.0.113.9", ask(conn, V1 .. GET).client_ip)
    conn:close()
    refused(GET)
    gw:stop()
  end)
end)

describe("HAProxy in front", function()
  after_each(function()
    peers.stop_all()
    moongate.stop_all()
  end)

  for _, options in ipairs {
    "send-proxy",
    "send-proxy-v2",
    "send-proxy-v2 proxy-v2-options crc32c",
    "send-proxy-v2 proxy-v2-options crc32c,unique-id,authority",
  } do
    it(options .. ": we see its client", function()
      gw = moongate.start { yaml = YAML:gsub("%[127.0.0.1%]", "[127.0.0.3]"), vars = { timeout = "10s" } }
      local lb = peers.haproxy { gw.port, options .. " source 127.0.0.3" }
      if not lb then return pending("haproxy is not installed") end
      local conn = assert(wire.connect(lb.port))
      for _ = 1, 3 do
        assert.equal("127.0.0.1", ask(conn, GET).client_ip)
      end
      conn:close()
      lb:stop()
      gw:stop()
    end)
  end
end)

-- ── outwards ──────────────────────────────────────────────────────────────────────────────────────

local OUT = [[
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    proxy_protocol: {{version}}
    routes: [{ name: up, paths: [/], strip_path: false }]
]]

local REQUEST = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
local ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

describe("a service with proxy_protocol", function()
  local up

  before_each(function() up = wire.listen() end)
  after_each(function()
    up:close()
    peers.stop_all()
    moongate.stop_all()
  end)

  local function begin(version, more)
    gw = moongate.start { yaml = (more or "") .. OUT, vars = { up = up.port, version = version } }
  end

  -- The header on a new connection, and the connection; answers the request behind it.
  local function header_v1()
    local conn = assert(up:accept())
    local line = assert(conn:read_until("\r\n"))
    assert.equal("/a", assert(http.read_request(conn)).target)
    conn:send(ANSWER)
    return line, conn
  end

  it("v1: hears of the client before the request, on a connection for each", function()
    begin("v1")
    local conn = gw:connect()
    local lines = {}
    for i = 1, 2 do
      conn:send(REQUEST)
      local line, service = header_v1()
      lines[i] = line
      assert.equal(200, assert(http.read_response(conn)).status)
      assert.same({ "", "end" }, { service:read_all(5) }) -- not kept for somebody else
    end
    local pattern = ("^PROXY TCP4 127%%.0%%.0%%.1 127%%.0%%.0%%.1 (%%d+) %d\r\n$"):format(gw.port)
    assert.is_truthy(lines[1]:find(pattern), lines[1])
    assert.equal(lines[1], lines[2]) -- the same client
    assert.equal(2, up.accepted)
    conn:close()
    gw:stop()
  end)

  it("v2: the same in bytes", function()
    begin("v2")
    local conn = gw:connect()
    conn:send(REQUEST)
    local service = assert(up:accept())
    local header = assert(service:read(28))
    assert.equal("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\127\0\0\1\127\0\0\1", header:sub(1, 24))
    assert.equal(gw.port, header:byte(27) * 256 + header:byte(28))
    assert.equal("/a", assert(http.read_request(service)).target)
    service:send(ANSWER)
    assert.equal(200, assert(http.read_response(conn)).status)
    conn:close()
    gw:stop()
  end)

  it("hears of the client behind the proxies we trust, whose port nobody knows", function()
    begin("v1", "trusted_proxies: [127.0.0.1]\n")
    for address, expected in pairs {
      ["203.0.113.9"] = "PROXY TCP4 203.0.113.9 127.0.0.1 0 ",
      ["2001:db8::9"] = "PROXY TCP6 2001:db8::9 ::ffff:127.0.0.1 0 ",
    } do
      local conn = gw:connect()
      conn:send("GET /a HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: " .. address .. "\r\n\r\n")
      assert.equal(expected .. gw.port .. "\r\n", (header_v1()))
      assert.equal(200, assert(http.read_response(conn)).status)
      conn:close()
    end
    gw:stop()
  end)

  it("hears of the client that a load balancer named to us", function()
    begin("v1", "listeners: [{ address: 127.0.0.1:0, proxy_protocol: { from: [127.0.0.1] } }]\n")
    local conn = gw:connect()
    conn:send(V1 .. REQUEST)
    assert.equal(V1, (header_v1()))
    conn:close()
    gw:stop()
  end)

  it("hears that nobody knows the client of a unix socket", function()
    begin("v1", "listeners: [{ address: 'unix:gw.sock' }]\n")
    local conn = assert(wire.connect(gw:path("gw.sock")))
    conn:send(REQUEST)
    assert.equal("PROXY UNKNOWN\r\n", (header_v1()))
    conn:close()
    gw:stop()
  end)

  it("hears that a fetch of ours has no client", function()
    gw = moongate.start {
      yaml = OUT .. [[
routes:
  - { name: asks, paths: [/asks], public: true, plugins: [{ name: asks }] }
]],
      vars = { up = up.port, version = "v2" },
      files = {
        ["plugins/asks/schema.lua"] = 'return require("moongate.schema").record {}\n',
        ["plugins/asks/handler.lua"] = [[
return {
  access = function(_, ctx)
    local res, why = ctx:fetch { service = "up", path = "/a" }
    return ctx.response:exit(200, res and res.body or why)
  end,
}
]],
      },
    }
    local conn = gw:connect()
    conn:send("GET /asks HTTP/1.1\r\nHost: a\r\n\r\n")
    local service = assert(up:accept())
    assert.equal("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", service:read(16))
    assert.equal("/a", assert(http.read_request(service)).target)
    service:send(ANSWER)
    assert.equal("ok", assert(http.read_response(conn)).body)
    conn:close()
    gw:stop()
  end)

  for _, version in ipairs { "v1", "v2" } do
    it(version .. ": nginx behind us sees the client", function()
      local web = peers.nginx {
        listen = "proxy_protocol",
        server = [[location / { return 200 "$proxy_protocol_addr $proxy_protocol_server_port $http_x_forwarded_for"; }]],
      }
      if not web then return pending("nginx is not installed") end
      gw = moongate.start {
        yaml = "listeners: [{ address: 127.0.0.1:0, proxy_protocol: { from: [127.0.0.1] } }]\n" .. OUT,
        vars = { up = web.port, version = version },
      }
      local conn = gw:connect()
      conn:send(V1 .. REQUEST)
      for i = 1, 3 do
        assert.equal("203.0.113.9 443 203.0.113.9", assert(http.read_response(conn)).body)
        if i < 3 then conn:send(REQUEST) end
      end
      conn:close()
      web:stop()
      gw:stop()
    end)
  end
end)
