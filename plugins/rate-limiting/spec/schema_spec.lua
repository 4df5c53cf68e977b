--- What may be written, and what people are told who write something else.
local config = require("moongate.config")

-- The errors of a use's configuration, each with the field it belongs to.
local function errors(text, kong)
  local head = kong and '_format_version: "3.0"\n' or ""
  local result, found = config.load("moongate.yaml", {
    bundled = "plugins",
    env = function() end,
    text = head
      .. "listeners: [{ address: 127.0.0.1:8000 }]\ndefault_access: allow\nplugins:\n  - name: rate-limiting\n    config:\n"
      .. text:gsub("[^\n]+", "      %0")
      .. "\n",
  })
  local list = {}
  for i, entry in ipairs(found or {}) do
    list[i] = entry.path:gsub("^plugins%[0%]%.config%.?", "") .. ": " .. entry.message
  end
  return list, result
end

local function good(text, kong)
  local list, result = errors(text, kong)
  assert.same({}, list)
  return result.plugins[1].config
end

describe("the configuration of rate-limiting", function()
  for _, text in ipairs {
    "limit: 100\nwindow: 60",
    "limit: 100\nwindow: 90s\nalign: first",
    "limit: 100\nwindow: minute",
    "limit: 100\nwindow: month",
    "limit: 0.5\nwindow: 0.25",
    "algorithm: sliding-window\nlimit: 100\nwindow: 1h\napproximate: true",
    "algorithm: token-bucket\ncapacity: 100\nrefill_rate: 10",
    "algorithm: leaky-bucket\nqueue_size: 50\ndrain_rate: 5\nnodelay: true",
    "second: 5\nhour: 10000\nyear: 10000",
    "limits: [{ limit: 1, window: 1 }, { limit: 5, window: 60, limit_by: ip, cost: 2 }]",
    "limit: 1\nwindow: 1\nlimit_by: [consumer, { header: X-A }, { claim: org }, { expression: request.path }, { path: /x }]",
    "limit: 1\nwindow: 1\nlimit_by: header\nheader_name: X-A\nmissing_key: nobody",
    "limit: 1\nwindow: 1\ncost: request.content_length or 1\ncost_from: { header: X-Cost }",
    "limit: 1\nwindow: 1\ntiers: { gold: { limit: 5, window: 2 }, staff: { unlimited: true } }",
    "minute: 1\ntiers: { gold: { minute: 5 } }",
    "limit: 1\nwindow: 1\npolicy: local\nfault_tolerant: false\nsync_rate: -1\nsize: 1m\ncounter: plan",
    "limits: [{ name: a, limit: 1, window: 1 }]\nlimit_by: ip\ncost: 3\nmissing_key: deny",
  } do
    it("takes " .. text:gsub("\n", ", "), function() good(text) end)
  end

  local KEY = "must be one of claim, consumer, credential, expression, header, ip, path, route, service, got "
  local WINDOW = ': write seconds, a duration such as "90s", or day, week, month, year'
  for _, row in ipairs {
    {
      "{}",
      ": says no limit: write limit and window, an algorithm with its numbers, second … year, or limits",
    },
    {
      "limt: 5\nwindow: 60",
      'limt: unknown field (did you mean "limit"?)',
      "limit: is required, because algorithm is fixed-window",
    },
    { "limit: 5", "window: is required, because algorithm is fixed-window" },
    { "window: 5", "limit: is required, because algorithm is fixed-window" },
    { "limit: 0\nwindow: 5", "limit: must be more than 0, got 0" },
    { "limit: lots\nwindow: 5", 'limit: expected a number, got the string "lots"' },
    { "limit: 5\nwindow: minut", 'window: is no window (did you mean "minute"?)' },
    { "limit: 5\nwindow: 5 apples", "window: is no window" .. WINDOW },
    { "limit: 5\nwindow: 0", "window: is no window: it must be from 1 ms to 366 days" },
    { "limit: 5\nwindow: [60]", "window: must be a number or a text" },
    { "limit: 5\nwindow: 2y", "window: is no window" .. WINDOW },
    { "limit: 5\nwindow: month\nalign: first", "align: is not for a month of the calendar" },
    {
      "algorithm: sliding-window\nlimit: 5\nwindow: month",
      "window: must be seconds or a duration for sliding-window: a month of the calendar does not slide",
    },
    {
      "algorithm: token-buckt\ncapacity: 5\nrefill_rate: 1",
      'algorithm: must be one of "fixed-window", "sliding-window", "token-bucket", "leaky-bucket", got "token-buckt" '
        .. '(did you mean "token-bucket"?)',
    },
    { "algorithm: token-bucket\ncapacity: 5", "refill_rate: is required, because algorithm is token-bucket" },
    {
      "algorithm: token-bucket\nlimit: 5\nwindow: 60",
      "limit: is of fixed-window and sliding-window, and algorithm is token-bucket",
    },
    { "capacity: 5\nrefill_rate: 60", "capacity: is of token-bucket, and algorithm is fixed-window" },
    {
      "limit: 5\nwindow: 60\napproximate: true",
      "approximate: is of sliding-window, and algorithm is fixed-window",
    },
    { "limit: 5\nwindow: 60\nnodelay: true", "nodelay: is of leaky-bucket, and algorithm is fixed-window" },
    { "limit: 5\nwindow: 60\nlimit_by: consmer", "limit_by: " .. KEY .. '"consmer" (did you mean "consumer"?)' },
    { "limit: 5\nwindow: 60\nlimit_by: header", "limit_by: needs header_name, or is written { header: NAME }" },
    { "limit: 5\nwindow: 60\nlimit_by: claim", "limit_by: claim says of what as a map: { claim: … }" },
    {
      "limit: 5\nwindow: 60\nlimit_by: { headr: X }",
      'limit_by: knows no { headr: … } (did you mean "header"?)',
    },
    { "limit: 5\nwindow: 60\nlimit_by: { header: 'a b' }", 'limit_by: "a b" is not a header name' },
    {
      "limit: 5\nwindow: 60\nlimit_by: { header: X, claim: y }",
      "limit_by: a part of a key is one word or a map of one",
    },
    { "limit: 5\nwindow: 60\nlimit_by: []", "limit_by: must not be empty" },
    { "limit: 5\nwindow: 60\nlimit_by: [5]", "limit_by: must be a word, a map of one, or a list of them" },
    {
      "limit: 5\nwindow: 60\nlimit_by: { expression: reqest.path }",
      'limit_by: the expression knows no "reqest" (did you mean "request"?)',
    },
    { "limit: 5\nwindow: 60\ncost: -1", "cost: must be from 0 to 1000000000" },
    {
      "limit: 5\nwindow: 60\ncost: os.time()",
      'cost: the expression knows no "os" (known: client, consumer, request, route)',
    },
    { "limit: 5\nwindow: 60\ncost: true", "cost: must be a number or an expression" },
    { "limit: 5\nwindow: 60\ncost_from: {}", "cost_from: needs at least one of header, bytes" },
    {
      "limit: 5\nwindow: 60\ncost_from: { header: X, bytes: both }",
      "cost_from: takes only one of header, bytes",
    },
    { "limit: 5\nwindow: 60\nmissing_key: 'a b'", 'missing_key: "a b" does not match the pattern "^[%w_.-]+$"' },
    {
      "limit: 5\nwindow: 60\nmissing_key: Dney",
      'missing_key: must not look like "deny": write that, or another name',
    },
    {
      "algorithm: sliding-window\nlimit: 5001\nwindow: 60",
      "limit: may be 5000 at most, because each request is remembered: set approximate: true for more",
    },
    { "limit: 5\nwindow: 60\nredis: main", "redis: is of policy: redis" },
    { "limit: 5\nwindow: 60\nsync: leased", "sync: is of policy: redis" },
    {
      "limit: 5\nwindow: 60\npolicy: redis",
      "redis: is needed by policy: redis: the name of a connection",
    },
    { "limit: 5\nwindow: 60\nipv6_prefix: 129", "ipv6_prefix: must be between 1 and 128, got 129" },
    { "limit: 5\nwindow: 60\nerror_code: 200", "error_code: must be between 400 and 599, got 200" },
    {
      "limit: 5\nwindow: 60\nheaders: none",
      'headers: must be one of "draft", "legacy", "both", "off", got "none"',
    },
    { "limit: 5\nwindow: 60\npolicy: cluster", 'policy: "cluster" is known, not in this version' },
    {
      "limit: 5\nwindow: 60\nlimits: [{ limit: 1, window: 1 }]",
      "limit: stands in each of limits, where there are limits",
    },
    { "second: 5\nlimits: [{ limit: 1, window: 1 }]", "limits: stands in each of limits, where there are limits" },
    {
      "limits: [{ algorithm: leaky-bucket, queue_size: 1, drain_rate: 1 }, { algorithm: leaky-bucket, queue_size: 1, drain_rate: 2 }]",
      "limits: may hold one leaky-bucket to wait in: write nodelay: true at the others",
    },
    { "limit: 5\nwindow: 60\nsize: 1m", "size: is of a counter that has a name: write counter" },
    { "limit: 5\nwindow: 60\nsize: 1k\ncounter: x", "size: must be between 65536 and 1099511627776, got 1024" },
    { "limits: []", "limits: must not be empty" },
    { "limits: [{ limit: 1 }]", "limits[0].window: is required, because algorithm is fixed-window" },
    {
      "limits: [{ limit: 1, window: 1, limit_by: header }]",
      "limits[0].limit_by: needs header_name, or is written { header: NAME }",
    },
    {
      "limits: [{ limit: 1, window: 1, policy: local }]",
      "limits[0].policy: unknown field (known: algorithm, align, approximate, capacity, cost, cost_from, drain_rate, "
        .. "header_name, ipv6_prefix, limit, limit_by, missing_key, …)",
    },
    { "second: 5\nlimit: 1\nwindow: 1", "limit: is not beside Kong's second … year" },
    { "second: 50\nminute: 5", "minute: (5) must not be lower than second (50)" },
    {
      "limit: 1\nwindow: 1\ntiers: { gold: { capacity: 5 } }",
      "tiers: gold.capacity is of token-bucket, and algorithm is fixed-window",
    },
    {
      "limit: 1\nwindow: 1\ntiers: { gold: { minute: 5 } }",
      "tiers: gold Kong's second … year are beside those of the use only",
    },
    { "minute: 1\ntiers: { gold: { limit: 5 } }", "tiers: gold.limit is not beside Kong's second … year" },
    {
      "second: 2\nminute: 3\ntiers: { gold: { second: 5 } }",
      "tiers: gold.minute (3) must not be lower than second (5)",
    },
    {
      "limits: [{ limit: 1, window: 1 }]\ntiers: { gold: { limit: 5 } }",
      "tiers: stands in each of limits, where there are limits",
    },
  } do
    it("does not take " .. row[1]:gsub("\n", ", "), function()
      local found = errors(row[1])
      assert.equal(row[2], found[1])
    end)
  end

  it("has defaults that are safe, and Kong's in a file of Kong's", function()
    local own = good("limit: 5\nwindow: 60")
    assert.equal("draft", own.headers)
    assert.is_nil(own.missing_key)
    assert.equal(429, own.error_code)
    local kong = good("minute: 5", true)
    assert.equal("both", kong.headers)
    assert.equal("ip", kong.missing_key)
    assert.equal("API rate limit exceeded", kong.error_message)
  end)
end)
