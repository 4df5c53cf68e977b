-- WebSockets through the real binary, from HTTP/1.1 and HTTP/2 to both: npm's ws, over sockets and over Node's HTTP/2.
local cjson = require("cjson")
local http = require("support.http")
local moongate = require("support.moongate")
local peers = require("support.grpc")
local wire = require("support.wire")

local YAML = [[
workers: 1
listeners:
  - address: 127.0.0.1:0
    http2: true
services:
  - { name: one, url: "http://127.0.0.1:{{h1}}", routes: [{ name: one, paths: [/h1], public: true }] }
  - name: judged
    url: "http://127.0.0.1:{{h1}}"
    routes:
      - { name: judged, paths: [/judged], public: true, websocket: { max_frame: 1k, max_message: 2k } }
      - { name: text, paths: [/text], public: true, websocket: { validate_utf8: true } }
  - name: judged2
    url: "http://127.0.0.1:{{h2}}"
    http2: true
    routes: [{ name: judged2, paths: [/twice], public: true, websocket: { max_frame: 1k, max_message: 2k } }]
  - name: deflate
    url: "http://127.0.0.1:{{deflate}}"
    routes:
      - { name: deflate, paths: [/deflate], public: true, websocket: { max_frame: 1k } }
      - { name: inflate, paths: [/inflate], public: true, websocket: { validate_utf8: true } }
  - { name: two, url: "http://127.0.0.1:{{h2}}", http2: true, routes: [{ name: two, paths: [/h2], public: true }] }
  - { name: without, url: "http://127.0.0.1:{{without}}", http2: true, routes: [{ name: without, paths: [/without], public: true }] }
  - { name: mute, url: "http://127.0.0.1:{{mute}}", http2: true, routes: [{ name: mute, paths: [/mute], public: true }] }
  - { name: liar, url: "http://127.0.0.1:{{liar}}", routes: [{ name: liar, paths: [/liar], public: true }] }
  - { name: plain, url: "http://127.0.0.1:{{plain}}", routes: [{ name: plain, paths: [/plain], public: true }] }
]]

local gw, mute
local services = {}

local ready, why = peers.ready()
local describe_ws = ready and describe or pending

local function ask(kind, path, what)
  return peers.run("websocket.js", "ask", kind, tostring(gw.port), path, cjson.encode(what or {}))
end

describe_ws("a WebSocket" .. (why and (" (" .. why .. ")") or ""), function()
  setup(function()
    local vars = {}
    for name, kind in pairs {
      h1 = "h1",
      h2 = "h2",
      without = "h2-without",
      liar = "h1-liar",
      plain = "h1-200",
      deflate = "h1-deflate",
    } do
      services[name] = peers.service("websocket.js", kind)
      vars[name] = services[name].port
    end
    mute = wire.listen()
    vars.mute = mute.port
    gw = moongate.start { yaml = YAML, vars = vars }
  end)

  teardown(function()
    gw:stop()
    mute:close()
    for _, service in pairs(services) do
      service:stop()
    end
    moongate.stop_all()
  end)

  for _, client in ipairs { "h1", "h2" } do
    for _, service in ipairs { "h1", "h2" } do
      it(("of a client of %s goes to a service of %s"):format(client, service), function()
        services[service]:forget()
        local got = ask(client, "/" .. service .. "/chat?a=b", {
          send = { "hello", { binary = 3 }, ("x"):rep(100000), "ü" },
          protocols = { "chat", "other" },
        })
        assert.is_true(got.opened, cjson.encode(got))
        assert.same({ "hello", "070707", 100000, "ü" }, got.messages)
        assert.equal(1000, got.code)
        assert.equal("chat", got.protocol)
        assert.is_nil(got.accept) -- RFC 8441 5.1
        local lines = services[service]:saw(service == "h2" and client == "h1" and 1 or 1)
        local open = lines[1].session and services[service]:saw(1)[1] or lines[1]
        assert.equal("/chat?a=b", open.open)
        assert.equal(service == "h1", open.key)
        assert.equal("13", open.version)
        assert.equal(service == "h1" and "websocket" or nil, open.upgrade)
        assert.equal(1000, services[service]:saw(1)[1].closed)
      end)
    end
  end

  it("is closed by the service as the service likes", function()
    for _, client in ipairs { "h1", "h2" } do
      for _, service in ipairs { "h1", "h2" } do
        local got = ask(client, "/" .. service .. "/x", { send = { "close 4001" }, expect = -1 })
        assert.equal(4001, got.code)
        assert.equal("as asked", got.reason)
      end
    end
  end)

  it("needs a service of HTTP/2 that offers it", function()
    for _, client in ipairs { "h1", "h2" } do
      for _ = 1, 2 do -- before its settings are known, and after
        local got = ask(client, "/without/x")
        assert.equal(502, got.status)
        assert.equal("no_tunnel", cjson.decode(got.body).reason)
      end
    end
    assert.equal("plain", gw:get("/without/y").body)
  end)

  it("waits for the settings of a service, alone, and no longer than its client", function()
    local upgrade =
      "GET /mute/%s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    local gone = gw:connect()
    gone:send(upgrade:format("gone"))
    local server = assert(mute:accept(5))
    assert.equal("PRI * HTTP/2.0", server:read(14))
    gone:close()
    local first, plain = gw:connect(), gw:connect()
    first:send(upgrade:format("cut"))
    plain:send("GET /mute/plain HTTP/1.1\r\nHost: a\r\n\r\n") -- it needs no settings, and goes on the same connection
    assert.is_truthy(wire.wait(function() return server:peek():find("\1\5\0\0\0\1", 1, true) end, 5))
    server:close()
    local response = http.read_response(first)
    assert.equal(502, response.status)
    assert.equal("reset", cjson.decode(response.body).reason)
    first:close()
    plain:close()
  end)

  it("is refused by a service in its own words", function()
    assert.equal(403, ask("h1", "/h2/no").status)
    assert.equal(403, ask("h2", "/h2/no").status)
  end)

  it("is not opened where the proof of a service is wrong", function()
    local got = ask("h2", "/liar/x")
    assert.equal(502, got.status)
    assert.equal("upstream_protocol", cjson.decode(got.body).reason)
    assert.is_truthy(ask("h1", "/liar/x").error:find("Sec-WebSocket-Accept", 1, true)) -- the client's own affair
  end)

  it("is a plain answer where the service says 200", function()
    for _, client in ipairs { "h1", "h2" } do
      local got = ask(client, "/plain/x")
      if client == "h1" then
        assert.equal(200, got.status)
        assert.equal("no", got.body)
      else
        -- Over HTTP/2 a 200 would open a tunnel: what is no WebSocket must not look like one.
        assert.equal(502, got.status)
      end
    end
  end)

  it("is the only protocol that extended CONNECT may ask for", function()
    local got = ask("h2", "/h1/x", { protocol = "connect-udp" })
    assert.equal(501, got.status)
  end)

  describe("whose route has limits", function()
    local ways = { { "h1", "/judged" }, { "h2", "/judged" }, { "h1", "/twice" }, { "h2", "/twice" } }

    -- The code that the service was told at the end.
    local function closed(service, path)
      local code
      wire.wait(function()
        for _, line in ipairs(peers.lines_of(services[service].child)) do
          if line.closed and path:sub(-#line.path) == line.path then code = line.closed end
        end
        return code
      end, 10)
      return code
    end

    -- The last line of a path.
    local function logged(path)
      local found
      wire.wait(function()
        for _, line in ipairs(gw:access_log()) do
          if line.path == path then found = line end
        end
        return found
      end, 10)
      return found
    end

    it("carries what is within them, fragments and pings and all", function()
      for i, way in ipairs(ways) do
        local path = way[2] .. "/fine" .. i
        local got = ask(way[1], path, {
          send = {
            ("x"):rep(1024),
            { binary = 1000 },
            { fragments = 4, piece = ("y"):rep(250) },
            { ping = "hello" },
            "end",
          },
          expect = 4,
        })
        assert.equal(1000, got.code, cjson.encode(got))
        assert.equal(4, #got.messages)
        assert.equal(1000, got.messages[3])
        assert.equal(1, got.pongs)
        assert.equal(cjson.null, logged(path).error, path)
      end
    end)

    it("closes with 1009 when a client sends more, and the service hears that it is over", function()
      for i, way in ipairs(ways) do
        for n, send in ipairs { { ("x"):rep(1025) }, { { fragments = 5, piece = ("y"):rep(500) } } } do
          local path, service = way[2] .. "/large" .. i .. n, way[2] == "/twice" and "h2" or "h1"
          assert.equal(1009, ask(way[1], path, { send = send, expect = -1 }).code)
          assert.equal(1001, closed(service, path))
          assert.equal("websocket_too_large", logged(path).error)
        end
      end
    end)

    it("closes with 1002 when a client breaks the rules", function()
      for i, way in ipairs(ways) do
        for n, raw in ipairs { "8101", "810161", "83800102030400", "8980" } do
          local path = way[2] .. "/broken" .. i .. n
          local got =
            ask(way[1], path, { send = { { raw = raw == "8980" and "0980aabbccdd" or raw } }, expect = -1 })
          assert.equal(1002, got.code, raw)
          assert.equal("websocket_frame", logged(path).error)
        end
      end
    end)

    it("closes with 1007 when a text is none, only where that is asked for", function()
      assert.equal(1007, ask("h1", "/text/x", { send = { { raw = "8182000000" .. "00fffe" } }, expect = -1 }).code)
      assert.equal("websocket_text", logged("/text/x").error)
      assert.same({ "ü€" }, ask("h2", "/text/y", { send = { "ü€" } }).messages)
    end)

    it("closes both sides when it is the service that does so", function()
      for i, way in ipairs(ways) do
        local path, service = way[2] .. "/service" .. i, way[2] == "/twice" and "h2" or "h1"
        assert.equal(1011, ask(way[1], path, { send = { "send 1025" }, expect = -1 }).code)
        assert.equal(1009, closed(service, path))
        assert.equal("upstream_websocket_too_large", logged(path).error)
        assert.equal(1011, ask(way[1], path .. "b", { send = { "frames 8180aabbccdd" }, expect = -1 }).code)
        assert.equal("upstream_protocol", logged(path .. "b").error)
      end
    end)

    it("counts what is compressed as it is sent, and keeps it off where texts are judged", function()
      local got = ask("h1", "/deflate/x", { send = { ("x"):rep(100000) }, deflate = true })
      assert.equal("permessage-deflate", got.extensions)
      assert.same({ 100000 }, got.messages)
      got = ask("h1", "/inflate/x", { send = { "ü" }, deflate = true })
      assert.equal("", got.extensions)
      assert.same({ "ü" }, got.messages)
    end)

    it(
      "says in the metrics how often they were passed",
      function()
        assert.is_truthy(
          gw:ask("GET", "/metrics").body:find('moongate_limit_rejections_total{limit="websocket"} %d')
        )
      end
    )
  end)
end)
