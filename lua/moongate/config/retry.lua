--- When a service's failed tries are made again (core/policy/retry.h).
local t = require("moongate.schema")
local report = require("moongate.config.report")

local M = {}

local METHODS = { "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE" } -- idempotent, RFC 9110 9.2.2

local FIELDS = {
  on = t.set {
    t.one_of { "connect", "refused", "reset", "timeout" },
    default = { "connect", "refused", "reset" },
    about = "Failures after which another try is made: `connect`: no connection came about; `refused`: the server "
      .. "said that it did not begin (HTTP/2); `reset`: the connection broke before the answer began; `timeout`: "
      .. "`per_try_timeout` was over, or the service stopped reading.",
  },
  statuses = t.set {
    t.integer { between = { 400, 599 } },
    default = { 502, 503, 504 },
    about = "Answers after which another try is made, while nothing of them went to the client.",
  },
  methods = t.set {
    t.http_method {},
    default = METHODS,
    about = "Methods that may reach the service twice. What never got there may be sent again whatever its method.",
  },
  per_try_timeout = t.duration {
    unit = "ms",
    about = "How long one try may take until its answer begins; without it `response_timeout` is all there is.",
  },
  backoff = t.record {
    base = t.duration {
      unit = "ms",
      off = true,
      default = "25ms",
      about = "The longest pause before the first retry, doubled for each further one: how much of it is by chance.",
    },
    max = t.duration { unit = "ms", default = "250ms", about = "… and at most." },
  },
  retry_after = t.duration {
    unit = "ms",
    off = true,
    default = "5s",
    about = "The longest `Retry-After` of the service that is waited for; an answer that asks for more goes to the "
      .. "client.",
  },
  replay = t.size {
    default = "64k",
    about = "Bytes of a request's body that are kept for another try; a longer one is not sent again, unless it is in "
      .. "memory anyway.",
  },
  budget = t.record {
    ratio = t.number {
      between = { 0, 1 },
      default = 0.2,
      about = "Retries for each request to the upstream, of all workers, within the last ten seconds …",
    },
    min = t.integer { between = { 0, 1000000 }, default = 3, about = "… or so many, if that is more." },
  },
}

M.of_service = t.record(FIELDS, {
  default = t.none,
  about = "Which failures are tried again, within `retries`, and a budget of them. Without it only what never reached "
    .. "the service is, and what met a connection that had just closed.",
})

M.of_route = t.record(FIELDS, {
  default = t.none,
  about = "The same for requests of this route, in the place of what its service says. The budget is the upstream's.",
})

local FRAMING = {
  ["connection"] = true,
  ["content-length"] = true,
  ["grpc-timeout"] = true,
  ["host"] = true,
  ["te"] = true,
  ["transfer-encoding"] = true,
  ["upgrade"] = true,
}

M.DEADLINE_HEADER = t.header_name {
  check = function(name)
    if FRAMING[name:lower()] then return nil, "has a meaning of its own" end
    return true
  end,
  about = "A header that tells the service how many milliseconds an answer is waited for; what clients send in it is "
    .. "dropped.",
}

--- What is wrong with the keys taken together.
---@param rep table   the report
---@param path table  of the service or route
---@param retry? table
---@param retries? integer
function M.check(rep, path, retry, retries)
  if not retry then return end
  local hears_timeouts = false
  for _, what in ipairs(retry.on) do
    hears_timeouts = hears_timeouts or what == "timeout"
  end
  if hears_timeouts and not retry.per_try_timeout then
    report.error(rep, report.join(path, "retry", "on"), "timeout needs per_try_timeout")
  end
  if retry.backoff.max < retry.backoff.base then
    report.error(rep, report.join(path, "retry", "backoff", "max"), "must not be less than base")
  end
  if retries == 0 then report.error(rep, report.join(path, "retry"), "has no effect with retries: 0") end
end

M.HEDGE = t.record({
  after = t.duration { unit = "ms", required = true, about = "How long its answer may be in coming before that." },
}, {
  default = t.none,
  about = "Sends a request that is slow to another target, too: the first answer counts. For idempotent requests "
    .. "without a body, within the budget of `retry`, which must be there.",
})

--- Hedging needs the rules and the budget of retries.
function M.check_hedge(rep, path, value)
  if value.hedge and not value.retry then
    report.error(rep, report.join(path, "hedge"), "needs retry: its budget bounds it")
  end
end

return M
