local t = require("moongate.schema")
local keys = require("moongate.limit.keys")

local MOST = 1000000

local function with(one, more)
  for key, kind in pairs(more) do
    one[key] = kind
  end
  return one
end

local function tier()
  return t.record {
    limit = t.integer { between = { 1, MOST }, about = "How many at once." },
    queue_size = t.integer { between = { 0, MOST }, about = "How many may wait; else as beside `tiers`." },
    queue_timeout = t.duration { between = { 0.001, 3600 }, about = "For how long; else as beside `tiers`." },
    unlimited = t.boolean { default = false, about = "As many as they like." },
    t.check(function(record)
      if (record.limit ~= nil) ~= record.unlimited then return true end
      return nil, record.unlimited and "has no limit where it is unlimited" or "is required", "limit"
    end),
  }
end

return t.record(with(keys.fields(), {
  limit = t.integer {
    between = { 1, MOST },
    required = true,
    about = "How many requests of a key may be there at once.",
  },
  queue_size = t.integer {
    between = { 0, MOST },
    default = 0,
    about = "How many more wait for a place, first come first served; 0: none.",
  },
  queue_timeout = t.duration {
    between = { 0.001, 3600 },
    default = "1s",
    about = "How long one waits; then it is refused.",
  },
  tiers = t.map {
    keys = t.string { len_min = 1 },
    values = tier(),
    about = "Numbers for members of a consumer group, by its name: each group counts for itself.",
  },
  counter = t.string {
    match = "^[%w_.-]+$",
    len_max = 64,
    about = "Counts together with every use that names the same counter; else the use counts for itself.",
  },
  error_code = t.integer { between = { 400, 599 }, default = 429, about = "The status of a refusal." },
  error_message = t.string { default = "too many requests at once", about = "Its detail." },
  retry_after = t.integer { between = { 1, 3600 }, default = 1, about = "Seconds in its `Retry-After`." },
  dry_run = t.boolean {
    default = false,
    about = "Counts, and lets everybody pass: metrics and logs say who would not have.",
  },
  t.check(function(record)
    local message, field = keys.problem(record)
    if message then return nil, message, field end
    return true
  end),
}))
