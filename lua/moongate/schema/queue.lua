--- The `queue` of plugins that send things away: Kong's record. What it means is moongate.sink's to say.
local t = require("moongate.schema")

return t.record {
  max_batch_size = t.integer {
    default = 1,
    between = { 1, 1000000 },
    about = "Lines of one delivery at most; above 1 they are gathered.",
  },
  max_coalescing_delay = t.number {
    default = 1,
    between = { 0, 3600 },
    about = "Seconds a batch may wait to become full.",
  },
  max_entries = t.integer { default = 10000, between = { 1, 1000000 }, about = "Lines that wait at most." },
  max_bytes = t.integer {
    default = 16777216,
    between = { 1, 2 ^ 40 },
    about = "Their bytes at most (in Kong there is no bound).",
  },
  initial_retry_delay = t.number {
    default = 0.01,
    between = { 0.001, 1000000 },
    about = "Seconds until a failed delivery is tried again; they double each time, and half of them is chance.",
  },
  max_retry_delay = t.number { default = 60, between = { 0.001, 1000000 }, about = "Up to so many seconds." },
  max_retry_time = t.number {
    default = 60,
    between = { -1, 31536000 },
    about = "Seconds after which what still fails is lost; -1: it is tried once.",
  },
  concurrency_limit = t.one_of {
    1,
    -1,
    default = 1,
    later = "deliveries go out one after the other",
    about = "Deliveries at the same time.",
  },
}
