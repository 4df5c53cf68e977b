--- How an upstream finds out which of its targets may be used: Kong's `healthchecks`, and our `ejection`, panic and
--- slow start (core/policy/health.h, core/policy/ejection.h, core/policy/balance.h).
local t = require("moongate.schema")
local report = require("moongate.config.report")
local words = require("moongate.schema.words")

local M = {}

local TYPES = { "http", "https", "tcp", "grpc", "grpcs" }

local function statuses(default, about)
  return t.set { t.integer { between = { 100, 999 } }, default = default, len_min = 1, about = about }
end

local function limit(about) return t.integer { between = { 0, 255 }, default = 0, about = about .. " 0: none do." } end

local function interval(about)
  return t.seconds { default = 0, between = { 0, 65535000 }, about = about .. " 0: never." }
end

local function failures()
  return {
    http_failures = limit("So many answers of `http_statuses` make it unhealthy."),
    tcp_failures = limit("So many connections that are refused or break make it unhealthy."),
    timeouts = limit("So many timeouts make it unhealthy."),
  }
end

local function with(fields, more)
  for name, kind in pairs(more) do
    fields[name] = kind
  end
  return fields
end

-- LuaCATS knows nothing of these; Kong writes one value or several.
local function check_headers()
  return t.map {
    t.header_name {},
    t.array { t.string { not_match = "[%c]" } },
    default = {},
    about = "Fields that checks carry, each with its values.",
  }
end

local ACTIVE = t.record {
  type = t.one_of(with({
    default = "http",
    about = "`http`, `https`: a GET; `tcp`: to connect; `grpc`, `grpcs`: `grpc.health.v1` must say SERVING.",
  }, TYPES)),
  timeout = t.seconds { default = 1, gt = 0, about = "What one check may take, all in all." },
  concurrency = t.integer { between = { 1, 1000 }, default = 10, about = "Checks of this upstream at once." },
  http_path = t.string {
    default = "/",
    len_max = 4096,
    check = function(text)
      if text:find("^/[^%s%c#]*$") then return true end
      return nil, 'must begin with "/" and hold no blanks, control characters and #'
    end,
    about = "What an `http` check asks for; it may carry a query.",
  },
  http_body = t.string {
    len_min = 1,
    len_max = 1024,
    about = "What the first 64 KiB of the answer must contain; an answer without it is an HTTP failure.",
  },
  grpc_service = t.string {
    len_min = 1,
    len_max = 127,
    about = "Whose health a gRPC check asks for; without it the whole server's.",
  },
  https_sni = t.host {
    about = "Whom certificates must be for, over TLS; without it as for traffic, else what the target is called.",
  },
  https_verify_certificate = t.boolean {
    kong_default = true,
    about = "Whether they are verified; without it as for traffic. CAs and client certificates are those of the first "
      .. "service that speaks TLS to the upstream.",
  },
  headers = check_headers(),
  before_use = t.boolean {
    default = false,
    about = "A new target gets no requests before its first check passed.",
  },
  healthy = t.record {
    interval = interval("Between two checks of a healthy target."),
    http_statuses = statuses({ 200, 302 }, "Answers that count as passed."),
    successes = limit("So many passed checks in a row make it healthy."),
  },
  unhealthy = t.record(with({
    interval = interval("Between two checks of an unhealthy target."),
    http_statuses = statuses({ 429, 404, 500, 501, 502, 503, 504, 505 }, "Answers that count as failed."),
  }, failures())),
}

local SUCCESSES = { 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308 }

local PASSIVE = t.record {
  type = t.one_of(with({ default = "http", about = "`tcp`: answers are not looked at." }, TYPES)),
  healthy = t.record {
    http_statuses = statuses(SUCCESSES, "Answers that count as good."),
    successes = limit("So many good answers in a row make it healthy."),
  },
  unhealthy = t.record(with({
    http_statuses = statuses({ 429, 500, 503 }, "Answers that count as failed."),
  }, failures())),
}

local HEALTHCHECKS = t.record({
  active = ACTIVE,
  passive = PASSIVE,
  threshold = t.number {
    between = { 0, 100 },
    default = 0,
    about = "Below so many percent of the weight that may be used, requests get 503 at once; 0: never.",
  },
}, {
  about = "Takes targets out that fail, and back in: by checks that the gateway makes (`active`) and by what becomes "
    .. "of traffic (`passive`). All of it is off where nothing is written.",
})

local EJECTION = t.record({
  consecutive_failures = t.count {
    off = true,
    default = 5,
    about = "So many answers of 5xx, timeouts, resets or refused connections in a row.",
  },
  consecutive_gateway_failures = t.count {
    off = true,
    default = "off",
    about = "… of which only 502, 503, 504 and what was no answer count.",
  },
  success_rate_deviations = t.number {
    between = { 0, 100 },
    default = 1.9,
    about = "A rate of success so many standard deviations below the mean of all targets; 0: not looked at.",
  },
  success_rate_targets = t.count { default = 5, about = "… where at least so many targets …" },
  success_rate_requests = t.count { default = 100, about = "… had so many requests within `interval`." },
  failure_percentage = t.integer {
    between = { 0, 100 },
    default = 0,
    about = "So many percent of failures; 0: not looked at.",
  },
  failure_percentage_targets = t.count { default = 5, about = "… where at least so many targets …" },
  failure_percentage_requests = t.count { default = 50, about = "… had so many requests within `interval`." },
  interval = t.duration { unit = "ms", default = "10s", about = "How often rates are looked at." },
  time = t.duration {
    unit = "ms",
    default = "30s",
    about = "How long; twice as long the second time, and so on …",
  },
  time_max = t.duration { unit = "ms", default = "300s", about = "… and at most." },
  max_ejected = t.integer {
    between = { 0, 100 },
    default = 10,
    about = "At most so many percent of the targets at once; one may always be, where there are two or more.",
  },
  returns_with_checks = t.boolean {
    default = false,
    about = "An active check that passes ends it before its time.",
  },
}, {
  default = t.none,
  about = "Leaves a target alone for a while when its traffic goes worse than that of the others (outlier ejection).",
})

M.FIELDS = {
  healthchecks = HEALTHCHECKS,
  ejection = EJECTION,
  panic_threshold = t.integer {
    between = { 0, 100 },
    default = 50,
    kong_default = 0,
    about = "Below so many percent of the weight that may be used, all targets are used: health is not looked at. "
      .. "0: requests get 503 when none is left.",
  },
  fail_traffic_on_panic = t.boolean {
    default = false,
    about = "Below `panic_threshold`, requests get 503 at once instead.",
  },
  slow_start = t.duration {
    unit = "ms",
    off = true,
    default = "off",
    about = "How long a new or recovered target takes to get its whole share, from a tenth of it on.",
  },
  slow_start_aggression = t.number {
    default = 1,
    gt = 0,
    about = "The share grows with time^(1/aggression): 1 straight, more at first where it is larger.",
  },
}

-- A mistake leaves its field out, and is an error already.
local function is_whole(fields, value)
  for name, kind in pairs(fields) do
    local inner = value[name]
    if inner == nil and kind.default ~= nil and kind.default ~= t.none then return false end
    if kind.fields and inner == nil and kind.default ~= t.none then return false end
    if kind.fields and inner ~= nil and not is_whole(kind.fields, inner) then return false end
  end
  return true
end

-- ── what makes no sense together ────────────────────────────────────────────────

local function moves_down(unhealthy)
  return unhealthy.http_failures > 0 or unhealthy.tcp_failures > 0 or unhealthy.timeouts > 0
end

local function is_checked(active) return active.healthy.interval > 0 or active.unhealthy.interval > 0 end

local function warn_of_active(rep, path, active)
  local counts = moves_down(active.unhealthy) or active.healthy.successes > 0
  if not is_checked(active) then
    if counts or active.before_use then
      report.warn(rep, path, "is off: nothing is checked without healthy.interval or unhealthy.interval")
    end
  elseif not counts and not active.before_use then
    report.warn(
      rep,
      path,
      "has no effect: say what follows with unhealthy.http_failures, tcp_failures, timeouts and healthy.successes"
    )
  elseif
    (moves_down(active.unhealthy) or active.before_use)
    and (active.healthy.successes == 0 or active.unhealthy.interval == 0)
  then
    report.warn(
      rep,
      path,
      "never brings a target back: that takes healthy.successes and unhealthy.interval (or the operator, by POST)"
    )
  end
end

local function overlap(first, second)
  local set = {}
  for _, status in ipairs(first) do
    set[status] = true
  end
  for _, status in ipairs(second) do
    if set[status] then return status end
  end
end

local OVER_TLS = { https = "http", grpcs = "grpc" }

local function warn_of_unused(rep, path, active)
  local kind = active.type
  local unused = {
    https_sni = active.https_sni and not OVER_TLS[kind],
    http_body = active.http_body and kind ~= "http" and kind ~= "https",
    grpc_service = active.grpc_service and kind ~= "grpc" and kind ~= "grpcs",
  }
  for _, name in ipairs(words.keys(unused)) do
    if unused[name] then report.warn(rep, report.join(path, name), "has no effect with type: " .. kind) end
  end
end

local function check_statuses(rep, path, checks)
  local both = overlap(checks.healthy.http_statuses, checks.unhealthy.http_statuses)
  if both then
    report.error(
      rep,
      report.join(path, "unhealthy", "http_statuses"),
      ("%d is in healthy.http_statuses, too"):format(both)
    )
  end
end

--- What is wrong with an upstream's keys taken together.
---@param rep table   the report
---@param path table  of the upstream
---@param value table its fields
function M.check(rep, path, value)
  if not is_whole(M.FIELDS, value) then return end
  local checks = value.healthchecks
  check_statuses(rep, report.join(path, "healthchecks", "active"), checks.active)
  check_statuses(rep, report.join(path, "healthchecks", "passive"), checks.passive)
  warn_of_active(rep, report.join(path, "healthchecks", "active"), checks.active)
  if checks.threshold > 0 and value.fail_traffic_on_panic then
    report.error(
      rep,
      report.join(path, "healthchecks", "threshold"),
      "says what panic_threshold with fail_traffic_on_panic says: write one of them"
    )
  end
  warn_of_unused(rep, report.join(path, "healthchecks", "active"), checks.active)
  local ejection = value.ejection
  if ejection and ejection.time_max < ejection.time then
    report.error(rep, report.join(path, "ejection", "time_max"), "is less than time")
  end
  if value.slow_start == 0 and value.slow_start_aggression ~= 1 then
    report.error(rep, report.join(path, "slow_start_aggression"), "needs slow_start")
  end
end

-- ── the normal form ─────────────────────────────────────────────────────────────

local function counts_of(checks)
  local unhealthy = checks.unhealthy
  local looks_at_answers = checks.type ~= "tcp"
  return {
    successes = checks.healthy.successes,
    http_failures = looks_at_answers and unhealthy.http_failures or 0,
    tcp_failures = unhealthy.tcp_failures,
    timeouts = unhealthy.timeouts,
    good = looks_at_answers and checks.healthy.http_statuses or {},
    bad = looks_at_answers and unhealthy.http_statuses or {},
  }
end

local function is_passive(counts)
  return counts.successes + counts.http_failures + counts.tcp_failures + counts.timeouts > 0
end

local function fields_of(headers)
  local list = {}
  for _, name in ipairs(words.keys(headers)) do
    for _, value in ipairs(headers[name]) do
      list[#list + 1] = { name = name:lower(), value = value }
    end
  end
  return list
end

local function active_of(active)
  if not is_checked(active) then return nil end
  return {
    type = OVER_TLS[active.type] or active.type,
    tls = OVER_TLS[active.type] ~= nil,
    verify = active.https_verify_certificate,
    sni = active.https_sni,
    grpc_service = active.grpc_service,
    counts = counts_of(active),
    path = active.http_path,
    body = active.http_body,
    headers = fields_of(active.headers),
    timeout = active.timeout,
    healthy_interval = active.healthy.interval,
    unhealthy_interval = active.unhealthy.interval,
    concurrency = active.concurrency,
    before_use = active.before_use,
  }
end

--- What the frozen upstream says of it. Everything that is off is nil.
---@param value table  an upstream's fields
---@return table?
function M.normal(value)
  if not is_whole(M.FIELDS, value) then return nil end
  local checks = value.healthchecks
  local passive = counts_of(checks.passive)
  local threshold = checks.threshold > 0 and checks.threshold
  return {
    active = active_of(checks.active),
    passive = is_passive(passive) and passive or nil,
    ejection = value.ejection,
    panic_threshold = threshold or value.panic_threshold,
    fail_on_panic = threshold and true or value.fail_traffic_on_panic,
    slow_start = value.slow_start,
    aggression = value.slow_start_aggression,
  }
end

return M
