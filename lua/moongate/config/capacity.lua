--- How much an upstream may have to do at a time (core/upstream/line.h).
local t = require("moongate.schema")

local M = {}

local ABOUT = "How many requests may be there at a time, from all workers, and how many wait for a place. Without it "
  .. "there is no bound."

local function record(about)
  return t.record({
    max_requests = t.count { off = true, about = "At all its targets together." },
    max_requests_per_target = t.count { off = true, about = "At each of them." },
    max_pending = t.integer {
      between = { 0, 1000000 },
      default = 100,
      about = "Requests that wait for a place; one more gets 503 `upstream_full` with `Retry-After` at once. 0: none "
        .. "waits.",
    },
    pending_timeout = t.duration {
      unit = "ms",
      default = "1s",
      about = "How long one waits; then it gets 503 `upstream_wait`.",
    },
    adaptive = t.any { later = "Upstreams that fail" },
    t.at_least_one_of { "max_requests", "max_requests_per_target" },
  }, { default = t.none, about = about })
end

M.of_upstream = record(ABOUT)
M.of_service = record(ABOUT .. " Of a service whose host names an upstream it stands there.")

return M
