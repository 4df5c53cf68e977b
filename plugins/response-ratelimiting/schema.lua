local t = require("moongate.schema")

local PERIODS = { "second", "minute", "hour", "day", "month", "year" }

-- A longer period that lets less pass than a shorter one makes the shorter one's number a lie.
local function in_order(record)
  local shorter
  for _, period in ipairs(PERIODS) do
    local limit = record[period]
    if limit and shorter and limit < record[shorter] then
      return nil, ("(%g) must not be below %s (%g)"):format(limit, shorter, record[shorter]), period
    end
    shorter = limit and period or shorter
  end
  if not shorter then return nil, "needs at least one of second, minute, hour, day, month, year" end
  return true
end

local function periods()
  local fields = { t.check(in_order) }
  for _, period in ipairs(PERIODS) do
    fields[period] =
      t.number { gt = 0, about = ("How much in a %s, which begins by the clock (UTC)."):format(period) }
  end
  return t.record(fields)
end

local POLICIES = { ["local"] = true, redis = false, cluster = false }

local fields = {
  header_name = t.header_name {
    default = "x-kong-limit",
    about = "The header of the service's response that says what it cost: `video=2, image=1`. Clients do not see it.",
  },
  limits = t.map {
    keys = t.string { match = "^[%w!#$%%&'*+.^_`|~-]+$", len_max = 64 },
    values = periods(),
    required = true,
    len_min = 1,
    len_max = 16,
    about = "What is limited, by a name that the service uses, too.",
  },
  limit_by = t.one_of {
    "consumer",
    "credential",
    "ip",
    default = "consumer",
    about = "Whom it counts; who is no consumer is counted by address.",
  },
  ipv6_prefix = t.integer {
    between = { 1, 128 },
    default = 64,
    about = "Which part of an IPv6 address is one client.",
  },
  policy = t.one_of {
    "local",
    "redis",
    "cluster",
    default = "local",
    about = "Where it counts: in this process (all workers together).",
    check = function(value)
      if POLICIES[value] then return true end
      return nil, ('"%s" is known, not in this version'):format(value)
    end,
  },
  block_on_first_violation = t.boolean {
    default = false,
    about = "Refuses every request as soon as one limit is used up, before the service is asked.",
  },
  hide_client_headers = t.boolean { default = false, about = "Clients are not told of their limits." },
  fault_tolerant = t.boolean {
    default = true,
    about = "Kong's: whether requests pass when the counters cannot be asked.",
  },
  redis = t.any { secret = true, about = "Kong's, of `policy: redis`." },
}

for _, name in ipairs {
  "database",
  "host",
  "password",
  "port",
  "server_name",
  "ssl",
  "ssl_verify",
  "timeout",
  "username",
} do
  fields["redis_" .. name] = t.any { secret = name == "password", about = "Kong's, of `policy: redis`." }
end

return t.record(fields)
