--- A service's circuit breaker (core/policy/breaker.h).
local t = require("moongate.schema")

local M = {}

local FALLBACK = t.record({
  upstream = t.host { about = "Another upstream by its name, which gets the requests." },
  status = t.integer { between = { 200, 599 }, about = "Or the status of an answer made here …" },
  body = t.string { len_max = 65536, about = "… its body …" },
  content_type = t.string { len_min = 1, default = "application/json", about = "… and what that is." },
  t.at_least_one_of { "upstream", "status" },
  t.only_one_of { "upstream", "status" },
  t.mutually_exclusive { "upstream", "body" },
}, {
  default = t.none,
  about = "What requests get while it is open, in the place of 503.",
})

local FIELDS = {
  failure_threshold = t.count { off = true, default = 5, about = "So many failures in a row open it." },
  failure_ratio = t.number {
    between = { 0, 1 },
    default = 0,
    about = "So large a part of the calls within `window` opens it: 0.5 is every other; 0: not looked at.",
  },
  minimum_volume = t.count { default = 100, about = "… where there are so many calls." },
  window = t.duration { unit = "ms", default = "10s", about = "… within this time." },
  call_timeout = t.duration {
    unit = "ms",
    off = true,
    default = "30s",
    about = "A call whose answer began later than that is a failure, too.",
  },
  half_open_after = t.duration {
    unit = "ms",
    default = "60s",
    about = "How long it stays open, the first time …",
  },
  half_open_after_max = t.duration {
    unit = "ms",
    default = "10m",
    about = "… and at most: it doubles each time a probe fails.",
  },
  half_open_requests = t.count { default = 1, about = "Requests at a time that find out whether it may close." },
  half_open_timeout = t.duration {
    unit = "ms",
    default = "60s",
    about = "Probes that come to no end in this time count as failed.",
  },
  success_threshold = t.count { default = 1, about = "So many of them must succeed." },
  failure_statuses = t.set {
    t.integer { between = { 400, 599 } },
    about = "Answers that are failures; timeouts, resets and refused connections always are. Without it every 5xx.",
  },
  fallback = FALLBACK,
}

M.of_service = t.record(FIELDS, {
  default = t.none,
  about = "Leaves the service alone for a while when it fails too often: requests get 503 `breaker_open` with "
    .. "`Retry-After` at once. Its state is one for all workers and stays over reloads. Without it there is none.",
})

M.of_route = t.record(FIELDS, {
  default = t.none,
  about = "The same for requests of this route alone, beside the breaker of its service.",
})

return M
