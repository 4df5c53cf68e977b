--- A whole gateway in the spec: proxy, pool and registry on one loop, clients over memory, upstreams over loopback TCP that do what
--- the spec says, byte by byte.
---
---     local world = require("support.proxy").new()
---     local up = world:upstream(function(conn, request) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi") end)
---     world:start { routes = { { name = "all", paths = { "/" }, targets = { up } } } }
---     local client = world:client()
---     client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
---     assert.equal(200, client:response().status)
---     world:free() -- checks that nothing is left
local buffer = require("string.buffer")
local ffi = require("ffi")
local c = require("support.c")
local host = require("support.host")
local net = require("support.net")

ffi.cdef([[
struct gw_spec_front { struct gw_proxy *proxy; unsigned sessions; };
struct gw_session *gw_spec_front_open(struct gw_spec_front *front, struct gw_conn *conn,
                                        const struct gw_session_limits *limits);
struct gw_session *gw_spec_front_open_h2(struct gw_spec_front *front, struct gw_conn *conn,
                                           const struct gw_session_limits *limits);
char gw_spec_access[24576];
unsigned gw_spec_access_count;
void gw_spec_keep_access(void *ctx, const struct gw_access_record *record);
]])

local M = {}
M.__index = M

--- virtual: the clock moves by world:advance() only.
function M.new(virtual)
  local self = setmetatable({ loop = net.loop(virtual ~= false), upstreams = {}, clients = {}, keep = {} }, M)
  self.registry = c.gw_registry_new()
  self.pool = c.gw_pool_new(self.loop.c)
  return self
end

-- ── upstreams ───────────────────────────────────────────────────────────────────

-- The first whole message of a text and what stands behind it, or nil.
local function split_message(text)
  local head, rest = text:match("^(.-\r\n\r\n)(.*)$")
  if not head then return nil end
  local length = head:lower():match("\r\ncontent%-length: *(%d+)")
  if head:lower():find("\r\ntransfer%-encoding: *chunked") then
    local last = rest:find("0\r\n\r\n", 1, true)
    if not last then return nil end
    return head .. rest:sub(1, last + 4), rest:sub(last + 5)
  end
  length = tonumber(length or 0)
  if #rest < length then return nil end
  return head .. rest:sub(1, length), rest:sub(length + 1)
end

--- What services with `tls` speak, and upstreams that are said to be over TLS; made at first use.
function M:tls()
  self.own_tls = self.own_tls or require("support.tls").new()
  return self.own_tls
end

--- Listens; on_request(conn, text, nth) for each whole request, or with `raw` for each read.
--- conn:write(), conn:close(). `address`: where, if not on 127.0.0.1. `over_tls`: the services that
--- go there say `tls`, too.
function M:upstream(on_request, raw, address, over_tls)
  local fd, addr = net.socket(address)
  local up = { conns = {}, requests = {}, addr = addr, text = net.addr_text(addr) }
  up.port = tonumber(up.text:match(":(%d+)$"))
  up.listener = net.listen(self.loop, fd, function(conn)
    if over_tls then self:tls():accept(conn) end
    local e = net.bind(conn)
    local pending = ""
    up.conns[#up.conns + 1] = e
    e.on_read = function(_, ptr, len)
      if raw then return on_request(e, ffi.string(ptr, len)) end
      pending = pending .. ffi.string(ptr, len)
      while not e.closed do
        local message, rest = split_message(pending)
        if not message then break end
        pending = rest
        up.requests[#up.requests + 1] = message
        on_request(e, message, #up.requests)
      end
    end
    e.on_end = function()
      if not e.closed then e:close() end
    end
    if up.on_conn then up.on_conn(e) end
  end)
  self.upstreams[#self.upstreams + 1] = up
  return up
end

--- Resolves names, and checks targets.
function M:run_registry() c.gw_registry_run(self.registry, self.loop.c, nil, nil) end

--- What is known of targets, by their addresses.
function M:targets()
  local found = {}
  local on_target = ffi.cast("void (*)(const struct gw_target_info *, void *)", function(info)
    local target = { checks = {}, ejections = {} }
    for _, name in ipairs { "state", "by", "why" } do
      target[name] = ffi.string(info[name])
    end
    for i = 0, 4 do
      target.checks[i] = tonumber(info.checks[i])
      target.ejections[i] = tonumber(info.ejections[i])
    end
    target.ejected_for = tonumber(info.ejected_for_us) / 1e6
    found[ffi.string(info.address.ptr, info.address.len)] = target
  end)
  local on_upstream = ffi.cast("void (*)(const struct gw_upstream_info *, void *)", function(info)
    found.mood, found.panicked = ffi.string(c.gw_balance_why_text(info.mood)), tonumber(info.panicked)
    found.refused = tonumber(info.refused)
  end)
  local visitor = ffi.new("struct gw_upstream_visitor", { on_upstream, on_target })
  c.gw_registry_upstreams(self.registry, self.loop.c.clock.now_us, visitor, nil)
  on_target:free()
  on_upstream:free()
  return found
end

jit.off(M.targets)

--- A port that nobody listens on.
function M.closed_port()
  local fd, addr = net.socket()
  ffi.C.close(fd)
  return tonumber(net.addr_text(addr):match(":(%d+)$"))
end

-- ── configuration ───────────────────────────────────────────────────────────────

local function set_limits(limits, given)
  limits.head, limits.headers, limits.target = 32768, 100, 8192
  limits.body = given.body or 1e6
  limits.buffer = given.buffer or 1e6
  limits.write_queue = given.write_queue or 65536
  limits.idle_timeout_us = (given.idle_timeout or 60) * 1e6
  limits.total_timeout_us = (given.total_timeout or 0) * 1e6
  limits.body_min_rate = given.body_min_rate or 1024
  limits.pending = given.pending or 1000
end

local function text(build, slice, value)
  slice.ptr, slice.len = c.gw_build_text(build, value, #value), #value
end

-- { on = { … }, statuses = { … }, methods = { … }, … }: times in seconds.
local function set_retry(build, retry, given)
  local bits = { connect = 1, refused = 2, reset = 4, timeout = 8 }
  for _, what in ipairs(given.on or { "connect", "refused", "reset" }) do
    retry.on = retry.on + bits[what]
  end
  for _, status in ipairs(given.statuses or { 502, 503, 504 }) do
    retry.statuses[status] = true
  end
  local methods = given.methods or { "GET", "HEAD", "PUT" }
  local texts = c.gw_build_retry_methods(build, retry, #methods)
  for i, method in ipairs(methods) do
    text(build, texts[i - 1], method)
  end
  retry.per_try_timeout_us = (given.per_try_timeout or 0) * 1e6
  retry.backoff_base_us, retry.backoff_max_us = (given.base or 0) * 1e6, (given.max or 0.25) * 1e6
  retry.retry_after_max_us = (given.retry_after or 5) * 1e6
  retry.budget_ratio, retry.budget_min = given.ratio or 0.2, given.min or 100
  retry.replay = given.replay or 65536
end

local function set_breaker(build, breaker, given)
  breaker.half_open_after_us, breaker.half_open_after_max_us, breaker.half_open_timeout_us = 60e6, 600e6, 60e6
  for key, value in pairs(given) do
    if key ~= "fallback" then breaker[key] = value end
  end
  local fallback = given.fallback or {}
  breaker.fallback_status = fallback.status or 0
  text(build, breaker.fallback_upstream, fallback.upstream or "")
  text(build, breaker.fallback_body, fallback.body or "")
  text(build, breaker.fallback_type, fallback.type or "")
  for status = 500, 599 do
    breaker.statuses[status] = true
  end
end

local function set_service(build, service, route)
  local given = route.service or {}
  text(build, service.name, route.name)
  text(build, service.scheme, "http")
  text(build, service.host, given.host or (route.name .. "-up"))
  text(build, service.path, given.path or "")
  text(build, service.authority, given.authority or "service.test")
  service.port = given.port or 80
  service.retries = given.retries or 5
  service.hedge_after_us = (given.hedge_after or 0) * 1e6
  text(build, service.deadline_header, given.deadline_header or "")
  service.connect_timeout_us = (given.connect_timeout or 60) * 1e6
  service.read_timeout_us = (given.read_timeout or 60) * 1e6
  service.write_timeout_us = (given.write_timeout or 60) * 1e6
  service.response_timeout_us = (given.response_timeout or 60) * 1e6
  service.has_event_stream_timeout = given.event_stream_timeout ~= nil
  service.event_stream_timeout_us = (given.event_stream_timeout or 0) * 1e6
  service.has_websocket_timeout = given.websocket_timeout ~= nil
  service.websocket_timeout_us = (given.websocket_timeout or 0) * 1e6
  service.keepalive_connections = given.keepalive_connections or 512
  service.keepalive_requests = given.keepalive_requests or 10000
  service.proxy_protocol = given.proxy_protocol or 0
  service.keepalive_idle_us = (given.keepalive_idle or 60) * 1e6
  set_limits(service.limits, route.limits or {})
  if route.retry then set_retry(build, c.gw_build_retry(build, service), route.retry) end
  if route.breaker then set_breaker(build, c.gw_build_breaker(build, service), route.breaker) end
end

local function set_counts(struct, given)
  for _, name in ipairs { "successes", "http_failures", "tcp_failures", "timeouts" } do
    struct[name] = given[name] or 0
  end
  for _, status in ipairs(given.good or { 200, 302 }) do
    struct.verdicts[status] = c.GW_VERDICT_GOOD
  end
  for _, status in ipairs(given.bad or { 429, 404, 500, 503 }) do
    struct.verdicts[status] = c.GW_VERDICT_BAD
  end
end

local function set_check(build, upstream, given)
  local fields = given.fields or {}
  local check = c.gw_build_check(build, upstream, #fields)
  check.type = c["GW_CHECK_" .. (given.type or "http"):upper()]
  set_counts(check.counts, given)
  text(build, check.path, given.path or "/")
  text(build, check.body, given.body or "")
  for i, field in ipairs(fields) do
    text(build, check.fields[i - 1].name, field[1])
    text(build, check.fields[i - 1].value, field[2])
  end
  check.proxy_protocol = given.proxy_protocol or 0
  check.timeout_us = (given.timeout or 1) * 1e6
  check.healthy_interval_us = (given.healthy_interval or given.interval or 0) * 1e6
  check.unhealthy_interval_us = (given.unhealthy_interval or given.interval or 0) * 1e6
  check.concurrency, check.before_use = given.concurrency or 10, given.before_use or false
end

--- health: { check, passive, ejection, panic_threshold, fail_on_panic, slow_start }, in seconds.
local function set_health(build, upstream, given)
  upstream.panic_threshold, upstream.fail_on_panic = given.panic_threshold or 0, given.fail_on_panic or false
  upstream.slow_start_us, upstream.slow_start_aggression = (given.slow_start or 0) * 1e6, 1
  if given.check then set_check(build, upstream, given.check) end
  if given.passive then set_counts(c.gw_build_passive(build, upstream), given.passive) end
  if not given.ejection then return end
  local ejection = c.gw_build_ejection(build, upstream)
  for name, value in pairs { interval_us = 10e6, time_us = 30e6, time_max_us = 300e6, max_ejected = 10 } do
    ejection[name] = value
  end
  for name, value in pairs(given.ejection) do
    ejection[name] = value
  end
end

local function set_capacity(capacity, given)
  capacity.max_requests = given.max_requests or 0
  capacity.max_requests_per_target = given.max_requests_per_target or 0
  capacity.max_pending = given.max_pending or 0
  capacity.pending_timeout_us = (given.pending_timeout or 1) * 1e6
  local adaptive = given.adaptive
  if not adaptive then return end
  capacity.adaptive = true
  capacity.adaptive_least, capacity.adaptive_most = adaptive.min or 3, adaptive.max or 1000
  capacity.adaptive_initial, capacity.adaptive_tolerance = adaptive.initial or 20, adaptive.tolerance or 1.25
  capacity.adaptive_interval_us = (adaptive.interval or 0.1) * 1e6
  capacity.adaptive_probe_every_us = (adaptive.probe_interval or 60) * 1e6
end

local function set_targets(build, upstream, route)
  set_health(build, upstream, route.health or {})
  text(build, upstream.name, route.name .. "-up")
  set_capacity(upstream.capacity, route.concurrency or {})
  text(build, upstream.host_header, route.host_header or "")
  local targets = c.gw_build_targets(build, upstream, #route.targets)
  for i, target in ipairs(route.targets) do
    if type(target) == "number" then target = { port = target } end
    text(build, targets[i - 1].host, target.host or "127.0.0.1")
    targets[i - 1].port = target.port
    targets[i - 1].weight = target.weight or 100
    targets[i - 1].priority = target.priority or 0
    targets[i - 1].services = target.services or false
  end
  upstream.use_srv_name = route.use_srv_name or false
  for name, value in pairs(route.sticky or {}) do
    text(build, upstream.sticky[name], value)
  end
  text(build, upstream.algorithm, route.algorithm or "")
  text(build, upstream.cookie_path, "/")
  for i, source in ipairs(route.hash or {}) do
    upstream.hash[i - 1].on = c["GW_HASH_" .. source[1]:upper()]
    text(build, upstream.hash[i - 1].name, source[2] or "")
  end
end

local function set_mirror(build, route, services, given)
  if not given then return end
  local mirror = c.gw_build_mirror(build, route)
  mirror.service = services[given.to - 1]
  mirror.share_ppm = (given.percentage or 100) * 10000
  mirror.max_body, mirror.max_concurrent = given.max_body or 65536, given.max_concurrent or 100
  mirror.timeout_us = (given.timeout or 10) * 1e6
end

--- routes: { name, paths, methods, strip_path, preserve_host, targets = { upstream or port … }, service = { … }, limits = { … } };
--- limits and trusted (CIDRs) for all; plugin: a handler's text, used in every route. One service a route, whose upstream has the targets.
function M:configure(options)
  local build = c.gw_build_new()
  local routes = options.routes
  local services = c.gw_build_services(build, #routes)
  local upstreams = c.gw_build_upstreams(build, #routes)
  local structs = c.gw_build_routes(build, #routes)
  set_limits(c.gw_build_config(build).limits, options.limits or {})
  c.gw_build_config(build).dns.empty_answers = options.empty_answers or 3
  c.gw_build_config(build).dns.empty_hold_us = (options.empty_hold or 30) * 1e6
  for i, route in ipairs(routes) do
    local struct = structs[i - 1]
    if route.route_retry then set_retry(build, c.gw_build_route_retry(build, i - 1), route.route_retry) end
    if route.route_breaker then set_breaker(build, c.gw_build_route_breaker(build, i - 1), route.route_breaker) end
    set_service(build, services[i - 1], route)
    local tls = route.service and route.service.tls
    if tls then self:tls():trust(build, services[i - 1], tls) end
    set_targets(build, upstreams[i - 1], setmetatable({ targets = route.targets or {} }, { __index = route }))
    text(build, struct.name, route.name)
    struct.strip_path, struct.preserve_host = route.strip_path or false, route.preserve_host or false
    if route.targets then struct.service = services[i - 1] end
    set_mirror(build, struct, services, route.mirror)
    set_limits(struct.limits, route.limits or options.limits or {})
    for _, path in ipairs(route.paths or { "/" }) do
      assert(c.gw_build_route_path(build, i - 1, path, #path, true) == nil)
    end
    for _, method in ipairs(route.methods or {}) do
      assert(c.gw_build_route_method(build, i - 1, method, #method) == nil)
    end
  end
  for _, cidr in ipairs(options.trusted or {}) do
    assert(c.gw_build_trusted_proxy(build, cidr, #cidr) == nil)
  end
  if options.plugin then self:write_plugin(build, options.plugin, routes, options.fetch) end
  c.gw_build_router(build)
  local config = c.gw_build_take(build)
  c.gw_build_free(build)
  if self.own_tls then self.own_tls.bind(config) end
  c.gw_registry_bind(self.registry, config)
  return config
end

--- Binds without a proxy, for specs of calls: gives the configuration, freed with the world.
function M:bind(options)
  local config = self:configure(options)
  self.keep[#self.keep + 1] = config
  return config
end

-- ── one plugin, in all routes ───────────────────────────────────────────────────

function M:write_plugin(build, handler, routes, fetch)
  local pipe = assert(io.popen("mktemp -d"))
  self.folder = pipe:read("*l")
  pipe:close()
  local file = assert(io.open(self.folder .. "/handler.lua", "wb"))
  file:write(handler)
  file:close()
  local plan = {
    plugins = { tried = { dir = self.folder } },
    uses = { { plugin = "tried", conf = {}, on_error = "reply" } },
    plans = { {}, { { use = 1 } } },
    global = 1,
    routes = {},
    services = {},
    consumers = {},
    fetch = fetch,
  }
  for i, route in ipairs(routes) do
    plan.routes[i] = { name = route.name, id = route.name, plan = 2, service = i }
    plan.services[i] = { name = route.name, id = route.name, host = "a", port = 80 }
  end
  text(build, c.gw_build_config(build).plan, buffer.encode(plan))
end

local unused = {} -- scripts whose last reference is gone
local on_unused = ffi.cast(
  "void (*)(struct gw_script *, void *)",
  function(script) unused[#unused + 1] = script end
)

function M:make_script(config)
  local why = ffi.new("char *[1]")
  local options = ffi.new("struct gw_script_options", {
    config = config,
    home = host.source_dir,
    worker = 0,
    on_unused = on_unused,
  })
  local script = c.gw_script_new(options, why)
  assert(script ~= nil, why[0] ~= nil and ffi.string(why[0]))
  c.gw_script_attach(script, self.loop.c, self.pool, self.registry)
  return script
end

function M:start(options)
  local config = self:configure(options)
  local made =
    ffi.new("struct gw_proxy_options", { loop = self.loop.c, pool = self.pool, registry = self.registry })
  self.metrics = c.gw_metrics_new(1)
  made.metrics = self.metrics
  made.on_log = ffi.C.gw_spec_keep_access
  ffi.C.gw_spec_access_count = 0
  self.proxy = c.gw_proxy_new(made)
  self.front = ffi.new("struct gw_spec_front", { proxy = self.proxy })
  self:use(config)
  return self
end

--- A new generation.
function M:use(config)
  local script = config.plan.len > 0 and self:make_script(config) or nil
  if self.script then c.gw_script_retire(self.script) end
  self.script = script
  c.gw_proxy_set_current(self.proxy, config, script)
  c.gw_config_unref(config)
  if script then c.gw_script_unref(script) end
end

-- ── clients ─────────────────────────────────────────────────────────────────────

--- The response at the front of a text, and what stands behind it; nil while it is not whole.
function M.parse_response(message, method)
  local head, rest = message:match("^(.-\r\n)\r\n(.*)$")
  if not head then return nil end
  local response = { status = tonumber(head:match("^HTTP/1%.[01] (%d%d%d)")), headers = {}, head = head }
  for name, value in head:gmatch("\r\n([^:\r\n]+): ([^\r\n]*)") do
    response.headers[name:lower()] = value
  end
  if response.status < 200 or response.status == 204 or response.status == 304 or method == "HEAD" then
    response.body = ""
    return response, rest
  end
  if response.headers["content-length"] then
    local length = tonumber(response.headers["content-length"])
    if #rest < length then return nil end
    response.body = rest:sub(1, length)
    return response, rest:sub(length + 1)
  end
  if response.headers["transfer-encoding"] then
    local body, at = {}, 1
    while true do
      local size, stop = rest:match("^(%x+)\r\n()", at)
      if not size then return nil end
      size = tonumber(size, 16)
      if #rest < stop + size + 1 then return nil end
      body[#body + 1] = rest:sub(stop, stop + size - 1)
      at = stop + size + 2
      if size == 0 then break end
    end
    response.body = table.concat(body)
    -- After the last chunk: trailers up to an empty line.
    at = at - 2
    while not rest:find("^\r\n", at) do
      local name, value, stop = rest:match("^([^:\r\n]+): ([^\r\n]*)\r\n()", at)
      if not name then return nil end
      response.trailers = response.trailers or {}
      response.trailers[name:lower()] = value
      at = stop
    end
    return response, rest:sub(at + 2)
  end
  return nil -- until close
end

local Client = {}
Client.__index = Client

local function open_client(world, peer, open)
  local near, far = ffi.new("struct gw_conn *[1]"), ffi.new("struct gw_conn *[1]")
  local limits = ffi.new("struct gw_session_limits", {
    head_bytes = 32768,
    headers = 100,
    target_bytes = 8192,
    head_timeout_us = 10e6,
    idle_timeout_us = 60e6,
  })
  c.gw_memory_pair_new(world.loop.c, net.addr(peer or "192.0.2.7:1234"), net.addr("127.0.0.1:8000"), near, far)
  c.gw_conn_set_write_limit(near[0], 65536)
  open(world.front, near[0], limits)
  local client = setmetatable({ conn = net.bind(far[0]), world = world, taken = 0 }, Client)
  world.clients[#world.clients + 1] = client
  return client
end

--- A connection to the gateway. `peer`: the address it seems to come from.
function M:client(peer) return open_client(self, peer, ffi.C.gw_spec_front_open) end

--- The same where HTTP/2 is spoken: frames in, frames out (support/h2.lua).
function M:client_h2(peer) return open_client(self, peer, ffi.C.gw_spec_front_open_h2) end

function Client:write(...) return self.conn:write(...) end

function Client:text() return self.conn:text():sub(self.taken + 1) end

--- The next whole response, while time goes by.
function Client:late_response()
  self.world:pass_until(function() return M.parse_response(self:text()) end, "a late response")
  return self:response()
end

--- The next whole response; the parts of it that came are taken away.
function Client:response(method)
  local response, rest
  self.world:until_true(function()
    response, rest = M.parse_response(self:text(), method)
    return response
  end, "a response, came: " .. self:text():sub(1, 200))
  self.taken = #self.conn:text() - #rest
  return response
end

--- A request and its response.
function Client:ask(head, body)
  local request = head:gsub("\n", "\r\n")
    .. "\r\n"
    .. (body and ("content-length: %d\r\n"):format(#body) or "")
    .. "\r\n"
  self:write(request .. (body or ""))
  return self:response(head:match("^%u+"))
end

function Client:ended() return self.conn.ends[1] end

function Client:wait_end()
  self.world:until_true(function() return self.conn.ends[1] end, "the end of the connection")
  return self.conn.ends[1]
end

function Client:close()
  if not self.conn.closed then self.conn:close() end
end

-- ── time, and the end ───────────────────────────────────────────────────────────

function M:until_true(done, what)
  -- Loopback TCP takes the kernel's time, whatever the clock says.
  local deadline = os.time() + 10
  while not done() do
    self.loop:turn(false)
    assert(os.time() < deadline, "waited for too long: " .. (what or "?"))
  end
end

--- The same while time goes by: pauses between tries end.
function M:pass_until(done, what)
  self:until_true(function()
    if done() then return true end
    self:advance(0.01)
    return false
  end, what)
end

function M:settle(turns) self.loop:settle(turns or 50) end

function M:advance(seconds)
  c.gw_loop_advance(self.loop.c, seconds * 1e6)
  self:settle(5)
end
jit.off(M.advance) -- calls back, as the next one does

--- The last line of the access log, decoded.
function M.access() return require("cjson").decode(ffi.string(ffi.C.gw_spec_access)) end

function M.access_count() return ffi.C.gw_spec_access_count end

--- What a scrape says: { ['name{labels}'] = number }.
function M:scrape()
  local out, values = ffi.new("struct gw_buf"), {}
  c.gw_buf_init(out, 1e6)
  assert(c.gw_metrics_render(self.metrics, out))
  for line in ffi.string(out.data, out.len):gmatch("[^\n]+") do
    local name, value = line:match("^(%S+) (%S+)$")
    if name then values[name] = tonumber(value) end
  end
  c.gw_buf_deinit(out)
  return values
end

function M:active() return c.gw_proxy_active(self.proxy) end
function M:idle() return c.gw_pool_idle(self.pool) end

--- What /status says of targets.
function M:in_flight()
  local out, sum = ffi.new("struct gw_buf"), 0
  c.gw_buf_init(out, 1e6)
  c.gw_registry_describe(self.registry, out)
  for count in ffi.string(out.data, out.len):gmatch('"inFlight":(%d+)') do
    sum = sum + tonumber(count)
  end
  c.gw_buf_deinit(out)
  return sum
end

--- Everything that counts is back at zero.
function M:is_quiet()
  return self:active() == 0 and self:in_flight() == 0 and tonumber(c.gw_pool_pending(self.pool)[0]) == 0
end

function M:free()
  if self.script then c.gw_script_retire(self.script) end
  for _, client in ipairs(self.clients) do
    client:close()
  end
  if self.proxy then
    self:until_true(function() return self:is_quiet() end, "the last request to end")
    self:until_true(function() return self.front.sessions == 0 end, "the last session to end")
  end
  c.gw_pool_free(self.pool)
  for _, config in ipairs(self.keep) do
    c.gw_config_unref(config)
  end
  if self.proxy then
    c.gw_proxy_free(self.proxy)
    c.gw_metrics_free(self.metrics)
    for _, script in ipairs(unused) do
      c.gw_script_free(script)
    end
    unused = {}
    if self.folder then os.execute("rm -r " .. self.folder) end
  end
  for _, up in ipairs(self.upstreams) do
    c.gw_listener_close(up.listener)
    for _, conn in ipairs(up.conns) do
      if not conn.closed then conn:close() end
    end
  end
  self:settle(5)
  c.gw_registry_stop(self.registry)
  self.loop:free()
  if self.own_tls then self.own_tls:free() end
  c.gw_registry_free(self.registry)
  assert(c.gw_conn_count() == 0, "connections left")
end

return M
