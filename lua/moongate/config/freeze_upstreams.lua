--- The part of moongate.config.freeze that makes upstreams and their targets.
local native = require("moongate.config.native")
local put = require("moongate.config.put")

local C = native.available and require("moongate.cdef") or nil

local M = {}

local function put_balancing(build, upstream, balancing)
  for i, source in ipairs(balancing.hash) do
    upstream.hash[i - 1].on = C["GW_HASH_" .. source.on:upper()]
    put.text(build, upstream.hash[i - 1], "name", source.name)
  end
  upstream.hash_slots, upstream.hash_balance_factor = balancing.slots or 0, balancing.factor or 0
end

local function put_counts(target, counts)
  target.successes, target.http_failures = counts.successes, counts.http_failures
  target.tcp_failures, target.timeouts = counts.tcp_failures, counts.timeouts
  for _, status in ipairs(counts.good) do
    target.verdicts[status] = C.GW_VERDICT_GOOD
  end
  for _, status in ipairs(counts.bad) do
    target.verdicts[status] = C.GW_VERDICT_BAD
  end
end

local VERSIONS = { v1 = 1, v2 = 2 } -- of the PROXY protocol

-- The first service that is there speaks to the targets as the checks do.
local function traffic_to(normal, index)
  for _, service in ipairs(normal.services) do
    if service.upstream == index then return service end
  end
  return {}
end

local function put_check(build, upstream, active, traffic)
  local check = C.gw_build_check(build, upstream, #active.headers)
  check.type = C["GW_CHECK_" .. active.type:upper()]
  check.timeout_us, check.concurrency = put.us(active.timeout), active.concurrency
  check.healthy_interval_us, check.unhealthy_interval_us =
    put.us(active.healthy_interval), put.us(active.unhealthy_interval)
  check.before_use = active.before_use
  check.http2 = active.type == "grpc" or active.type == "http" and traffic.http2 or false
  check.proxy_protocol = VERSIONS[traffic.proxy_protocol] or 0
  put_counts(check.counts, active.counts)
  check.tls, check.verify = active.tls, active.verify == nil and -1 or active.verify and 1 or 0
  put.texts(build, check, {
    path = active.path,
    body = active.body,
    name = active.sni,
    grpc_service = active.grpc_service,
  })
  for i, field in ipairs(active.headers) do
    put.texts(build, check.fields + (i - 1), field)
  end
end

local function put_ejection(ejection, given)
  for _, name in ipairs {
    "consecutive_failures",
    "consecutive_gateway_failures",
    "success_rate_deviations",
    "success_rate_targets",
    "success_rate_requests",
    "failure_percentage",
    "failure_percentage_targets",
    "failure_percentage_requests",
    "max_ejected",
    "returns_with_checks",
  } do
    ejection[name] = given[name]
  end
  ejection.interval_us, ejection.time_us, ejection.time_max_us =
    put.us(given.interval), put.us(given.time), put.us(given.time_max)
end

local function put_health(build, upstream, health, traffic)
  upstream.panic_threshold, upstream.fail_on_panic = health.panic_threshold, health.fail_on_panic
  upstream.slow_start_us, upstream.slow_start_aggression = put.us(health.slow_start), health.aggression
  if health.active then put_check(build, upstream, health.active, traffic) end
  if health.passive then put_counts(C.gw_build_passive(build, upstream), health.passive) end
  if health.ejection then put_ejection(C.gw_build_ejection(build, upstream), health.ejection) end
end

--- Makes all of them.
---@param build ffi.cdata*  struct gw_build *
---@param normal table     from moongate.config
function M.put(build, normal)
  local upstreams = C.gw_build_upstreams(build, #normal.upstreams)
  for i, upstream in ipairs(normal.upstreams) do
    put.texts(build, upstreams + (i - 1), {
      name = upstream.name,
      algorithm = upstream.balancing.algorithm,
      host_header = upstream.host_header,
      cookie_path = upstream.balancing.cookie_path,
    })
    put_balancing(build, upstreams[i - 1], upstream.balancing)
    upstreams[i - 1].use_srv_name = upstream.use_srv_name
    if upstream.sticky then put.texts(build, upstreams[i - 1].sticky, upstream.sticky) end
    put.capacity(upstreams[i - 1].capacity, upstream.concurrency)
    put_health(build, upstreams + (i - 1), upstream.health, traffic_to(normal, i))
    local targets = C.gw_build_targets(build, upstreams + (i - 1), #upstream.targets)
    for k, target in ipairs(upstream.targets) do
      put.text(build, targets + (k - 1), "host", target.host)
      targets[k - 1].port, targets[k - 1].weight = target.port, target.weight
      targets[k - 1].priority = target.priority
      targets[k - 1].services = target.services or false
    end
  end
end

return M
