local buffer = require("string.buffer")
local c = require("support.c")
local config = require("moongate.config")
local ffi = require("ffi")
local freeze = require("moongate.config.freeze")
local plugins = dofile("spec/support/fake_plugins.lua")

local function load(text)
  local normal, errors = config.load("moongate.yaml", { text = text, folder = "/etc/moongate", plugins = plugins })
  assert(normal, errors and errors[1] and config.format(errors[1]))
  return normal
end

local function frozen(text)
  local normal = load(text)
  local address, problems = freeze.freeze(normal)
  assert(address, problems and problems[1])
  return ffi.gc(ffi.cast("struct gw_config *", address), c.gw_config_unref), normal
end

local OPEN = "default_access: allow\n"

describe("moongate.config.freeze", function()
  it("freezes an empty file", function()
    local conf = frozen("")
    assert.equal(0, conf.route_count)
    assert.equal(32768, tonumber(conf.limits.head))
    assert.equal(60000000, tonumber(conf.drain_timeout_us))
    assert.equal("stdout", c.str(conf.access_log))
    assert.equal(2, conf.log_level)
    assert.equal("", c.str(conf.admin_address))
    assert.equal(100000, tonumber(conf.lua_budget_us))
    assert.is_false(conf.watch)
    local _, more = pcall(c.gw_config_trusts, conf, ffi.new("struct gw_addr_bytes", { { 10, 0, 0, 1 }, 4 }))
    assert.is_false(more)
  end)

  it("writes how targets are found to be healthy", function()
    local conf = frozen(OPEN .. [[
services:
  - { name: s, host: full, http2: true }
upstreams:
  - name: full
    targets: [{ target: "10.1.1.1:81" }]
    panic_threshold: 30
    fail_traffic_on_panic: true
    slow_start: 20s
    slow_start_aggression: 2
    healthchecks:
      active:
        type: https
        timeout: 500ms
        concurrency: 3
        http_path: /up?x=1
        http_body: fine
        https_sni: a.test
        https_verify_certificate: false
        headers: { X-B: [two], X-A: [one, more] }
        before_use: true
        healthy: { interval: 5, http_statuses: [204], successes: 2 }
        unhealthy: { interval: 0.5, http_statuses: [500], http_failures: 3, tcp_failures: 4, timeouts: 5 }
      passive: { type: tcp, unhealthy: { tcp_failures: 2, http_failures: 9 } }
    ejection: { consecutive_failures: "off", consecutive_gateway_failures: 7, time: 5s, time_max: 50s }
  - { name: kongs, targets: [{ target: a }], healthchecks: { threshold: 40, active: { type: grpc, grpc_service: g,
      healthy: { interval: 1 }, unhealthy: { tcp_failures: 1 } } } }
  - { name: plain, targets: [{ target: a }] }
]])
    local full, kongs, plain = conf.upstreams[0], conf.upstreams[1], conf.upstreams[2]
    assert.same({ 30, true, 20000000, 2 }, {
      full.panic_threshold,
      full.fail_on_panic,
      tonumber(full.slow_start_us),
      full.slow_start_aggression,
    })
    local check = full.check
    assert.same({ c.GW_CHECK_HTTP, true, 0, "a.test", true, "/up?x=1", "fine", 3, true }, {
      tonumber(check.type),
      check.tls,
      check.verify,
      c.str(check.name),
      check.http2,
      c.str(check.path),
      c.str(check.body),
      check.concurrency,
      check.before_use,
    })
    assert.same(
      { 500000, 5000000, 500000 },
      { tonumber(check.timeout_us), tonumber(check.healthy_interval_us), tonumber(check.unhealthy_interval_us) }
    )
    local fields = {}
    for i = 0, check.field_count - 1 do
      fields[i + 1] = c.str(check.fields[i].name) .. "=" .. c.str(check.fields[i].value)
    end
    assert.same({ "x-a=one", "x-a=more", "x-b=two" }, fields)
    local counts = check.counts
    assert.same({ 2, 3, 4, 5 }, { counts.successes, counts.http_failures, counts.tcp_failures, counts.timeouts })
    assert.same(
      { c.GW_VERDICT_NONE, c.GW_VERDICT_GOOD, c.GW_VERDICT_BAD },
      { counts.verdicts[200], counts.verdicts[204], counts.verdicts[500] }
    )
    assert.same({ 0, 2, c.GW_VERDICT_NONE }, {
      full.passive.http_failures, -- tcp: answers are not looked at
      full.passive.tcp_failures,
      full.passive.verdicts[500],
    })
    assert.same({ 0, 7, 1.9, 5000000, 50000000, 10 }, {
      full.ejection.consecutive_failures,
      full.ejection.consecutive_gateway_failures,
      full.ejection.success_rate_deviations,
      tonumber(full.ejection.time_us),
      tonumber(full.ejection.time_max_us),
      full.ejection.max_ejected,
    })
    assert.same({ 40, true, c.GW_CHECK_GRPC, -1, "g" }, {
      kongs.panic_threshold,
      kongs.fail_on_panic,
      tonumber(kongs.check.type),
      kongs.check.verify,
      c.str(kongs.check.grpc_service),
    })
    assert.is_true(plain.check == nil and plain.passive == nil and plain.ejection == nil)
    assert.same({ 50, false, 0 }, { plain.panic_threshold, plain.fail_on_panic, tonumber(plain.slow_start_us) })
    local kong = frozen('_format_version: "3.0"\nupstreams: [{ name: u, targets: [{ target: a }] }]\n')
    assert.equal(0, kong.upstreams[0].panic_threshold)
  end)

  it("writes how upstreams choose, and circuit breakers", function()
    local conf = frozen(OPEN .. [[
services:
  - name: s
    url: http://up/
    circuit_breaker: { failure_threshold: 3, failure_ratio: 0.5, half_open_after: 2s, call_timeout: "off" }
  - { name: own, url: "http://up/", circuit_breaker: { failure_statuses: [429, 503] } }
  - { name: none, url: "http://up/" }
upstreams:
  - { name: up, algorithm: consistent-hashing, hash_on: header, hash_on_header: X-User, hash_fallback: cookie,
    hash_on_cookie: at, slots: 100, hash_balance_factor: 125, targets: [{ target: "10.1.1.1:81", priority: 2 }] }
]])
    local breaker, own = conf.services[0].breaker_config, conf.services[1].breaker_config
    assert.same({ 3, 0.5, 100, 1 }, {
      breaker.failure_threshold,
      breaker.failure_ratio,
      breaker.minimum_volume,
      breaker.success_threshold,
    })
    assert.same({ 2000000, 0 }, { tonumber(breaker.half_open_after_us), tonumber(breaker.call_timeout_us) })
    assert.same({ true, false }, { breaker.statuses[500], breaker.statuses[429] })
    assert.same(
      { false, true, 60000000 },
      { own.statuses[500], own.statuses[429], tonumber(own.half_open_after_us) }
    )
    assert.is_true(conf.services[2].breaker_config == nil)
    local up = conf.upstreams[0]
    assert.same({ "consistent-hashing", "x-user", "at", "/" }, {
      c.str(up.algorithm),
      c.str(up.hash[0].name),
      c.str(up.hash[1].name),
      c.str(up.cookie_path),
    })
    assert.same({ c.GW_HASH_HEADER, c.GW_HASH_COOKIE }, { tonumber(up.hash[0].on), tonumber(up.hash[1].on) })
    assert.same({ 100, 125, 2 }, { up.hash_slots, up.hash_balance_factor, up.targets[0].priority })
  end)

  it("writes how names become addresses", function()
    local plain = frozen("").dns
    assert.same({ "", 2000000, 2, 1000000, 3600000000, 3, 30000000, 0 }, {
      c.str(plain.servers),
      tonumber(plain.timeout_us),
      plain.tries,
      tonumber(plain.min_ttl_us),
      tonumber(plain.max_ttl_us),
      plain.empty_answers,
      tonumber(plain.empty_hold_us),
      plain.host_count,
    })
    local conf = frozen(OPEN .. [[
dns:
  servers: [10.0.0.53, "10.0.0.54:5353", "::1", "[::2]:54"]
  timeout: 500ms
  tries: 3
  min_ttl: 5s
  max_ttl: 10m
  empty_answers: 5
  empty_hold: 1m
  hosts: { b.test: [10.0.0.2], a.test: [10.0.0.1, "::1"] }
services:
  - { name: one, url: "http://_http._tcp.users.test/" }
  - { name: two, url: "http://users.test/" }
upstreams:
  - name: up
    use_srv_name: true
    targets:
      - { target: _http._tcp.users.test }
      - { target: users.test, resolve: srv }
      - { target: _http._tcp.b.test, resolve: address }
      - { target: plain.test }
]])
    local dns = conf.dns
    assert.equal("10.0.0.53:53,10.0.0.54:5353,[::1]:53,[::2]:54", c.str(dns.servers))
    assert.same({ 500000, 3, 5000000, 600000000, 5, 60000000, 3 }, {
      tonumber(dns.timeout_us),
      dns.tries,
      tonumber(dns.min_ttl_us),
      tonumber(dns.max_ttl_us),
      dns.empty_answers,
      tonumber(dns.empty_hold_us),
      dns.host_count,
    })
    assert.same({ "a.test", "::1" }, { c.str(dns.hosts[1].name), c.str(dns.hosts[1].address) })
    assert.same({ true, false }, { conf.services[0].services, conf.services[1].services })
    local up = conf.upstreams[0]
    assert.is_true(up.use_srv_name)
    assert.same(
      { true, true, false, false },
      { up.targets[0].services, up.targets[1].services, up.targets[2].services, up.targets[3].services }
    )
  end)

  it("writes mirrors, of the route or else of its service", function()
    local conf = frozen(OPEN .. [[
services:
  - name: one
    url: http://one/
    mirror: { service: two, percentage: 2.5, max_body: 1k, max_concurrent: 7, timeout: 3s }
    routes: [{ name: theirs, paths: [/a] }, { name: own, paths: [/b], mirror: { service: three } }]
  - { name: two, url: "http://two/" }
  - { name: three, url: "http://three/", routes: [{ name: none, paths: [/c] }] }
routes: [{ name: alone, paths: [/d], mirror: { service: two } }]
]])
    local by_name = {}
    for i = 0, conf.route_count - 1 do
      by_name[c.str(conf.routes[i].name)] = conf.routes[i]
    end
    local theirs, own = by_name.theirs.mirror, by_name.own.mirror
    assert.same({ "two", 25000, 1024, 7, 3000000 }, {
      c.str(theirs.service.name),
      theirs.share_ppm,
      tonumber(theirs.max_body),
      theirs.max_concurrent,
      tonumber(theirs.timeout_us),
    })
    assert.same({ "three", 1000000, 65536, 100, 10000000 }, {
      c.str(own.service.name),
      own.share_ppm,
      tonumber(own.max_body),
      own.max_concurrent,
      tonumber(own.timeout_us),
    })
    assert.is_true(by_name.none.mirror == nil)
    assert.equal("two", c.str(by_name.alone.mirror.service.name))
  end)

  it("writes sticky sessions, by our key and Kong's", function()
    local conf = frozen(OPEN .. [[
upstreams:
  - { name: own, sticky: {} }
  - { name: full, algorithm: latency, sticky: { cookie: at, path: /x, max_age: 1h, secure: true, same_site: none,
      key: 0123456789abcdef-secret } }
  - { name: kong, algorithm: sticky-sessions, sticky_sessions_cookie: k, sticky_sessions_cookie_path: /k }
  - { name: none }
]])
    local function said(i)
      local sticky = conf.upstreams[i].sticky
      return {
        c.str(conf.upstreams[i].algorithm),
        c.str(sticky.cookie),
        c.str(sticky.attributes),
        c.str(sticky.key),
      }
    end
    assert.same({ "round-robin", "moongate-session", "; Path=/; HttpOnly; SameSite=Lax", "" }, said(0))
    assert.same({
      "latency",
      "at",
      "; Path=/x; Max-Age=3600; Secure; HttpOnly; SameSite=None",
      "0123456789abcdef-secret",
    }, said(1))
    assert.same({ "round-robin", "k", "; Path=/k; HttpOnly; SameSite=Lax", "" }, said(2))
    assert.same({ "round-robin", "", "", "" }, said(3))
    assert.is_nil(c.str(conf.shown):find("0123456789abcdef", 1, true))
    assert.is_nil(c.str(conf.plan):find("0123456789abcdef", 1, true))
  end)

  it("writes the rules of trying again", function()
    local conf = frozen(OPEN .. [[
services:
  - { name: none, url: "http://up/" }
  - { name: plain, url: "http://up/", retry: {} }
  - name: s
    url: http://up/
    retry: { on: [timeout, reset], statuses: [429], methods: [POST], per_try_timeout: 2s, retry_after: 1m, replay: 1k,
      backoff: { base: "off", max: 1s }, budget: { ratio: 0.1, min: 0 } }
    hedge: { after: 50ms }
    routes: [{ name: r, paths: [/], retry: { statuses: [504] } }, { name: q, paths: [/q] }]
]])
    assert.same({ true, false }, { conf.routes[0].retry.statuses[504], conf.routes[0].retry.statuses[503] })
    assert.is_true(conf.routes[1].retry == nil)
    assert.same(
      { 0, 50000 },
      { tonumber(conf.services[1].hedge_after_us), tonumber(conf.services[2].hedge_after_us) }
    )
    assert.is_true(conf.services[0].retry == nil)
    local plain, own = conf.services[1].retry, conf.services[2].retry
    assert.same({ 7, 0, 25000, 250000, 5000000, 65536, 6 }, {
      plain.on,
      tonumber(plain.per_try_timeout_us),
      tonumber(plain.backoff_base_us),
      tonumber(plain.backoff_max_us),
      tonumber(plain.retry_after_max_us),
      tonumber(plain.replay),
      plain.method_count,
    })
    assert.same(
      { 0.2, 3, true, false },
      { plain.budget_ratio, plain.budget_min, plain.statuses[503], plain.statuses[500] }
    )
    assert.same({ 12, 2000000, 0, 1000000, 60000000, 1024, 1, "POST" }, {
      own.on,
      tonumber(own.per_try_timeout_us),
      tonumber(own.backoff_base_us),
      tonumber(own.backoff_max_us),
      tonumber(own.retry_after_max_us),
      tonumber(own.replay),
      own.method_count,
      c.str(own.methods[0]),
    })
    assert.same(
      { 0.1, 0, true, false },
      { own.budget_ratio, own.budget_min, own.statuses[429], own.statuses[503] }
    )
  end)

  it("writes how much upstreams may have to do", function()
    local conf = frozen(OPEN .. [[
services:
  - { name: none, url: "http://up/" }
  - { name: own, url: "http://elsewhere/", concurrency: { max_requests: 7 } }
upstreams:
  - { name: up, concurrency: { max_requests: "off", max_requests_per_target: 5, max_pending: 0, pending_timeout: 3s },
    targets: [{ target: "10.1.1.1:81" }] }
  - { name: found, concurrency: { adaptive: { min: 2, max: 50, initial: 5, tolerance: 2, interval: 1s } } }
]])
    local function numbers(capacity)
      return {
        capacity.max_requests,
        capacity.max_requests_per_target,
        capacity.max_pending,
        tonumber(capacity.pending_timeout_us),
      }
    end
    assert.same({ 0, 0, 0, 0 }, numbers(conf.services[0].capacity))
    assert.same({ 7, 0, 100, 1000000 }, numbers(conf.services[1].capacity))
    assert.same({ 0, 5, 0, 3000000 }, numbers(conf.upstreams[0].capacity))
    local found = conf.upstreams[1].capacity
    assert.same({ false, true, 2, 50, 5, 2, 1e6, 60e6 }, {
      conf.upstreams[0].capacity.adaptive,
      found.adaptive,
      found.adaptive_least,
      found.adaptive_most,
      found.adaptive_initial,
      found.adaptive_tolerance,
      tonumber(found.adaptive_interval_us),
      tonumber(found.adaptive_probe_every_us),
    })
  end)

  it("writes breakers of routes, fallbacks, and the header of deadlines", function()
    local conf = frozen(OPEN .. [[
services:
  - name: s
    url: http://up/
    deadline_header: X-Left
    circuit_breaker: { fallback: { upstream: up } }
    routes:
      - { name: r, paths: [/r], circuit_breaker: { failure_threshold: 2, fallback: { status: 203, body: "[]" } } }
      - { name: q, paths: [/q] }
upstreams:
  - { name: up, targets: [{ target: "10.1.1.1:81" }] }
]])
    local service, own = conf.services[0].breaker_config, conf.routes[0].breaker_config
    assert.same({ "x-left", "up", 0 }, {
      c.str(conf.services[0].deadline_header),
      c.str(service.fallback_upstream),
      service.fallback_status,
    })
    assert.same({ 2, 203, "[]", "application/json", "" }, {
      own.failure_threshold,
      own.fallback_status,
      c.str(own.fallback_body),
      c.str(own.fallback_type),
      c.str(own.fallback_upstream),
    })
    assert.is_true(conf.routes[1].breaker_config == nil)
  end)

  it("writes every part where the core reads it", function()
    local conf = frozen(OPEN .. [[
workers: 3
watch: true
drain_timeout: 5s
drain_delay: 7s
log: { access: "off", level: debug }
trusted_proxies: [10.0.0.0/8, "::1"]
admin: { address: "127.0.0.1:9000", token: hush }
status: { address: "127.0.0.1:9001" }
limits: { body: 1m }
listeners: [{ address: "127.0.0.1:0", limits: { head_timeout: 3s } }]
services:
  - name: users
    url: http://up:8080/v1
    retries: 2
    connect_timeout: 1000
    keepalive: { connections: 7, idle: 9s }
    routes: [{ name: users, paths: [/users], strip_path: false, preserve_host: true, limits: { body: 5k } }]
  - { name: six, url: "http://[::1]/" }
routes: [{ name: alone, hosts: [alone.example.com] }]
upstreams:
  - { name: up, host_header: up.example.com, targets: [{ target: "10.1.1.1:81", weight: 5 },
    { target: b.example.com }] }
consumers: [{ username: ann, custom_id: "7" }]
]])
    assert.equal(3, conf.workers)
    assert.is_true(conf.watch)
    assert.equal(5000000, tonumber(conf.drain_timeout_us))
    assert.equal(7000000, tonumber(conf.drain_delay_us))
    assert.equal("off", c.str(conf.access_log))
    assert.equal(0, conf.log_level)
    assert.equal("127.0.0.1:9000", c.str(conf.admin_address))
    assert.equal("hush", c.str(conf.admin_token))
    assert.equal("127.0.0.1:9001", c.str(conf.status_address))
    assert.equal("127.0.0.1:0", c.str(conf.listeners[0].address))
    assert.equal(3000000, tonumber(conf.listeners[0].limits.head_timeout_us))
    local service = conf.services[0]
    assert.equal(
      "users http up 8080 /v1 up:8080",
      table.concat({
        c.str(service.name),
        c.str(service.scheme),
        c.str(service.host),
        service.port,
        c.str(service.path),
        c.str(service.authority),
      }, " ")
    )
    assert.equal(2, service.retries)
    assert.equal(1000000, tonumber(service.connect_timeout_us))
    assert.equal(60000000, tonumber(service.response_timeout_us))
    assert.equal(7, service.keepalive_connections)
    assert.equal(9000000, tonumber(service.keepalive_idle_us))
    assert.equal("[::1]", c.str(conf.services[1].authority))
    assert.equal(1, conf.services[1].index)
    local by_name = {}
    for i = 0, conf.route_count - 1 do
      by_name[c.str(conf.routes[i].name)] = conf.routes[i]
    end
    assert.equal("users", c.str(by_name.users.service.name))
    assert.is_false(by_name.users.strip_path)
    assert.is_true(by_name.users.preserve_host)
    assert.equal(5120, tonumber(by_name.users.limits.body))
    assert.is_true(by_name.alone.service == nil)
    assert.is_true(by_name.alone.strip_path)
    assert.equal("up.example.com", c.str(conf.upstreams[0].host_header))
    assert.equal("10.1.1.1", c.str(conf.upstreams[0].targets[0].host))
    assert.equal(5, conf.upstreams[0].targets[0].weight)
    assert.equal(8000, conf.upstreams[0].targets[1].port)
    assert.equal("ann", c.str(conf.consumers[0].username))
    assert.is_true(c.gw_config_trusts(conf, ffi.new("struct gw_addr_bytes", { { 10, 9, 9, 9 }, 4 })))
  end)

  it("writes what TLS to services comes to", function()
    local conf = frozen(OPEN .. [[
services:
  - { name: a, url: "https://a.example.com", tls_verify_depth: 2, tls_server_name: b.example.com }
  - { name: b, url: "grpcs://b.example.com", tls_verify: false }
  - { name: c, url: "https://c.example.com:80" }
  - { name: d, url: "http://d.example.com:443" }
]])
    local function service(i)
      local one = conf.services[i]
      return c.str(one.scheme) .. " " .. c.str(one.authority) .. " " .. tostring(one.http2)
    end
    assert.equal("https a.example.com false", service(0))
    assert.equal("https b.example.com true", service(1))
    assert.equal("https c.example.com:80 false", service(2))
    assert.equal("http d.example.com:443 false", service(3))
    local tls = conf.services[0].tls_config
    assert.same({ true, 2, "b.example.com" }, { tls.verify, tls.depth, c.str(tls.name) })
    assert.is_false(conf.services[1].tls_config.verify)
    assert.is_true(conf.services[3].tls_config == nil)
    assert.is_true(conf.fetches_tls)
    assert.is_false(frozen(OPEN .. "services: [{ url: 'http://a' }]\n").fetches_tls)
    assert.is_true(frozen(OPEN .. "fetch: { allow: [a.example.com] }\n").fetches_tls)
  end)

  it("takes a file of Kong's whole", function()
    local file = assert(io.open("spec/support/kong.yaml"))
    local conf = frozen(file:read("*a"))
    file:close()
    assert.equal(2, conf.route_count)
    assert.equal("[]", (c.str(conf.warnings):gsub('"[^"]*"', ""):gsub(",", "")))
  end)

  it("routes by what it froze", function()
    local conf = frozen(OPEN .. [[
path_match: prefix
services:
  - host: a
    routes:
      - { name: bytes, paths: [/b] }
      - { name: exact, paths: ["=/e"] }
      - { name: regex, paths: ["~/r/(?<n>\\d+)"], regex_priority: 3 }
      - { name: template, paths: ["/t/{id}"] }
      - { name: segments, paths: [/s], path_match: segment }
      - { name: header, paths: [/h], headers: { X-A: ["1", "2"], x-b: ["~*^z"] } }
      - { name: query, paths: [/q], query: { v: ["1"] } }
      - { name: cookie, paths: [/c], cookies: { beta: ["1"] }, sources: [10.0.0.0/8, "unix:"] }
  - { host: b, enabled: false, routes: [{ name: off, paths: [/off] }] }
]])
    local function route(path, query, headers, client)
      local pairs_of = ffi.new("struct gw_route_pair[4]")
      for i, header in ipairs(headers or {}) do
        pairs_of[i - 1].name, pairs_of[i - 1].value = c.slice(header[1]), c.slice(header[2])
      end
      local method, p, q = c.slice("GET"), c.slice(path), c.slice(query or "")
      local ask = ffi.new(
        "struct gw_route_query",
        { method = method, path = p, query = q, headers = pairs_of, header_count = #(headers or {}) }
      )
      if client then assert(c.gw_addr_bytes_parse(ask.client, client, #client) == nil) end
      local match = ffi.new("struct gw_route_match")
      c.gw_router_match(conf.router, ask, match)
      return match.route ~= nil and c.str(match.route.name) or nil
    end
    assert.equal("bytes", route("/bx"))
    assert.equal("exact", route("/e"))
    assert.equal("regex", route("/r/12"))
    assert.equal("template", route("/t/x"))
    assert.equal("segments", route("/s/x"))
    assert.is_nil(route("/sx"))
    assert.equal("header", route("/h", "", { { "x-a", "2" }, { "x-b", "zz" } }))
    assert.is_nil(route("/h", "", { { "x-a", "2" } }))
    assert.equal("query", route("/q", "v=1"))
    assert.is_nil(route("/q", "v=2"))
    assert.is_nil(route("/off"))
    assert.is_nil(route("/c", "", { { "cookie", "beta=1" } }))
    assert.equal("cookie", route("/c", "", { { "cookie", "beta=1" } }, "10.1.1.1"))
    assert.is_true(c.gw_router_needs_client(conf.router))
    assert.is_true(c.gw_router_needs_headers(conf.router))
    assert.is_true(c.gw_router_needs_query(conf.router))
  end)

  it("gives scripts what they need, as one table", function()
    local conf = frozen(OPEN .. [[
services:
  - name: users
    host: a
    plugins: [{ name: key-auth, id: 9b2a4d6e-1111-4000-8000-000000000009 }]
    routes: [{ name: one, paths: ["~/o", /p], headers: { x: ["1"] } }, { name: two, paths: [/t] }]
routes: [{ name: three, paths: [/three] }]
consumers: [{ username: ann, keyauth_credentials: [{ key: k1 }], groups: [gold] }]
]])
    local plan = buffer.decode(c.str(conf.plan))
    assert.equal("key-auth", plan.uses[1].plugin)
    assert.same({ "apikey" }, plan.uses[1].conf.key_names)
    assert.is_table(plan.plugins["key-auth"])
    local by_name = {}
    for i, route in ipairs(plan.routes) do
      by_name[route.name] = route
      assert.equal(route.name, c.str(conf.routes[i - 1].name))
    end
    assert.equal(by_name.one.plan, by_name.two.plan)
    assert.equal(plan.global, by_name.three.plan == plan.global and by_name.three.plan or plan.global)
    assert.equal(1, plan.plans[by_name.one.plan][1].use)
    assert.same({}, plan.plans[by_name.three.plan])
    assert.same({ "~/o", "/p" }, by_name.one.paths)
    assert.same({ x = { "1" } }, by_name.one.headers)
    assert.equal("users", plan.services[by_name.one.service].name)
    assert.equal("k1", plan.consumers[1].credentials["key-auth"][1].key)
    assert.same({ "gold" }, plan.consumers[1].groups)
  end)

  it("shows everything but secrets", function()
    local conf = frozen(OPEN .. [[
admin: { address: "127.0.0.1:9000", token: hush-token }
services: [{ name: users, host: a, routes: [{ name: one, paths: [/o] }] }]
consumers: [{ username: ann, keyauth_credentials: [{ key: hush-key, tags: [x] }] }]
plugins: [{ name: key-auth, config: { realm: here } }]
]])
    local shown = c.str(conf.shown)
    assert.is_nil(shown:find("hush", 1, true))
    local decoded = require("cjson").decode(shown)
    assert.equal("***", decoded.admin.token)
    assert.equal("***", decoded.consumers[1].credentials["key-auth"][1].key)
    assert.equal("here", decoded.plugins[1].config.realm)
    assert.equal("ann", decoded.consumers[1].username)
    assert.equal("/o", decoded.routes[1].paths[1].text)
    local again = frozen(OPEN .. "services: [{ name: users, host: a, routes: [{ name: one, paths: [/o] }] }]")
    assert.equal(
      c.str(again.shown),
      c.str(frozen(OPEN .. "services: [{ name: users, host: a, routes: [{ name: one, paths: [/o] }] }]").shown)
    )
  end)

  it("warns of shadowed routes, and refuses them where the file is strict", function()
    local text = OPEN
      .. [[
listeners: [{ address: "127.0.0.1:0" }]
services: [{ host: a, routes: [{ name: wide, paths: ["~/"] }, { name: narrow, paths: [/n] }] }]
]]
    local conf, normal = frozen(text)
    local warning = normal.warnings[#normal.warnings]
    assert.matches('the route "narrow" never gets a request: "wide" takes all of them', warning.message)
    assert.equal("services[0].routes[1]", warning.path)
    assert.matches(
      "moongate.yaml:3: services%[0%]%.routes%[1%]: the route",
      require("cjson").decode(c.str(conf.warnings))[1]
    )
    local config_address, problems = freeze.freeze(load(text .. "strict: true\n"))
    assert.is_nil(config_address)
    assert.matches("never gets a request", problems[1])
  end)

  it("says where a regex is wrong, with its line", function()
    local normal, errors = config.load("moongate.yaml", {
      folder = "/etc/moongate",
      plugins = plugins,
      text = OPEN .. 'services: [{ host: a, routes: [{ name: r, paths: ["~/(a"] }] }]\n',
    })
    assert.is_nil(normal)
    assert.matches(
      "^moongate.yaml:2: services%[0%]%.routes%[0%]%.paths%[0%]: .*missing closing parenthesis",
      config.format(errors[1])
    )
  end)
end)
