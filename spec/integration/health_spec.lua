-- Health of targets through the real binary: several workers, reloads, TLS, gRPC, the operator.
local cjson = require("cjson")
local grpc = require("support.grpc")
local http = require("support.http")
local moongate = require("support.moongate")
local wire = require("support.wire")

local gw, backends

-- A service that answers what `self.status` says, and counts; checks come with a name of their own.
local function backend()
  local self = { status = 200, requests = 0, checks = 0 }
  self.service = http.service(function(request)
    if request.headers["user-agent"] == "moongate-health-check" then
      self.checks = self.checks + 1
      return { status = self.check_status or self.status, body = "fine" }
    end
    self.requests = self.requests + 1
    return { status = self.status, body = "hi" }
  end)
  self.port = self.service.port
  return self
end

local YAML = [[
workers: 3
default_access: allow
listeners: [{ address: 127.0.0.1:0 }]
services:
  - name: s
    url: http://u/
    retries: 0
    routes: [{ name: r, paths: [/] }]
upstreams:
  - name: u
    targets: [{ target: "127.0.0.1:{{a}}" }, { target: "127.0.0.1:{{b}}" }]
    {{health}}
]]

local function start(health, yaml, vars)
  backends = { backend(), backend() }
  vars = vars or {}
  vars.a, vars.b, vars.health = backends[1].port, backends[2].port, health
  gw = moongate.start { yaml = yaml or YAML, vars = vars }
end

local function upstreams() return cjson.decode(gw:ask("GET", "/upstreams").body) end

local function target(i)
  for _, entry in ipairs(upstreams()) do
    for _, one in ipairs(entry.targets) do
      if one.address == "127.0.0.1:" .. backends[i].port then return one, entry end
    end
  end
end

local function await(i, state)
  return wire.wait(function() return target(i).state == state end, 10)
end

-- On connections of their own, which the kernel spreads over the workers.
local function ask(times)
  local statuses = {}
  for _ = 1, times do
    local status = gw:get("/").status
    statuses[status] = (statuses[status] or 0) + 1
  end
  return statuses
end

describe("targets' health", function()
  after_each(function()
    moongate.stop_all()
    for _, one in ipairs(backends or {}) do
      one.service:close()
    end
  end)

  local ACTIVE = "healthchecks: { active: { timeout: 1, healthy: { interval: 0.1, successes: 2 }, "
    .. "unhealthy: { interval: 0.1, http_failures: 2, tcp_failures: 2, timeouts: 2 } } }"

  it("is one for all workers, and stays over reloads (2.19.3)", function()
    start(ACTIVE)
    assert.same({ [200] = 20 }, ask(20))
    backends[1].check_status = 503
    assert.is_truthy(await(1, "unhealthy"))
    assert.is_truthy(gw:wait_log("upstream u: target 127.0.0.1:%d+ %(%S+%) is unhealthy %(check: http_failure%)"))
    local before = backends[1].requests
    assert.same({ [200] = 40 }, ask(40))
    assert.equal(before, backends[1].requests)
    local since = target(1).since
    for _ = 1, 3 do
      assert.equal(200, (gw:reload()))
    end
    assert.same({ [200] = 20 }, ask(20))
    assert.same({ "unhealthy", since, before }, { target(1).state, target(1).since, backends[1].requests })
    backends[1].check_status = 200
    assert.is_truthy(await(1, "healthy"))
    ask(12)
    assert.is_true(backends[1].requests > before)
    local labels = ('{upstream="u",target="127.0.0.1:%d",address="127.0.0.1:%d",'):format(
      backends[1].port,
      backends[1].port
    )
    assert.equal(1, gw:metric("moongate_upstream_target_health" .. labels .. 'state="healthy"}'))
    assert.is_true(gw:metric("moongate_upstream_checks_total" .. labels .. 'result="http_failure"}') >= 2)
    gw:stop()
  end)

  it("goes on where a target comes or goes at a reload, and ends with it", function()
    start(ACTIVE)
    wire.wait(function() return backends[2].checks > 1 end, 10)
    gw:configure(YAML, { a = backends[1].port, b = 1, health = ACTIVE })
    assert.equal(200, (gw:reload()))
    wire.wait(function() return not target(2) end, 10)
    local checks, others = backends[2].checks, backends[1].checks
    assert.is_truthy(wire.wait(function() return backends[1].checks > others + 5 end, 10))
    assert.is_true(backends[2].checks <= checks + 1)
    gw:stop()
  end)

  it("does as the operator says, who must be the operator", function()
    start("panic_threshold: 0")
    local path = ("/upstreams/u/targets/127.0.0.1:%d/"):format(backends[1].port)
    assert.equal(204, gw:ask("POST", path .. "unhealthy").status)
    assert.same({ "unhealthy", "operator" }, { target(1).state, target(1).by })
    assert.same({ [200] = 12 }, ask(12))
    assert.equal(0, backends[1].requests)
    assert.equal(204, gw:ask("POST", path .. "healthy").status)
    ask(12)
    assert.is_true(backends[1].requests > 0)
    for _, wrong in ipairs { "/upstreams/x/targets/a:1/healthy", "/upstreams/u/targets/a:1/healthy", path .. "ill" } do
      assert.equal(404, gw:ask("POST", wrong).status)
    end
    assert.equal(405, gw:ask("GET", path .. "healthy").status)
    assert.equal(421, gw:ask("POST", path .. "healthy", { host = "evil.test" }).status)
    gw:stop()
  end)

  it("keeps a new target out before its first check, from the first request on", function()
    start(
      "healthchecks: { active: { before_use: true, healthy: { interval: 60 }, unhealthy: { tcp_failures: 1 } } }"
    )
    assert.is_truthy(await(1, "healthy"))
    assert.is_truthy(await(2, "healthy"))
    assert.is_true(backends[1].checks == 1 and backends[2].checks == 1)
    assert.same({ [200] = 6 }, ask(6))
    gw:stop()
  end)

  it("spreads in panic and says so, or refuses (2.2.5)", function()
    start("panic_threshold: 60")
    local path = ("/upstreams/u/targets/127.0.0.1:%d/unhealthy"):format(backends[1].port)
    gw:ask("POST", path)
    assert.same({ [200] = 10 }, ask(10))
    assert.is_true(backends[1].requests > 0)
    assert.equal("panic", select(2, target(1)).chooses)
    assert.equal(1, gw:metric('moongate_upstream_panic{upstream="u"}'))
    assert.equal(10, gw:metric('moongate_upstream_panic_requests_total{upstream="u"}'))
    gw:configure(
      (YAML:gsub("{{health}}", "panic_threshold: 60\n    fail_traffic_on_panic: true")),
      { a = backends[1].port, b = backends[2].port }
    )
    assert.equal(200, (gw:reload()))
    assert.same({ [503] = 4 }, ask(4))
    assert.equal(4, gw:metric('moongate_upstream_refused_total{upstream="u"}'))
    assert.is_truthy(gw:wait_log("upstream u: panic: less than 60 %% of its weight may be used"))
    assert.is_truthy(gw:wait_log("upstream u: too few of its targets may be used: requests get 503"))
    gw:ask("POST", (path:gsub("unhealthy", "healthy")))
    assert.same({ [200] = 4 }, ask(4))
    assert.is_truthy(gw:wait_log("upstream u: enough of its targets may be used again"))
    assert.equal(1, select(2, gw:stderr():gsub("upstream u: panic", ""))) -- and not a line a request
    gw:stop()
  end)

  it("is a line of the log where nothing looks at it, one for many failures", function()
    start("panic_threshold: 0")
    backends[1].service:close()
    local found = ask(30)
    assert.equal(30, found[200] + found[502])
    assert.is_true(found[502] > 3)
    local line = ("upstream u: target 127.0.0.1:%d (127.0.0.1:%d): cannot connect to the upstream"):format(
      backends[1].port,
      backends[1].port
    )
    assert.is_truthy(wire.wait(function() return gw:stderr():find(line, 1, true) end))
    assert.equal(1, select(2, gw:stderr():gsub("cannot connect to the upstream", "")))
    gw:stop()
  end)

  it("is told by `moongate status`", function()
    start("panic_threshold: 0\n    ejection: { consecutive_failures: 9 }")
    local path = ("/upstreams/u/targets/127.0.0.1:%d/unhealthy"):format(backends[1].port)
    local function told() return moongate.command({ "status", "-c", gw.config }, gw.folder).stdout end
    assert.matches("\ntargets      2\n", told())
    gw:ask("POST", path)
    local text = told()
    assert.matches("\ntargets      2, 1 unhealthy\n", text)
    assert.matches("\n  upstream u: target 127.0.0.1:%d+ %(127.0.0.1:%d+%) is unhealthy %(operator%)\n", text)
    assert.same({ targets = 2, unhealthy = 1, ejected = 0, unchecked = 0, panics = 0 }, gw:status().health)
    gw:stop()
  end)

  it("ejects one that fails beside its neighbour, for all workers", function()
    start("ejection: { consecutive_failures: 5, time: 1s }")
    backends[2].status = 500
    ask(30)
    assert.same({ "ejected", "consecutive_failures" }, { target(2).state, target(2).why })
    assert.is_truthy(gw:wait_log("is ejected for 1000 ms %(consecutive_failures%)"))
    backends[2].status = 200
    assert.is_truthy(await(2, "healthy"))
    assert.is_truthy(gw:wait_log("is back from its ejection %(time%)"))
    gw:stop()
  end)

  describe("told to plugins", function()
    local HEAR = [[
local M = { version = "1.0.0" }
function M.init(configs) M.uses = #configs end
function M.event(conf, event, t)
  if conf.how == "raise" then error("I cannot") end
  if conf.how == "fetch" then
    t:sleep(0.01)
    local res, reason = t:fetch { service = "pager", path = "/" .. event.type .. "/" .. event.state }
    t.log:warn("fetched ", tostring(res and res.status or reason))
    return
  end
  t.log:warn(("heard %s %s %s %s %s %s"):format(event.type, event.upstream or event.service or event.route, event.target or "-",
    event.state, event.by or "-", event.why or "-"))
end
return M
]]
    local SCHEMA = 'local t = require("moongate.schema")\nreturn t.record { how = t.string { about = "how" } }\n'
    local EVENTS = [[
workers: 2
default_access: allow
plugin_paths: [plugins]
listeners: [{ address: 127.0.0.1:0 }]
plugins: [{ name: hear, config: { how: {{how}} } }]
services:
  - name: s
    url: http://u/
    retries: 0
    circuit_breaker: { failure_threshold: 2 }
    routes: [{ name: r, paths: [/], circuit_breaker: { failure_threshold: 2, half_open_after: 90s } }]
  - { name: pager, url: "http://127.0.0.1:{{b}}/" }
upstreams:
  - name: u
    targets: [{ target: "127.0.0.1:{{a}}" }]
]]
    local function begin(how)
      backends = { backend(), backend() }
      gw = moongate.start {
        yaml = EVENTS,
        vars = { a = backends[1].port, b = backends[2].port, how = how },
        files = { ["plugins/hear/handler.lua"] = HEAR, ["plugins/hear/schema.lua"] = SCHEMA },
      }
    end
    local function move(down)
      local path = ("/upstreams/u/targets/127.0.0.1:%d/%s"):format(
        backends[1].port,
        down and "unhealthy" or "healthy"
      )
      assert.equal(204, gw:ask("POST", path).status)
    end

    it("once, in order, with what moved (2.14.5)", function()
      begin("log")
      move(true)
      assert.is_truthy(gw:wait_log("heard health u 127.0.0.1:%d+ unhealthy operator %-"))
      move(false)
      assert.is_truthy(gw:wait_log("heard health u 127.0.0.1:%d+ healthy operator success"))
      backends[1].status = 500
      assert.same({ [500] = 2, [503] = 1 }, ask(3))
      assert.is_truthy(gw:wait_log("heard breaker s %- open %- failures in a row"))
      assert.is_truthy(gw:wait_log("heard breaker r %- open %- failures in a row"))
      assert.is_truthy(gw:wait_log("service s: circuit breaker opens for 60000 ms"))
      assert.equal(1, gw:metric('moongate_breaker_state{service="s",state="open"}'))
      assert.equal(1, gw:metric('moongate_breaker_opened_total{service="s"'))
      local _, times = gw:stderr():gsub("heard ", "")
      assert.equal(4, times)
      gw:stop()
    end)

    it("by the generation that serves, also where none heard before", function()
      begin("log")
      gw:configure(EVENTS:gsub("plugins: %[{[^\n]*\n", ""), { a = backends[1].port, b = backends[2].port })
      assert.equal(200, (gw:reload()))
      move(true)
      gw:configure(EVENTS, { a = backends[1].port, b = backends[2].port, how = "log" })
      assert.equal(200, (gw:reload()))
      move(false)
      assert.is_truthy(gw:wait_log("heard health"))
      assert.is_nil(gw:stderr():match("heard health u %S+ unhealthy"))
      assert.equal(3, gw:status().generations[#gw:status().generations].scripts) -- two workers and control
      gw:stop()
    end)

    it("which may wait and fetch", function()
      begin("fetch")
      move(true)
      assert.is_truthy(gw:wait_log("fetched 200"))
      assert.equal("/health/unhealthy", backends[2].service.last_request.target)
      gw:stop()
    end)

    it("whose errors are lines of the log", function()
      begin("raise")
      move(true)
      assert.is_truthy(gw:wait_log("plugin hear, event: [^\n]*I cannot"))
      gw:stop()
    end)
  end)

  describe("asked for by plugins", function()
    local ASK = [[
local health = require("moongate.health")
local json = require("moongate.json")
local M = { version = "1.0.0" }
function M.init()
  M.names = table.concat(health.upstreams(), ",")
  M.early = select(2, health.upstream("u"))
end
function M.access(conf, ctx)
  local what, target = ctx.request:get_query_arg("what"), ctx.request:get_query_arg("target")
  local answer
  if what == "names" then answer = { M.names, M.early } end
  if what == "look" then answer = health.upstream("u") end
  if what == "available" then answer = { health.is_available("u") } end
  if what == "nobody" then answer = { health.is_available("v") == nil and select(2, health.upstream("v")) } end
  if what == "healthy" or what == "unhealthy" then
    local found, reason = health.set("u", target, what)
    answer = { found or reason }
  end
  if what == "misuse" then answer = { select(2, pcall(health.set, "u", "a", "ill")) } end
  return ctx.response:exit(200, answer)
end
return M
]]
    local UNTRUSTED = [[
  - name: untrusted
    paths: [/untrusted]
    plugins:
      - name: pre-function
        config:
          access:
            - |
              local health = require("moongate.health")
              return (...).response:exit(200, { available = health.is_available("u"), set = health.set })
]]
    local function tell(what, whom)
      return cjson.decode(gw:get(("/ask?what=%s&target=%s"):format(what, whom or "")).body)
    end

    before_each(function()
      backends = { backend(), backend() }
      gw = moongate.start {
        yaml = [[
workers: 2
plugin_paths: [plugins]
services:
  - { name: s, host: u, retries: 0, routes: [{ name: r, paths: [/] }] }
routes:
  - { name: ask, paths: [/ask], plugins: [{ name: ask }] }
]] .. UNTRUSTED .. [[
upstreams:
  - name: u
    panic_threshold: 0
    targets: [{ target: "127.0.0.1:{{a}}", weight: 7 }, { target: "127.0.0.1:{{b}}" }]
    ejection: { consecutive_failures: 2, time: 60s }
  - { name: other, targets: [{ target: "127.0.0.1:1" }] }
]],
        vars = { a = backends[1].port, b = backends[2].port },
        files = {
          ["plugins/ask/handler.lua"] = ASK,
          ["plugins/ask/schema.lua"] = 'return require("moongate.schema").record {}\n',
        },
      }
    end)

    it("says how targets are, and why", function()
      assert.same({ "u,other", "nothing serves yet: not in init" }, tell("names"))
      local look = tell("look")
      assert.same({ "chosen", 0, 0, 2 }, { look.chooses, look.panic_requests, look.refused, #look.targets })
      local one = look.targets[1]
      assert.same(
        { "127.0.0.1:" .. backends[1].port, "healthy", 7, 0, nil, nil },
        { one.target, one.state, one.weight, one.in_flight, one.why, one.since }
      )
      backends[2].status = 500
      ask(30)
      for _, found in ipairs(tell("look").targets) do
        if found.address == "127.0.0.1:" .. backends[2].port then
          assert.same({ "ejected", "traffic", "consecutive_failures" }, { found.state, found.by, found.why })
          assert.is_true(found.ejected_for > 1 and found.ejected_for <= 60 and found.since > 1e9)
        end
      end
      assert.same({ "there is no such upstream" }, tell("nobody"))
      gw:stop()
    end)

    it("lets them decide as the operator does, for all workers", function()
      local a = "127.0.0.1:" .. backends[1].port
      assert.same({ 1 }, tell("unhealthy", a))
      assert.same({ "unhealthy", "operator" }, { target(1).state, target(1).by })
      assert.same({ true }, tell("available"))
      assert.same({ [200] = 10 }, ask(10))
      assert.equal(0, backends[1].requests)
      assert.same({ 1 }, tell("unhealthy", "127.0.0.1:" .. backends[2].port))
      assert.same({ false }, tell("available"))
      assert.same({ [503] = 4 }, ask(4))
      assert.same({ 1 }, tell("healthy", a))
      assert.same({ [200] = 4 }, ask(4))
      assert.same({ "the upstream has no such target" }, tell("healthy", "127.0.0.1:1"))
      assert.matches("^health.set: the state must be", tell("misuse")[1])
      gw:stop()
    end)

    it("tells code that is not trusted, which may not decide", function()
      assert.same({ available = true }, cjson.decode(gw:get("/untrusted").body))
      gw:stop()
    end)
  end)

  describe("over TLS (2.19.4)", function()
    local MAKE = "cd '%s' && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout a.key "
      .. "-out a.pem -subj /CN=a.test -addext subjectAltName=DNS:a.test -days 30 2>/dev/null"
    local SECURE = [[
default_access: allow
listeners: [{ address: 127.0.0.1:0, tls: { cert: {{folder}}/a.pem, key: {{folder}}/a.key } }]
routes: [{ name: e, paths: [/], plugins: [{ name: echo }] }]
]]
    local SERVICE = [[
default_access: allow
listeners: [{ address: 127.0.0.1:0 }]
ca_certificates: [{ name: own, cert: {{folder}}/a.pem }]
services:
  - { name: s, url: "https://u/", tls_server_name: {{name}}, ca_certificates: [own], routes: [{ name: r, paths: [/] }] }
upstreams:
  - name: u
    targets: [{ target: "127.0.0.1:{{port}}" }]
    panic_threshold: 0
    healthchecks:
      active:
        type: https
        healthy: { interval: 0.1, successes: 1 }
        unhealthy: { interval: 0.1, tcp_failures: 1, http_failures: 1 }
        {{more}}
]]
    local function state_with(name, more)
      local folder = moongate.folder {}
      assert.equal(0, os.execute(MAKE:format(folder)))
      local secure = moongate.start { yaml = SECURE, vars = { folder = folder } }
      backends = {}
      gw = moongate.start {
        yaml = SERVICE,
        vars = { folder = folder, name = name, port = secure.port, more = more or "{}" },
      }
      local one
      wire.wait(function()
        one = upstreams()[1].targets[1]
        return one.checks.success + one.checks.tcp_failure > 1
      end, 10)
      local answer = gw:get("/").status
      gw:stop()
      secure:stop()
      return { one.state, answer }
    end

    it("believes whom traffic believes", function()
      assert.same({ "healthy", 200 }, state_with("a.test", "timeout: 2"))
      assert.same({ "unhealthy", 503 }, state_with("b.test", "timeout: 2"))
      assert.same({ "healthy", 502 }, state_with("b.test", "https_sni: a.test"))
      assert.same({ "healthy", 502 }, state_with("b.test", "https_verify_certificate: false"))
    end)
  end)

  if grpc.ready() then
    it("asks gRPC servers how they are (2.19.2)", function()
      local service = grpc.service()
      backends = {}
      local lines = {}
      for _, name in ipairs { "whole", "up", "down", "gone" } do
        lines[#lines + 1] = (
          "  - name: %s\n    targets: [{ target: '127.0.0.1:%d' }]\n    healthchecks: { active: { "
          .. "type: grpc, %s healthy: { interval: 0.1, successes: 1 }, "
          .. "unhealthy: { interval: 0.1, http_failures: 1, tcp_failures: 1 } } }"
        ):format(name, service.port, name == "whole" and "" or ("grpc_service: %s,"):format(name))
      end
      gw = moongate.start { yaml = "upstreams:\n" .. table.concat(lines, "\n") .. "\n" }
      local states = {}
      wire.wait(function()
        local done = true
        for _, entry in ipairs(upstreams()) do
          local one = entry.targets[1]
          states[entry.upstream] = one.state .. " " .. one.why
          done = done and one.checks.success + one.checks.http_failure + one.checks.tcp_failure > 1
        end
        return done
      end, 10)
      assert.same({
        whole = "healthy ",
        up = "healthy ",
        down = "unhealthy http_failure",
        gone = "unhealthy http_failure",
      }, states)
      gw:stop()
      service:stop()
    end)
  end
end)
