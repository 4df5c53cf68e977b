--- A service's circuit breaker (core/policy/breaker.h).
local t = require("moongate.schema")

local M = {}

M.RECORD = t.record({
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
}, {
  default = t.none,
  about = "Leaves the service alone for a while when it fails too often: requests get 503 `breaker_open` with "
    .. "`Retry-After` at once. Its state is one for all workers and stays over reloads. Without it there is none.",
})

return M
