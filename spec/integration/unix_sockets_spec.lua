-- Unix sockets: to listen on, and as where services are.
local cjson = require("cjson")
local http = require("support.http")
local moongate = require("support.moongate")
local peers = require("support.peers")
local process = require("support.process")
local wire = require("support.wire")

local gw

local function output(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("*a")
  pipe:close()
  return (text:gsub("%s+$", ""))
end

local function mode(path) return output("stat -c %a '" .. path .. "'") end

local function exists(path) return os.execute("test -e '" .. path .. "'") == 0 end

local function ask(path, request)
  local conn = assert(wire.connect(path))
  conn:send(request)
  local response = assert(http.read_response(conn))
  conn:close()
  return response
end

local GET = "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"

local ECHO = [[
routes:
  - name: echo
    paths: [/echo]
    public: true
    plugins: [{ name: echo }]
]]

local function listening(more, top)
  return ("listeners: [{ address: 'unix:gw.sock'%s }]\n%s%s"):format(more or "", top or "", ECHO)
end

local function stop_all()
  peers.stop_all()
  moongate.stop_all()
end

describe("a listener on a unix socket", function()
  after_each(stop_all)

  it("serves on all workers, for its own user; its file goes with it", function()
    gw = moongate.start { yaml = listening() }
    local path = gw:path("gw.sock")
    assert.equal("600", mode(path))
    for _ = 1, 50 do
      assert.equal(200, ask(path, GET).status)
    end
    local conn = assert(wire.connect(path))
    for _ = 1, 3 do
      conn:send(GET)
      assert.equal(200, assert(http.read_response(conn)).status)
    end
    conn:close()
    gw:stop()
    assert.is_false(exists(path))
  end)

  it("answers curl --unix-socket", function()
    gw = moongate.start { yaml = listening() }
    local text = output(("curl -sS --unix-socket '%s' http://a.example/echo"):format(gw:path("gw.sock")))
    local body = cjson.decode(text)
    assert.equal("a.example", body.headers.host)
    assert.equal("unix:", body.client_ip)
    assert.equal("unix:", gw:access_log(1)[1].clientIp)
    gw:stop()
  end)

  it("is open to whom mode and group say, and a reload changes that", function()
    local group = output("id -g")
    gw = moongate.start { yaml = listening(", mode: 0660, group: " .. group) }
    local path = gw:path("gw.sock")
    assert.equal("660 " .. group, output(("stat -c '%%a %%g' '%s'"):format(path)))
    gw:configure(listening(", mode: 0666"))
    assert.equal(200, (gw:reload()))
    assert.equal("666", mode(path))
    gw:configure(listening())
    assert.equal(200, (gw:reload()))
    assert.equal("600", mode(path))
    gw:configure(listening(", group: no-such-group"))
    local status, answer = gw:reload()
    assert.equal(422, status)
    assert.is_truthy(cjson.encode(answer):find("there is no such group", 1, true))
    assert.equal(200, ask(path, GET).status)
    gw:stop()
  end)

  it("takes the place of a file that nobody listens on, and none of a living one", function()
    gw = moongate.start { yaml = listening() }
    local path = gw:path("gw.sock")
    local other = moongate.folder { ["moongate.yaml"] = moongate.yaml(listening():gsub("gw.sock", path)) }
    local result = moongate.command({ "run", "-c", "moongate.yaml" }, other)
    assert.equal(1, result.code)
    assert.is_truthy(
      result.stderr:find("Address already in use (somebody listens there already", 1, true),
      result.stderr
    )
    assert.equal(200, ask(path, GET).status)
    gw:stop()

    os.execute(("python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"%s\")'"):format(path))
    assert.is_true(exists(path))
    gw = moongate.start { yaml = listening():gsub("gw.sock", path) }
    assert.equal(200, ask(path, GET).status)
    gw:stop()
  end)

  it("stays when another program takes over, and when the worker process is killed", function()
    gw = moongate.start { yaml = listening(", mode: 0660") }
    local path = gw:path("gw.sock")
    local inode = output("stat -c %i '" .. path .. "'")
    gw.process:kill("USR2")
    assert.is_truthy(gw:wait_log("upgrade: the supervisor is moongate", 30), gw:stderr())
    assert.equal(200, ask(path, GET).status)
    process.signal(gw:worker(), "KILL")
    assert.equal(200, ask(path, GET).status) -- it waits in the queue of the one socket
    assert.equal("660 " .. inode, output("stat -c '%a %i' '" .. path .. "'"))
    gw:configure(listening(", mode: 0666"))
    assert.equal(200, (gw:reload()))
    assert.equal("666", mode(path))
    gw:stop()
    assert.is_false(exists(path))
  end)

  it("opens and closes with a reload", function()
    gw = moongate.start { yaml = ECHO }
    local path = gw:path("gw.sock")
    gw:configure("listeners: [{ address: 127.0.0.1:0 }, { address: 'unix:gw.sock' }]\n" .. ECHO)
    assert.equal(200, (gw:reload()))
    assert.equal(200, ask(path, GET).status)
    assert.equal(200, gw:get("/echo").status)
    gw:configure(ECHO)
    assert.equal(200, (gw:reload()))
    assert.is_truthy(wire.wait(function() return not exists(path) end))
    assert.is_nil((wire.connect(path)))
    gw:stop()
  end)

  it("refuses mode and group elsewhere, modes that are none, and paths that are too long", function()
    local folder = moongate.folder()
    for text, expected in pairs {
      ["{ address: 127.0.0.1:0, mode: 0660 }"] = "listeners[0].mode: is for unix sockets only",
      ["{ address: 127.0.0.1:0, group: root }"] = "listeners[0].group: is for unix sockets only",
      ["{ address: 'unix:/x', mode: 0680 }"] = 'listeners[0].mode: "0680" is not a mode such as 0660',
      ["{ address: 'unix:/x', mode: 660 }"] = "listeners[0].mode: expected a mode such as 0660, got the number 660",
      ["{ address: 'unix:/x', group: [] }"] = "listeners[0].group: must be the name or number of a group",
      ["{ address: 'unix:/" .. ("x"):rep(107) .. "' }"] = "listeners[0].address: the socket's path is longer than 107",
      ["{ address: 'unix:' }"] = 'listeners[0].address: "unix:" is not an address',
    } do
      moongate.write(folder .. "/moongate.yaml", "listeners: [" .. text .. "]\n" .. ECHO)
      local result = moongate.command({ "check", "-c", "moongate.yaml" }, folder)
      assert.equal(1, result.code)
      assert.is_truthy((result.stdout .. result.stderr):find(expected, 1, true), result.stdout .. result.stderr)
    end
  end)
end)

describe("a client that came through a unix socket", function()
  after_each(stop_all)

  local function with_forwarded(address)
    return ("GET /echo HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: %s\r\n\r\n"):format(address)
  end

  local function client_of(response) return cjson.decode(response.body).client_ip end

  it("is believed in X-Forwarded-For only where trusted_proxies says unix:", function()
    gw = moongate.start { yaml = listening("", "trusted_proxies: [127.0.0.0/8]\n") }
    local path = gw:path("gw.sock")
    assert.equal("unix:", client_of(ask(path, with_forwarded("203.0.113.9"))))
    gw:configure(listening("", "trusted_proxies: [127.0.0.0/8, 'unix:']\n"))
    assert.equal(200, (gw:reload()))
    assert.equal("203.0.113.9", client_of(ask(path, with_forwarded("203.0.113.9, 127.0.0.1"))))
    assert.equal("unix:", client_of(ask(path, GET)))
    gw:stop()
  end)

  it("is refused by ip-restriction as long as nobody says its address", function()
    for _, config in ipairs { "{ allow: [0.0.0.0/0, '::/0'] }", "{ deny: [192.0.2.1] }" } do
      local plugin = ("plugins: [{ name: ip-restriction, config: %s }]\n"):format(config)
      gw = moongate.start { yaml = listening("", "trusted_proxies: ['unix:']\n" .. plugin) }
      assert.equal(403, ask(gw:path("gw.sock"), GET).status)
      assert.equal(200, ask(gw:path("gw.sock"), with_forwarded("203.0.113.9")).status)
      gw:stop()
    end
  end)

  it("may be a load balancer with a PROXY header", function()
    gw = moongate.start { yaml = listening(", proxy_protocol: { from: ['unix:'] }") }
    local path = gw:path("gw.sock")
    assert.equal("203.0.113.9", client_of(ask(path, "PROXY TCP4 203.0.113.9 198.51.100.1 4711 443\r\n" .. GET)))
    assert.equal("unix:", client_of(ask(path, "PROXY UNKNOWN\r\n" .. GET)))
    assert.equal(400, ask(path, GET).status)
    local lb = peers.haproxy { path, "send-proxy-v2" }
    if lb then
      local conn = assert(wire.connect(lb.port))
      conn:send(GET)
      assert.equal("127.0.0.1", client_of(assert(http.read_response(conn))))
      conn:close()
      lb:stop()
    end
    gw:stop()
  end)
end)

describe("a service on a unix socket", function()
  after_each(stop_all)

  local SERVER = [[location / { return 200 "$http_host $request_uri $http_x_forwarded_for $http_connection"; }]]

  local function fetch(target, headers)
    local response = gw:get(target, headers)
    return response.body, response.status
  end

  it("is reached by url, with Host: localhost, a base path, and kept connections", function()
    local path = moongate.folder() .. "/web.sock"
    local web = peers.nginx { path = path, server = SERVER }
    if not web then return pending("nginx is not installed") end
    gw = moongate.start {
      yaml = [[
services:
  - { name: web, url: "http://unix:{{path}}:/base", routes: [{ name: web, paths: [/] }] }
  - { name: bare, url: "http://unix:{{path}}", routes: [{ name: bare, paths: [/bare], preserve_host: true }] }
]],
      vars = { path = path },
    }
    for _ = 1, 3 do
      assert.equal("localhost /base/x?y=1 127.0.0.1 ", (fetch("/x?y=1")))
    end
    assert.equal("b.example / 127.0.0.1 ", (fetch("/bare", { Host = "b.example" })))
    assert.equal("unix:" .. path, gw:access_log(4)[1].upstream)
    assert.is_truthy(gw:ask("GET", "/status").body:find("unix:" .. path, 1, true))
    web:stop()
    gw:stop()
  end)

  it("may be a target of an upstream, beside others", function()
    local path = moongate.folder() .. "/web.sock"
    local one = peers.nginx { path = path, server = 'location / { return 200 "one $http_host"; }' }
    local two = peers.nginx { server = 'location / { return 200 "two $http_host"; }' }
    if not one or not two then return pending("nginx is not installed") end
    gw = moongate.start {
      yaml = [[
workers: 1
services: [{ name: web, host: web, routes: [{ name: web, paths: [/] }] }]
upstreams: [{ name: web, targets: [{ target: "unix:{{path}}" }, { target: "127.0.0.1:{{port}}" }] }]
]],
      vars = { path = path, port = two.port },
    }
    local seen = {}
    for _ = 1, 8 do
      local body = fetch("/")
      seen[body] = (seen[body] or 0) + 1
    end
    assert.same({ ["one localhost"] = 4, ["two 127.0.0.1:" .. two.port] = 4 }, seen)
    one:stop() -- what fails is tried at the other one
    for _ = 1, 4 do
      assert.equal("two 127.0.0.1:" .. two.port, (fetch("/")))
    end
    two:stop()
    gw:stop()
  end)

  it("that is not there is a 502", function()
    gw = moongate.start {
      yaml = "services: [{ name: web, url: 'http://unix:/nonexistent/x.sock', routes: [{ name: web, paths: [/] }] }]\n",
    }
    local body, status = fetch("/")
    assert.equal(502, status)
    assert.equal("connect", cjson.decode(body).reason)
    gw:stop()
  end)

  it("hears of the client where it wants to", function()
    local path = moongate.folder() .. "/web.sock"
    local web = peers.nginx {
      path = path,
      listen = "proxy_protocol",
      ready = "PROXY UNKNOWN\r\n",
      server = [[location / { return 200 "$proxy_protocol_addr"; }]],
    }
    if not web then return pending("nginx is not installed") end
    gw = moongate.start {
      yaml = [[
services: [{ name: web, url: "http://unix:{{path}}", proxy_protocol: v2, routes: [{ name: web, paths: [/] }] }]
]],
      vars = { path = path },
    }
    assert.equal("127.0.0.1", (fetch("/")))
    web:stop()
    gw:stop()
  end)

  it("is refused where its path is none", function()
    local folder = moongate.folder()
    for text, expected in pairs {
      ["services: [{ name: a, url: 'http://unix:app.sock' }]"] = "services[0].url: needs the absolute path of a socket",
      ["services: [{ name: a, url: 'http://unix:' }]"] = "services[0].url: needs the absolute path of a socket",
      ["services: [{ name: a, url: 'http://unix:/a b' }]"] = "services[0].url: a socket's path holds no blanks",
      ["services: [{ name: a, url: 'http://unix:/a:b' }]"] = "services[0].url: is not a URL: what follows the socket",
      ["services: [{ name: a, url: 'https://unix:a' }]"] = "services[0].url: needs the absolute path of a socket",
      ["services: [{ name: a, url: 'http://unix:/" .. ("x"):rep(107) .. "' }]"] = "path is longer than 107 bytes",
      ["upstreams: [{ name: a, targets: [{ target: 'unix:x' }] }]"] = "targets[0].target: needs the absolute path",
      ["upstreams: [{ name: a, targets: [{ target: 'unix:/x' }, { target: 'unix:/x' }] }]"] = "unix:/x is a target of",
    } do
      moongate.write(folder .. "/moongate.yaml", text .. "\n")
      local result = moongate.command({ "check", "-c", "moongate.yaml" }, folder)
      assert.equal(1, result.code, text)
      assert.is_truthy((result.stdout .. result.stderr):find(expected, 1, true), result.stdout .. result.stderr)
    end
  end)
end)
