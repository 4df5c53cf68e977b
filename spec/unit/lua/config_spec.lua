local config = require("moongate.config")
local plugins = dofile("spec/support/fake_plugins.lua")

local function try(text, file)
  return config.load(file or "moongate.yaml", { text = text, folder = "/etc/moongate", plugins = plugins })
end

local function load(text, file)
  local result, errors = try(text, file)
  assert(result, errors and errors[1] and config.format(errors[1]))
  return result
end

-- A certificate and its key, as PEM.
local function make_pair()
  local pipe = assert(
    io.popen(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout - -subj /CN=x -days 30 2>/dev/null"
    )
  )
  local text = pipe:read("*a")
  pipe:close()
  return text:match("%-+BEGIN CERTIFICATE.*"), text:match("%-+BEGIN PRIVATE KEY.-%-+END PRIVATE KEY%-+\n")
end

local OPEN = "default_access: allow\n"

describe("moongate.config", function()
  it("fills in what an empty file leaves open", function()
    local c = load("")
    assert.same({}, c.listeners)
    assert.equal("deny", c.default_access)
    assert.equal("segment", c.path_match)
    assert.equal("auto", c.workers)
    assert.equal(60000, c.drain_timeout)
    assert.same({ access = "stdout", error = "stderr", level = "notice" }, c.log)
    assert.same({
      budget = 100,
      stuck_limit = 2000,
      load_limit = 10000,
      memory = 2 ^ 28,
      old_generations = 2 ^ 28,
      bodies = 2 ^ 28,
      fetches = 2000,
      tasks = 100,
      log_lines = 1000,
    }, c.lua)
    assert.same({ "/etc/moongate/plugins" }, c.plugin_paths)
    assert.is_nil(c.admin.address)
  end)

  it(
    "has a finite default for every limit",
    function()
      assert.same({
        head = 32768,
        headers = 100,
        target = 8192,
        body = 10485760,
        buffer = 10485760,
        head_timeout = 10000,
        body_min_rate = 1024,
        idle_timeout = 60000,
        total_timeout = 0,
        connections = 20000,
        connections_per_client = 0,
        requests_per_connection = 10000,
        write_queue = 1048576,
        pending = 1000,
      }, load("").limits)
    end
  )

  it("lets a narrower level override a limit", function()
    local c = load(OPEN .. [[
limits: { body: 1m, idle_timeout: 5s }
listeners: [{ address: "127.0.0.1:0", limits: { body: 2m } }]
services:
  - host: a
    limits: { body: 3m }
    routes: [{ paths: [/a], limits: { buffer: 5k } }, { paths: [/b], limits: { body: 4m, total_timeout: off } }]
]])
    assert.equal(1024 ^ 2, c.limits.body)
    assert.equal(2 * 1024 ^ 2, c.listeners[1].limits.body)
    assert.equal(3 * 1024 ^ 2, c.services[1].limits.body)
    assert.equal(3 * 1024 ^ 2, c.routes[1].limits.body)
    assert.equal(4 * 1024 ^ 2, c.routes[2].limits.body)
    assert.equal(5000, c.routes[2].limits.idle_timeout)
    assert.same({ body = 3 * 1024 ^ 2, buffer = 5120 }, c.routes[1].own_limits)
  end)

  it("takes addresses apart", function()
    local c = load([[
listeners: [{ address: "[::1]:8000" }, { address: "*:80" }, { address: "localhost:0" }, { address: "127.0.0.1:0" }]
admin: { address: "unix:run/admin.sock" }
status: { address: 0.0.0.0:9100 }
]])
    assert.same(
      { "[::1]:8000", "0.0.0.0:80", "127.0.0.1:0", "127.0.0.1:0" },
      { c.listeners[1].text, c.listeners[2].text, c.listeners[3].text, c.listeners[4].text }
    )
    assert.equal("/etc/moongate/run/admin.sock", c.admin.address.path)
    assert.equal(9100, c.status.address.port)
  end)

  it("reads a service's url, or its parts", function()
    local c =
      load("services: [{ url: 'http://[::1]:9000/api' }, { url: 'http://B.example' }, { host: c, path: /x }]")
    assert.same({ "::1", 9000, "/api" }, { c.services[1].host, c.services[1].port, c.services[1].path })
    assert.same({ "b.example", 80 }, { c.services[2].host, c.services[2].port })
    assert.same({ "c", 80, "/x" }, { c.services[3].host, c.services[3].port, c.services[3].path })
  end)

  it("verifies services over TLS where nothing else is said, and not in Kong's files", function()
    local services = "services: [{ url: 'https://a/x' }, { host: b, protocol: https }, { url: 'https://c:1', "
      .. "tls_verify: true, tls_verify_depth: 0, tls_server_name: D.example }, { url: 'http://e' }]\n"
    local c = load(services)
    assert.same(
      { "https", "a", 443, "/x" },
      { c.services[1].protocol, c.services[1].host, c.services[1].port, c.services[1].path }
    )
    assert.same({ verify = true, depth = 16 }, c.services[1].tls)
    assert.equal(443, c.services[2].port)
    assert.same({ verify = true, depth = 0, name = "d.example" }, c.services[3].tls)
    assert.is_nil(c.services[4].tls)
    c = load("_format_version: '3.0'\n" .. services)
    assert.is_false(c.services[1].tls.verify)
    assert.is_true(c.services[3].tls.verify)
    assert.equal(80, c.services[2].port)
    local said = {}
    for _, warning in ipairs(c.warnings) do
      local place = warning.path:find("services", 1, true) and warning.path
      said[#said + 1] = place and place .. ": " .. warning.message:match("^[%w ]+")
    end
    table.sort(said)
    assert.same({
      "services[0].tls_verify: relies on the default false",
      "services[1].port: relies on the default 80",
      "services[1].tls_verify: relies on the default false",
    }, said)
  end)

  it("finds whom a service trusts and what is shown to it", function()
    local one, one_key = make_pair()
    local two, two_key = make_pair()
    local function text(pem) return (("%q"):format(pem):gsub("\\\n", "\\n")) end
    local yaml = ([[
ca_certificates: [{ name: one, cert: ONE }, { name: two, cert: TWO }]
certificates:
  - { id: 7fca84d6-7d37-4a74-a7b0-93e576089a41, cert: ONE, key: ONE_KEY }
upstreams:
  - name: u
    client_certificate: { id: 7fca84d6-7d37-4a74-a7b0-93e576089a41 }
    targets: [{ target: a }]
services:
  - { url: https://a, ca_certificates: [one, { name: two }], client_certificate: 7fca84d6-7d37-4a74-a7b0-93e576089a41 }
  - { url: https://u, ca_certificates: [two] }
  - { url: https://u, client_certificate: { cert: TWO, key: TWO_KEY } }
]]):gsub("%f[%w][%u_]+%f[^%w_]", {
      ONE = text(one),
      TWO = text(two),
      ONE_KEY = text(one_key),
      TWO_KEY = text(two_key),
    })
    local c = load(yaml)
    local a, u, own = c.services[1].tls, c.services[2].tls, c.services[3].tls
    assert.equal(one .. "\n" .. two, a.ca)
    assert.same({ one, one_key }, { a.cert, a.key })
    assert.equal(two, u.ca)
    assert.equal(one, u.cert)
    assert.same({ two, two_key }, { own.cert, own.key })
    local shown = require("moongate.config.show").config(c)
    assert.is_nil(shown:find("BEGIN", 1, true))
    assert.is_truthy(shown:find('"client_certificate":"7fca84d6-7d37-4a74-a7b0-93e576089a41"', 1, true))
  end)

  it("warns of health checks that lead to nothing", function()
    local function warning(checks)
      local text = "upstreams: [{ name: u, targets: [{ target: a }], healthchecks: { active: { "
        .. checks
        .. " } } }]"
      local found = load(text).warnings
      return #found > 1 and found[2].message or "none"
    end
    local ON = "healthy: { interval: 5, successes: 1 }, unhealthy: { interval: 1, tcp_failures: 1 }"
    assert.equal("none", warning(ON))
    assert.matches("^is off", warning("unhealthy: { tcp_failures: 1 }"))
    assert.matches("^is off", warning("before_use: true"))
    assert.matches("^has no effect", warning("healthy: { interval: 5 }"))
    assert.matches("^never brings", warning("healthy: { interval: 5 }, unhealthy: { tcp_failures: 1 }"))
    assert.matches("^never brings", warning("healthy: { interval: 5, successes: 1 }, before_use: true"))
    assert.equal("has no effect with type: http", warning(ON .. ", https_sni: b"))
    assert.equal("has no effect with type: tcp", warning(ON .. ", type: tcp, http_body: b"))
    assert.equal("has no effect with type: http", warning(ON .. ", grpc_service: b"))
  end)

  it("binds a service to the upstream its host names", function()
    local c = load(
      "services: [{ host: u }, { host: v }]\n" .. "upstreams: [{ name: v }, { name: u, targets: [{ target: a }] }]"
    )
    assert.equal(2, c.services[1].upstream)
    assert.equal(1, c.services[2].upstream)
    assert.same(
      { "a", 8000, 100 },
      { c.upstreams[2].targets[1].host, c.upstreams[2].targets[1].port, c.upstreams[2].targets[1].weight }
    )
    assert.is_truthy(c.warnings[2].message:find("has no targets", 1, true))
  end)

  it("warns of a host that is nearly an upstream's name, and of calls over HTTP/1.1", function()
    local function warnings(host, more)
      local text =
        'listeners: [{ address: "127.0.0.1:0" }]\nupstreams: [{ name: billing2, targets: [{ target: "a:1" }] }]\n'
      local service = "services: [{ host: %s%s, routes: [{ name: r, paths: [/], public: true }] }]\n"
      local said = {}
      for _, warning in ipairs(load(text .. service:format(host, more or "")).warnings) do
        if warning.path ~= "upstreams[0]" then said[#said + 1] = warning.path .. ": " .. warning.message end
      end
      return table.concat(said, "\n")
    end
    local meant = 'services[0].host: "%s" is taken as a name of DNS (did you mean the upstream "billing2"?)'
    for _, host in ipairs { "biling2", "billign2", "bilin2", "billing-2" } do
      assert.equal(meant:format(host), warnings(host))
    end
    for _, host in ipairs { "billing2", "billing3", "billing", "filing", "10.0.0.1", "billing2.internal" } do
      assert.equal("", warnings(host))
    end
    local route = ", routes: [{ name: c, paths: [/a.B], protocols: [grpc], public: true }] }]#"
    assert.matches("routes%[0%]%.protocols: takes calls of gRPC, and HTTP/1%.1 is spoken", warnings("a", route))
    assert.equal("", warnings("a", ", http2: true" .. route))
    assert.equal("", warnings("a", ", protocol: grpc, port: 80" .. route))
  end)

  it("takes what a route matches apart", function()
    local route = load(OPEN .. [[
routes:
  - paths: [/a, =/b, "~/c/\\d+", "/d/{id}"]
    hosts: [A.com, "*.b.com", "c.*"]
    headers: { X-B: [v], x-a: ["~*^1"] }
    query: { Debug: ["1", "2"], Trace: [] }
    path_match: prefix
]]).routes[1]
    assert.same({
      { kind = "prefix", text = "/a" },
      { kind = "exact", text = "/b" },
      { kind = "regex", text = "/c/\\d+" },
      { kind = "template", text = "/d/{id}" },
    }, route.paths)
    assert.same({
      { kind = "exact", text = "a.com" },
      { kind = "leading", text = "*.b.com" },
      { kind = "trailing", text = "c.*" },
    }, route.hosts)
    assert.same({ { name = "x-b", values = { "v" } }, { name = "x-a", regex = "^1" } }, route.headers)
    assert.same({ { name = "Debug", values = { "1", "2" } }, { name = "Trace", values = {} } }, route.query)
    assert.equal("prefix", route.path_match)
  end)

  it("gives the same ids whatever the order of the file", function()
    local one = load(OPEN .. "routes: [{ name: a, paths: [/a] }, { paths: [/b] }]")
    local two = load(OPEN .. "routes: [{ paths: [/b] }, { name: a, paths: [/a] }]")
    assert.equal(one.routes[1].id, two.routes[2].id)
    assert.equal(one.routes[2].id, two.routes[1].id)
    assert.is_truthy(one.routes[1].id:find("^%x+%-%x+%-5%x+%-[89ab]%x+%-%x+$"))
  end)

  it("finds an upstream whatever the case of its name", function()
    local c = load("services: [{ host: Orders }]\nupstreams: [{ name: ORDERS, targets: [{ target: a }] }]")
    assert.equal(1, c.services[1].upstream)
    assert.equal("orders", c.upstreams[1].name)
  end)

  it("takes a path or host that is written twice once", function()
    local c = load(OPEN .. "routes: [{ paths: [/a, /a], hosts: [b, b] }]")
    assert.same({ 1, 1 }, { #c.routes[1].paths, #c.routes[1].hosts })
  end)

  it("reads JSON and YAML alike", function()
    local a =
      load('{ "default_access": "allow",\n"routes": [ { "paths": ["/a"], "public": true } ] }', "moongate.json")
    local b = load("default_access: allow\nroutes: [{ paths: [/a], public: true }]\n")
    assert.same(b.routes, a.routes)
  end)

  it("keeps a plugin's use with its scope, priority and whether it guards", function()
    local c = load(OPEN .. [[
services:
  - name: s
    host: x
    routes: [{ name: r, paths: [/], plugins: [{ name: echo, priority: 7, enabled: false }] }]
consumers: [{ username: ann }]
plugins:
  - { name: key-auth, service: s, config: { anonymous: ann } }
  - { name: key-auth, consumer: ann, route: r, service: s, instance_name: mine, tags: [x] }
]])
    local nested, of_service, of_all = unpack(c.plugins)
    assert.same({ service = 1 }, of_service.scope)
    assert.is_false(of_service.authenticates)
    assert.same({ service = 1, route = 1, consumer = 1 }, of_all.scope)
    assert.is_true(of_all.authenticates)
    assert.equal("mine", of_all.instance_name)
    assert.same({ route = 1 }, nested.scope)
    assert.equal(7, nested.priority)
    assert.is_false(nested.enabled)
  end)

  it("takes a service that is off out of the way", function()
    local c = load(OPEN .. "services: [{ host: a, enabled: false, routes: [{ paths: [/] }] }]")
    assert.is_false(c.routes[1].enabled)
  end)

  it("wants a guard or public: true on every route", function()
    local guarded = "routes: [{ paths: [/] }]\nplugins: [{ name: key-auth }]"
    assert.is_truthy(load(guarded))
    local c = load("routes: [{ paths: [/], public: true }]\n")
    assert.is_true(c.routes[1].public)
    assert.is_nil(try("routes: [{ paths: [/] }]\n"))
    assert.is_nil(
      try(
        "routes: [{ paths: [/], plugins: [{ name: key-auth, config: { anonymous: x } }] }]\n"
          .. "plugins: [{ name: key-auth }]"
      ),
      "the route's own use wins over the global one, and lets strangers in"
    )
  end)

  it("warns where public: true and a guard contradict each other", function()
    local c = load(
      "listeners: [{ address: '127.0.0.1:0' }]\nroutes: [{ paths: [/], public: true }]\n"
        .. "plugins: [{ name: key-auth }]"
    )
    assert.equal(
      "moongate.yaml:2: routes[0].public: says that nobody need be known, yet key-auth (plugins[0]) "
        .. "asks every client who it is",
      config.format(c.warnings[1])
    )
  end)

  it("takes credentials nested, at the top, and in our own form", function()
    local c = load([[
consumers:
  - { username: ann, keyauth_credentials: [{ key: a }] }
  - { username: bob, credentials: { key-auth: [{ key: b }, { key: c }] } }
keyauth_credentials: [{ consumer: ann, key: d }]
]])
    local function keys(consumer)
      local list = {}
      for i, credential in ipairs(consumer.credentials["key-auth"]) do
        list[i] = credential.key
      end
      return list
    end
    assert.same({ "a", "d" }, keys(c.consumers[1]))
    assert.same({ "b", "c" }, keys(c.consumers[2]))
  end)

  it("holds plain data only", function()
    local function walk(value)
      assert.is_nil(getmetatable(value))
      for _, inner in pairs(value) do
        if type(inner) == "table" then
          walk(inner)
        else
          assert.is_truthy(({ string = true, number = true, boolean = true })[type(inner)], type(inner))
        end
      end
    end
    local file = assert(io.open("spec/support/kong.yaml"))
    walk(load(file:read("*a")))
    file:close()
  end)
end)

describe("a file as decK writes it", function()
  local c

  setup(function()
    local file = assert(io.open("spec/support/kong.yaml"))
    c = load(file:read("*a"), "kong.yaml")
    file:close()
  end)

  it("loads as it is, with Kong's defaults", function()
    assert.equal("kong", c.format)
    assert.equal("allow", c.default_access)
    assert.equal("prefix", c.path_match)
    assert.equal(1, #c.services)
    assert.equal(2, #c.routes)
    assert.equal(4, #c.plugins)
    assert.equal("prefix", c.routes[2].path_match)
  end)

  it("loads with the bundled plugins, as the examples do", function()
    for _, path in ipairs {
      "spec/support/kong.yaml",
      "examples/quickstart/moongate.yaml",
      "examples/hello-plugin/moongate.yaml",
    } do
      local result, errors = config.load(path, { bundled = "plugins" })
      assert(result, errors and errors[1] and config.format(errors[1]))
    end
  end)

  it("keeps ids and references", function()
    assert.equal("9b2a4d6e-1111-4000-8000-000000000001", c.consumers[1].id)
    assert.equal(1, c.routes[1].service)
    assert.equal(1, c.services[1].upstream)
    assert.equal(3, #c.upstreams[1].targets)
    assert.same({ "::1", 8081 }, { c.upstreams[1].targets[3].host, c.upstreams[1].targets[3].port })
    assert.same({ "gold" }, c.consumers[2].groups)
    assert.equal("ann-key-2", c.consumers[1].credentials["key-auth"][2].key)
    assert.same({ route = 1, consumer = 2 }, c.plugins[4].scope)
  end)

  it("is told which routes are open because nobody said otherwise", function()
    local text =
      "_format_version: '3.0'\nlisteners: [{ address: '127.0.0.1:0' }]\nroutes: [{ name: r, paths: [/] }]\n"
    local warnings = load(text).warnings
    assert.equal(
      "moongate.yaml:1: 1 of 1 routes are open to everybody, because default_access is allow in a file "
        .. "with _format_version (r)",
      config.format(warnings[1])
    )
    assert.same({}, load(text .. "default_access: allow\n").warnings)
  end)

  it("gives plugins Kong's defaults, and warns of unsafe ones nobody wrote", function()
    local k =
      load("_format_version: '3.0'\nlisteners: [{ address: '127.0.0.1:0' }]\nplugins:\n  - name: key-auth\n")
    assert.is_false(k.plugins[1].config.hide_credentials)
    assert.is_true(k.plugins[1].config.key_in_query)
    assert.equal(2, #k.warnings)
    assert.equal(
      "moongate.yaml:4: plugins[0].config.hide_credentials: relies on the default false: "
        .. "the key is passed on to the upstream",
      config.format(k.warnings[1])
    )
    assert.equal(1, #c.warnings, "every value is written there; only the listeners are missing")
  end)
end)
