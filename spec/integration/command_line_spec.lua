local certs = require("support.certs")
local moongate = require("support.moongate")

local GOOD = [[
listeners: [{ address: 127.0.0.1:0 }]
services:
  - name: users
    url: http://127.0.0.1:9
    routes:
      - { name: users, paths: [/users], methods: [GET, POST], public: true }
      - { name: user, paths: ["/users/{id}"], methods: [GET], public: true }
      - { name: exact, paths: [=/users], methods: [GET], public: true }
]]

local BAD = [[
listeners: [{ address: 127.0.0.1:0 }]
services:
  - name: users
    url: http://127.0.0.1:9
    rutes: []
    routes:
      - { name: users, paths: [users], public: true }
]]

local PLUGINS = [[
listeners: [{ address: 127.0.0.1:0 }]
plugins: [{ name: correlation-id }]
consumers: [{ username: alice, plugins: [{ name: response-transformer }] }]
services:
  - name: users
    url: http://127.0.0.1:9
    plugins:
      - name: key-auth
    routes:
      - { name: hooks, paths: [/hooks], plugins: [{ name: echo, priority: 7, when: client.trusted }] }
]]

-- Each answer that stands in the way of a route.
local WAYS = [[
listeners:
  - { address: 127.0.0.1:0, redirect_https: 307 }
  - { address: 127.0.0.1:0 }
  - { address: 127.0.0.1:0, tls: {} }
services:
  - name: users
    url: http://127.0.0.1:9
    http2: true
    routes:
      - { name: calls, paths: [/calls.Greeter], protocols: [grpc, grpcs], public: true }
      - { name: secure, paths: [/secure], protocols: [https], public: true }
      - { name: moved, paths: [/moved], protocols: [https], https_redirect_status_code: 301, public: true }
      - { name: shown, paths: [/shown], hosts: [shown.test], client_certificate: required, client_ca: ca.pem, public: true }
      - { name: all, paths: [/], public: true }
]]

local function explain(code, out, ...) return { { "explain", "-c", "ways.yaml", ... }, code, out = out } end

local folder

-- Every row: arguments, exit code, and what standard output and standard error must show (plain text).
local ROWS = {
  { {}, 2, err = "usage: moongate COMMAND" },
  { { "--help" }, 0, out = "usage: moongate COMMAND" },
  { { "help" }, 0, out = "run [-c FILE] [--watch]" },
  { { "rnu" }, 2, err = "moongate: rnu: no such command (did you mean 'run'?)" },
  { { "chekc" }, 2, err = "moongate: chekc: no such command (did you mean 'check'?)" },
  { { "-c", "x.yaml", "check" }, 2, err = "moongate: -c: no such command (options stand behind the command)" },
  { { "dance" }, 2, err = "moongate: dance: no such command ('moongate --help' lists them)" },
  { { "version" }, 0, out = "moongate 0." },
  { { "--version" }, 0, out = "LuaJIT" },
  { { "version", "please" }, 2, err = "moongate: version: does not know what to do with 'please'" },
  { { "run", "--help" }, 0, out = "usage: moongate run [-c FILE] [--watch]" },
  { { "run", "--wacth" }, 2, err = "moongate: run: --wacth: no such option (did you mean --watch?)" },
  { { "run", "-z" }, 2, err = "moongate: run: -z: no such option ('moongate run --help' lists them)" },
  { { "run", "-c" }, 2, err = "moongate: run: -c: needs a value: FILE" },
  { { "run", "--config" }, 2, err = "moongate: run: --config: needs a value: FILE" },
  { { "run", "-c", "missing.yaml" }, 1, err = "moongate: missing.yaml: No such file or directory" },
  { { "run", "-c", "bad.yaml" }, 1, err = "moongate: bad.yaml: cannot start: 2 errors" },
  { { "check", "-c", "good.yaml" }, 0, out = "ok: 1 listener, 1 service, 3 routes" },
  { { "check", "-cgood.yaml" }, 0, out = "ok: 1 listener" },
  { { "check", "--config=good.yaml" }, 0, out = "ok: 1 listener" },
  { { "check", "-c", "bad.yaml" }, 1, err = "bad.yaml:5: services[0].rutes: " },
  { { "check", "-c", "bad.yaml" }, 1, err = "bad.yaml:7: services[0].routes[0].paths[0]: " },
  { { "check", "--watch" }, 2, err = "moongate: check: --watch: no such option" },
  {
    { "check", "good.yaml" },
    2,
    err = "moongate: check: does not know what to do with 'good.yaml' (usage: moongate check",
  },
  {
    { "check" },
    1,
    err = "moongate: no configuration: neither ./moongate.yaml nor /etc/moongate/moongate.yaml is there",
  },
  { { "routes", "-c", "good.yaml" }, 0, out = "/users/{id}" },
  { { "routes", "-c", "bad.yaml" }, 1, err = "moongate: bad.yaml: the configuration is not good" },
  {
    { "explain", "-c", "good.yaml" },
    2,
    err = "moongate: explain: something is missing (usage: moongate explain METHOD URL",
  },
  { { "explain", "GET", "/users/7", "-c", "good.yaml" }, 0, out = "parameter  id = 7" },
  { { "explain", "GET", "/users", "-c", "good.yaml" }, 0, out = "route      exact  path =/users" },
  {
    { "explain", "GET", "/hooks", "-c", "plugins.yaml" },
    0,
    out = "plugins    1. correlation-id: access, response (priority 100001, everywhere, line 2)\n"
      .. "           2. key-auth: init, access (priority 1250, on the service, line 8)\n"
      .. "           3. response-transformer: response (priority 800, for some consumers only, line 3)\n"
      .. "           4. echo: access (priority 7, on the route, when client.trusted, line 10)\n",
  },
  { { "explain", "DELETE", "/users", "-c", "good.yaml" }, 1, out = "405, Allow: GET, POST" },
  { { "explain", "GET", "/nothing", "-c", "good.yaml" }, 1, out = "route      none: 404" },
  explain(0, "answer     307 on 127.0.0.1:0: to https://HOST/a\nroute      all", "GET", "/a"),
  explain(1, "answer     415 not_grpc: this route takes gRPC alone", "GET", "/calls.Greeter/Say"),
  explain(1, "answer     415 not_grpc", "GET", "/calls.Greeter/Say", "-H", "Content-Type: application/grpc"),
  explain(0, "route      calls", "POST", "/calls.Greeter/Say", "-H", "Content-Type: application/grpc"),
  explain(1, "answer     426 https_only: this resource is served over HTTPS only", "GET", "/secure"),
  explain(0, "route      secure", "GET", "https://a.test/secure"),
  explain(1, "answer     301: to https://a.test/moved\n", "GET", "http://a.test/moved"),
  explain(1, "answer     403 client_certificate", "GET", "http://shown.test/shown"),
  explain(0, "client     must show a certificate that is accepted; else 403", "GET", "https://shown.test/shown"),
  explain(1, "answer     421 misdirected on 127.0.0.1:0: ", "GET", "https://shown.test/shown", "--sni", "a.test"),
  explain(1, "answer     421 misdirected", "GET", "https://a.test/", "--sni", "shown.test"),
  explain(0, "route      all", "GET", "https://a.test/", "--sni", "b.test"),
  {
    { "explain", "GET", "users", "-c", "good.yaml" },
    2,
    err = "moongate: users: the request target is not valid",
  },
  {
    { "explain", "GET", "/users", "-H", "nonsense", "-c", "good.yaml" },
    2,
    err = "moongate: nonsense: not a header",
  },
  { { "reload", "-c", "good.yaml" }, 3, err = "moongate: no gateway answers on unix:" },
  { { "status", "-c", "good.yaml" }, 3, err = "is it running with this configuration?" },
  {
    { "status", "--admin", "127.0.0.1:1", "--token", "t" },
    3,
    err = "no gateway answers on 127.0.0.1:1: Connection refused",
  },
  { { "status", "--admin", "nowhere", "--token", "t" }, 2, err = "moongate: nowhere: not an address" },
}

describe("moongate", function()
  setup(function()
    folder = moongate.folder {
      ["good.yaml"] = GOOD,
      ["bad.yaml"] = BAD,
      ["plugins.yaml"] = PLUGINS,
      ["ways.yaml"] = WAYS,
    }
    local authority = certs.folder()
    authority:authority("ca")
    moongate.write(folder .. "/ca.pem", authority:text("ca.pem"))
    authority:remove()
  end)
  teardown(moongate.stop_all)

  for _, row in ipairs(ROWS) do
    it(("%s ends with %d"):format(table.concat(row[1], " "), row[2]), function()
      local result = moongate.command(row[1], folder)
      local text = result.stdout .. result.stderr
      assert.equal(row[2], result.code, text)
      assert.is_truthy(result.stdout:find(row.out or "", 1, true), text)
      assert.is_truthy(result.stderr:find(row.err or "", 1, true), text)
      if not row.err then assert.equal("", result.stderr) end
    end)
  end

  it("answers --help for every command", function()
    for _, command in ipairs { "run", "check", "audit", "reload", "status", "routes", "explain", "new", "version" } do
      local result = moongate.command({ command, "--help" }, folder)
      assert.equal(0, result.code)
      assert.is_truthy(result.stdout:find("usage: moongate " .. command, 1, true), result.stdout)
    end
  end)

  it("lists routes in the order they are tried", function()
    local out = moongate.command({ "routes", "-c", "good.yaml" }, folder).stdout
    local order = {}
    for name in out:gmatch("\n%d+%s+(%S+)") do
      order[#order + 1] = name
    end
    assert.same({ "exact", "user", "users" }, order)
  end)

  it("lists what routes ask of the way a request comes", function()
    local out = moongate.command({ "routes", "-c", "ways.yaml" }, folder).stdout
    local asked = {}
    for name, rest in out:gmatch("\n%d+%s+(%S+)%s+%S+%s+%S+%s+%S+ *([^\n]*)") do
      asked[name] = rest
    end
    assert.same(
      { calls = "grpc", secure = "https", moved = "https", shown = "client-certificate", all = "" },
      asked
    )
  end)

  it("refuses a home without its files", function()
    local result = moongate.command({ "check", "-c", "good.yaml" }, folder, { MOONGATE_HOME = "/tmp" })
    assert.equal(1, result.code)
    assert.is_truthy(
      result.stderr:find("moongate: /tmp: MOONGATE_HOME holds no lua/moongate", 1, true),
      result.stderr
    )
  end)
end)

describe("moongate reload and status", function()
  after_each(moongate.stop_all)

  it("find the running gateway by its configuration", function()
    local gw = moongate.start { yaml = GOOD }
    local env = { RUNTIME_DIRECTORY = gw:path("run") }
    local status = moongate.command({ "status", "-c", gw.config }, gw.folder, env)
    assert.equal(0, status.code, status.stderr)
    assert.is_truthy(status.stdout:find("generation   1 (1 alive)", 1, true), status.stdout)

    local reload = moongate.command({ "reload", "-c", gw.config }, gw.folder, env)
    assert.equal("generation 2 serves\n", reload.stdout)

    gw:configure(BAD)
    reload = moongate.command({ "reload", "-c", gw.config }, gw.folder, env)
    assert.equal(1, reload.code)
    assert.is_truthy(reload.stderr:find("rutes", 1, true), reload.stderr)
    assert.is_truthy(
      reload.stderr:find("not reloaded: 2 errors, generation 2 keeps serving", 1, true),
      reload.stderr
    )
    assert.equal(1, moongate.command({ "status", "-c", gw.config }, gw.folder, env).code)
    gw:stop()
  end)

  it("find it when the file is gone, and say so when nobody serves", function()
    local gw = moongate.start { yaml = GOOD }
    local env = { RUNTIME_DIRECTORY = gw:path("run") }
    assert(os.remove(gw.config))
    local status = moongate.command({ "status", "-c", gw.config }, gw.folder, env)
    assert.equal(0, status.code, status.stderr)
    assert.is_truthy(status.stdout:find("generation   1 (1 alive)", 1, true), status.stdout)
    local reload = moongate.command({ "reload", "-c", gw.config }, gw.folder, env)
    assert.equal(1, reload.code)
    assert.is_truthy(reload.stderr:find("generation 1 keeps serving", 1, true), reload.stderr)
    gw:stop()
    status = moongate.command({ "status", "-c", gw.config }, gw.folder, env)
    assert.equal(1, status.code)
    assert.is_truthy(status.stderr:find("No such file or directory", 1, true), status.stderr)
  end)

  it("says which port is taken and what to do", function()
    local gw = moongate.start { yaml = GOOD }
    local yaml = GOOD:gsub("127.0.0.1:0", "127.0.0.1:" .. gw.port)
    local other = moongate.folder { ["moongate.yaml"] = yaml }
    local result = moongate.command({ "run" }, other, { RUNTIME_DIRECTORY = other })
    assert.equal(1, result.code)
    assert.is_truthy(result.stderr:find("listeners: bind 127.0.0.1:" .. gw.port, 1, true), result.stderr)
    gw:stop()
  end)

  it("refuses to run twice with one configuration", function()
    local gw = moongate.start { yaml = GOOD }
    local result = moongate.command({ "run", "-c", gw.config }, gw.folder, { RUNTIME_DIRECTORY = gw:path("run") })
    assert.equal(1, result.code)
    assert.is_truthy(result.stderr:find("admin.address: bind unix:", 1, true), result.stderr)
    gw:stop()
  end)
end)
