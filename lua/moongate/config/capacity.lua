--- How much an upstream may have to do at a time (core/upstream/line.h).
local t = require("moongate.schema")

local M = {}

local ABOUT = "How many requests may be there at a time, from all workers, and how many wait for a place. Without it "
  .. "there is no bound."

local function adaptive()
  return t.record({
    min = t.count { default = 3, about = "The limit is never less …" },
    max = t.count { default = 1000, about = "… and never more." },
    initial = t.count { default = 20, about = "What it is at first." },
    tolerance = t.number {
      between = { 1.05, 10 },
      default = 1.25,
      about = "How many times as long as at rest answers may take before the limit falls.",
    },
    interval = t.duration {
      unit = "ms",
      default = "100ms",
      between = { 10, 60000 },
      about = "How often it moves, where there are ten answers in it.",
    },
    probe_interval = t.duration {
      unit = "ms",
      default = "60s",
      between = { 1000, 86400000 },
      about = "How often it is a quarter for a moment, to see how long answers take at rest.",
    },
    t.check(function(given)
      if given.min > given.max then return nil, "is more than max", "min" end
      if given.initial < given.min or given.initial > given.max then
        return nil, "is not between min and max", "initial"
      end
      return true
    end),
  }, {
    default = t.none,
    about = "Finds out by itself how many may be at all targets together, by how long they take. `{}` will do.",
  })
end

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
    adaptive = adaptive(),
    t.at_least_one_of { "max_requests", "max_requests_per_target", "adaptive" },
  }, { default = t.none, about = about })
end

M.of_upstream = record(ABOUT)
M.of_service = record(ABOUT .. " Of a service whose host names an upstream it stands there.")

return M
