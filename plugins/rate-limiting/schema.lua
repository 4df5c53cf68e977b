local t = require("moongate.schema")
local keys = require("moongate.limit.keys")
local rules = require("rate-limiting.rules")
local when = require("moongate.when")

-- A type that is written in more than one way.
local function custom(noun, about, fn, takes)
  local kind = t.any { about = about, check = fn }
  kind.noun, kind.takes = noun, takes
  return kind
end

local function window()
  return custom(
    { "a window", "windows" },
    'Seconds, a duration such as "90s", `second`, `minute`, `hour`, or `day`, `week`, `month`, `year` of the calendar '
      .. "(UTC).",
    function(value)
      if type(value) ~= "number" and type(value) ~= "string" then return nil, "must be a number or a text" end
      local normal, reason = rules.window(value)
      return normal ~= nil, reason
    end
  )
end

local function cost()
  return custom(
    { "a number or an expression", "numbers or expressions" },
    "What a request takes: a number, or a Lua expression as of `when:` (1).",
    function(value)
      if type(value) == "number" then
        return value >= 0 and value <= 1e9 or nil, "must be from 0 to 1000000000"
      elseif type(value) ~= "string" then
        return nil, "must be a number or an expression"
      end
      local names, reason = when.check(value)
      return names and true, reason and "the expression " .. reason
    end
  )
end

local function numbers()
  return {
    capacity = t.number { gt = 0, about = "Tokens the bucket holds: the largest burst." },
    refill_rate = t.number { gt = 0, about = "Tokens that come back a second." },
    queue_size = t.number { gt = 0, about = "How many the queue holds." },
    drain_rate = t.number { gt = 0, about = "How many leave it a second." },
    limit = t.number { gt = 0, about = "How many in a window." },
    window = window(),
  }
end

local function with(one, more)
  for key, kind in pairs(more) do
    one[key] = kind
  end
  return one
end

local function kong_windows()
  local fields = {}
  for _, name in ipairs(rules.KONG) do
    fields[name] =
      t.number { gt = 0, about = ("Kong's: how many in a %s, which begins by the clock."):format(name) }
  end
  return fields
end

local function tier()
  return t.record(with(with(numbers(), kong_windows()), {
    unlimited = t.boolean { default = false, about = "No limit for them." },
  }))
end

-- What a limit says, whether it is the use's only one or stands in `limits`.
local function limit_fields(missing_in_kong)
  local fields = with(keys.fields(), numbers())
  fields.missing_key.kong_default = missing_in_kong
  return with(fields, {
    name = t.string {
      match = "^[%w_.-]+$",
      len_max = 64,
      about = "What clients, logs and metrics call it; else `minute`, `90s`, `bucket` … after its numbers.",
    },
    algorithm = t.one_of {
      "fixed-window",
      "sliding-window",
      "token-bucket",
      "leaky-bucket",
      about = "How it counts (fixed-window).",
    },
    nodelay = t.boolean { about = "Of the leaky bucket: requests do not wait in the queue, they only fill it." },
    align = t.one_of {
      "clock",
      "first",
      about = "When fixed windows begin: by the clock, or with a key's first request (clock).",
    },
    approximate = t.boolean { about = "Of the sliding window: two counters instead of every request's time." },
    cost = cost(),
    cost_from = t.record({
      header = t.header_name { about = "A header of the response that says what it cost." },
      bytes = t.one_of { "request", "response", "both", about = "The bytes of the bodies are the cost." },
      t.only_one_of { "header", "bytes" },
      t.at_least_one_of { "header", "bytes" },
    }, {
      default = t.none,
      about = "What the request cost is known afterwards; `cost` is taken first, then put right.",
    }),
    tiers = t.map {
      t.string { len_min = 1 },
      tier(),
      about = "Other numbers for groups of consumers, by the group's name; the consumer's first group counts.",
    },
  })
end

local TIER_FIELDS = { "capacity", "refill_rate", "queue_size", "drain_rate", "limit", "window" }

-- A tier's numbers must be those of the limit they stand at.
local function tier_problem(record, name, own)
  local merged = { algorithm = record.algorithm }
  for _, field in ipairs(TIER_FIELDS) do
    merged[field] = own[field]
    if merged[field] == nil then merged[field] = record[field] end
  end
  merged.align, merged.nodelay, merged.approximate = record.align, record.nodelay, record.approximate
  local message, field
  if rules.has_kong(record) then
    for _, number in ipairs(TIER_FIELDS) do
      if own[number] then return ("tiers.%s.%s"):format(name, number), "is not beside Kong's second … year" end
    end
    local windows = {}
    for _, window_name in ipairs(rules.KONG) do
      windows[window_name] = own[window_name] or record[window_name]
    end
    message, field = rules.kong_problem(windows)
  elseif rules.has_kong(own) then
    message, field = "Kong's second … year are beside those of the use only", nil
  else
    message, field = rules.problem(merged)
  end
  if message then return ("tiers.%s%s"):format(name, field and "." .. field or ""), message end
end

-- nil, or a message and its field.
local function problem_of_limit(record)
  local message, field
  if not rules.has_kong(record) then
    message, field = rules.problem(record)
  end
  if message then return message, field end
  message, field = keys.problem(record)
  if message then return message, field end
  for name, own in pairs(record.tiers or {}) do
    local place, why = tier_problem(record, name, own)
    if place then return ("%s %s"):format(place:gsub("^tiers%.", ""), why), "tiers" end
  end
end

local function check_limit(record)
  local message, field = problem_of_limit(record)
  if message then return nil, message, field end
  return true
end

local function in_list(record)
  for _, names in pairs(rules.NUMBERS) do
    for _, name in ipairs(names) do
      if record[name] ~= nil then return name end
    end
  end
  return record.algorithm and "algorithm" or record.tiers and "tiers" or record.name and "name"
end

local function shapers(limits)
  local count = 0
  for _, limit in ipairs(limits) do
    if limit.algorithm == "leaky-bucket" and not limit.nodelay then count = count + 1 end
  end
  return count
end

-- A file keeps quotas: fixed windows. nil, or a message and its field.
local function problem_of_file(record)
  if record.on_failure == "local" then return "must be open or closed with policy: file", "on_failure" end
  if record.algorithm and record.algorithm ~= "fixed-window" then
    return "must be fixed-window with policy: file", "algorithm"
  end
  for _, limit in ipairs(record.limits or {}) do
    if limit.algorithm and limit.algorithm ~= "fixed-window" then
      return "may hold nothing but fixed-window with policy: file", "limits"
    end
  end
end

local OF_REDIS = { "sync", "on_failure", "timeout" }

-- What is written for a store that is not asked would be believed in vain.
local function store_problem(record)
  local policy = record.policy
  if policy == "redis" then
    if record.redis == nil and record.redis_host == nil then
      return "is needed by policy: redis: the name of a connection", "redis"
    end
    return
  end
  if type(record.redis) == "string" then return "is of policy: redis", "redis" end
  for _, name in ipairs(OF_REDIS) do
    if record[name] ~= nil and not (policy == "file" and name ~= "sync") then
      return "is of policy: redis", name
    end
  end
end

local function check_use(record, kong)
  local store, at = store_problem(record)
  if store then return nil, store, at end
  if record.policy == "file" then
    local message, field = problem_of_file(record)
    if message then return nil, message, field end
  end
  if record.size and not record.counter then
    return nil, "is of a counter that has a name: write counter", "size"
  end
  local kong_windows_there = rules.has_kong(record)
  if record.limits then
    local name = in_list(record)
    if name or kong_windows_there then
      return nil, "stands in each of limits, where there are limits", name or "limits"
    end
    local message, field = keys.problem(record)
    if message then return nil, message, field end
    if shapers(record.limits) > 1 then
      return nil, "may hold one leaky-bucket to wait in: write nodelay: true at the others", "limits"
    end
    return true
  elseif kong_windows_there then
    local name = in_list(record)
    if name and name ~= "tiers" then return nil, "is not beside Kong's second … year", name end
    local message, field = rules.kong_problem(record)
    if message then return nil, message, field end
  elseif not rules.has_numbers(record) and not record.algorithm then
    return nil, "says no limit: write limit and window, an algorithm with its numbers, second … year, or limits"
  end
  if kong and record.limit_by == "path" and not record.path then
    return nil, "is required, because limit_by is path", "path"
  end
  return check_limit(record)
end

-- Where a Redis is, as Kong writes it.
local REDIS = t.record {
  host = t.host {},
  port = t.port { default = 6379 },
  timeout = t.timeout { default = 2000 },
  username = t.string {},
  password = t.string { secret = true },
  database = t.integer { between = { 0, 65535 }, default = 0 },
  ssl = t.boolean { default = false },
  ssl_verify = t.boolean { default = false },
  server_name = t.host {},
}

local function redis()
  local kind = custom(
    { "a name or a record", "names or records" },
    "Of `policy: redis`: a connection of the top-level `redis`, or Kong's record of host, port …",
    function(value)
      if type(value) == "string" then return true end
      if type(value) ~= "table" then return nil, "must be the name of a connection, or a map of host, port …" end
      local _, problems = t.validate(REDIS, value)
      local first = problems[1]
      return not first, first and ("%s: %s"):format(table.concat(first.path, "."), first.message)
    end
  )
  kind.secret = true
  return kind
end

-- The same in Kong's older files, which has a field for each.
local function redis_fields()
  local fields = {}
  for name in pairs(REDIS.fields) do
    fields["redis_" .. name] = t.any { about = "Kong's older way to write `redis`.", secret = name == "password" }
  end
  return fields
end

-- Where counters can be; what is false is known, and not in this version.
local POLICIES = { ["local"] = true, redis = true, file = true, cluster = false }

local function policy()
  return t.one_of {
    "local",
    "redis",
    "file",
    "cluster",
    default = "local",
    check = function(value)
      if POLICIES[value] then return true end
      return nil, ('"%s" is known, not in this version'):format(value)
    end,
    about = "Where it counts: in this process (all workers together), in Redis, or in the file of quotas, "
      .. "which outlives the process.",
  }
end

return t.record(with(
  redis_fields(),
  with(with(limit_fields("ip"), kong_windows()), {
    limits = t.array {
      t.record(with(limit_fields(), { t.check(check_limit) })),
      len_min = 1,
      len_max = 8,
      about = "Several limits: a request passes all of them, or takes from none. What they do not say of cost and key "
        .. "is as beside them.",
    },
    policy = policy(),
    counter = t.string {
      match = "^[%w_.-]+$",
      len_max = 64,
      about = "Counts together with every use that names the same counter; else the use counts for itself.",
    },
    size = t.size {
      between = { 65536, 2 ^ 40 },
      about = "Memory of a `counter` (32m); what was not used for the longest time leaves when it is full.",
    },
    headers = t.one_of {
      "draft",
      "legacy",
      "both",
      "off",
      default = "draft",
      kong_default = "both",
      about = "What clients are told: `RateLimit` and `RateLimit-Policy` of the IETF's draft, Kong's `RateLimit-Limit` "
        .. "and `X-RateLimit-Limit-Minute` …, both, or nothing. `Retry-After` comes with every refusal.",
    },
    hide_client_headers = t.boolean { default = false, about = "Kong's: as `headers: off`." },
    dry_run = t.boolean {
      default = false,
      about = "Counts, and lets everybody pass: metrics and logs say who would not have.",
    },
    error_code = t.integer { between = { 400, 599 }, default = 429, about = "The status of a refusal." },
    error_message = t.string { default = "API rate limit exceeded", about = "Its detail." },
    fault_tolerant = t.boolean {
      default = true,
      about = "Kong's: whether requests pass when the counters cannot be asked.",
    },
    sync = t.one_of {
      "strict",
      "leased",
      about = "Of `policy: redis`: each request asks (strict), or the node leases slices of the budget and decides by "
        .. "itself; without it as `sync_rate` says.",
    },
    on_failure = t.one_of {
      "open",
      "closed",
      "local",
      about = "What happens when the counters cannot be asked: requests pass, are refused, or are counted here. "
        .. "Without it as `fault_tolerant` says.",
    },
    timeout = t.duration { about = "How long the store may take (20ms)." },
    sync_rate = t.number { default = -1, about = "Kong's; -1: each request asks the store." },
    redis = redis(),
    t.check(check_use),
  })
))
