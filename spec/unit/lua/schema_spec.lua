local t = require("moongate.schema")

local function errors_of(kind, value, opts)
  local _, errors = t.validate(kind, value, opts)
  local lines = {}
  for i, err in ipairs(errors) do
    lines[i] = table.concat(err.path, ".") .. ": " .. err.message
  end
  return table.concat(lines, "\n")
end

local function value_of(kind, value, opts)
  local result, errors = t.validate(kind, value, opts)
  assert.equal(0, #errors, errors[1] and errors[1].message)
  return result
end

describe("moongate.schema", function()
  it("fills defaults, also those of nested records", function()
    local kind = t.record {
      names = t.array { t.header_name {}, default = { "apikey" } },
      add = t.record { headers = t.array { t.string {}, default = {} } },
      redis = t.record { host = t.host { required = true }, port = t.port { default = 6379 } },
    }
    assert.same({ names = { "apikey" }, add = { headers = {} } }, value_of(kind, nil))
    assert.same(6379, value_of(kind, { redis = { host = "r" } }).redis.port)
  end)

  it("gives every value its own copy of a default", function()
    local kind = t.record { list = t.array { t.string {}, default = { "a" } } }
    assert.are_not.equal(value_of(kind, {}).list, value_of(kind, {}).list)
  end)

  it("never changes its input", function()
    local kind = t.record { wait = t.duration {}, more = t.record { on = t.boolean { default = true } } }
    local input = { wait = "30s", more = {} }
    assert.same({ wait = 30, more = { on = true } }, value_of(kind, input))
    assert.same({ wait = "30s", more = {} }, input)
  end)

  it("collects every error with its path", function()
    local kind = t.record {
      a = t.array { t.integer { gt = 0 } },
      b = t.record({ c = t.string { required = true } }, { required = true }),
    }
    assert.equal(
      'a.1: must be more than 0, got -1\na.2: expected an integer, got the string "x"\n'
        .. "b.c: is required (a string)\nq: unknown field (known: a, b)",
      errors_of(kind, { a = { 1, -1, "x" }, q = 1 })
    )
  end)

  it("takes a Kong file's defaults there, and warns of the unsafe ones that were not written", function()
    local kind = t.record {
      hide = t.boolean { default = true, kong_default = false, kong_unsafe = "keys reach the upstream" },
      realm = t.string { default = "us", kong_default = t.none },
    }
    assert.same({ hide = true, realm = "us" }, value_of(kind, {}))
    local value, _, warnings = t.validate(kind, {}, { kong = true })
    assert.same({ hide = false }, value)
    assert.same(
      { { path = { "hide" }, message = "relies on the default false: keys reach the upstream" } },
      warnings
    )
    _, _, warnings = t.validate(kind, { hide = false }, { kong = true })
    assert.same({}, warnings)
  end)

  it("warns of unsafe defaults inside a record that was filled in, too", function()
    local kind = t.record {
      cookie = t.record {
        secure = t.boolean { default = true, kong_default = false, kong_unsafe = "it can be read" },
      },
    }
    local _, _, warnings = t.validate(kind, {}, { kong = true })
    assert.same(
      { { path = { "cookie", "secure" }, message = "relies on the default false: it can be read" } },
      warnings
    )
  end)

  it("takes what comes later only with its default", function()
    local kind = t.record {
      body = t.array { t.string {}, default = {}, later = "One call instead of six" },
      health = t.any {
        default = { active = { type = "http", codes = { 200, 302 } } },
        later = "Upstreams that fail",
      },
    }
    value_of(kind, { body = {}, health = { active = { codes = { 200, 302 } } } })
    assert.equal(
      "body: known, not in this version\nhealth: known, not in this version",
      errors_of(kind, { body = { "x" }, health = { active = { codes = { 200 } } } })
    )
  end)

  it("keeps the secret out of messages and copies", function()
    local kind = t.record { key = t.string { secret = true, len_min = 9, match = "^%d+$" } }
    assert.equal("key: expected a string, got a number (write it in quotes)", errors_of(kind, { key = 12345 }))
    assert.is_nil(errors_of(kind, { key = "hush" }):find("hush", 1, true))
    assert.same({ key = "***" }, t.redact(kind, { key = "hush" }))
  end)

  it(
    "drops the doubles of a set",
    function() assert.same({ "a", "b" }, value_of(t.set { t.string {} }, { "a", "b", "a" })) end
  )

  it("survives a check of the plugin's own that fails", function()
    local kind = t.record { a = t.string { check = function(text) return text.x.y end } }
    assert.is_truthy(
      errors_of(kind, { a = "x" }):find("a: cannot be checked, the schema's own function failed", 1, true)
    )
    kind = t.record { a = t.any {}, t.check(function(record) return record.b.c end) }
    assert.is_truthy(errors_of(kind, {}):find("the schema's own function failed", 1, true))
  end)

  it("asks a check of the plugin's own last", function()
    local kind = t.record {
      low = t.integer {},
      high = t.integer {},
      t.check(function(record) return record.low < record.high, "must be more than low", "high" end),
    }
    value_of(kind, { low = 1, high = 2 })
    assert.equal("high: must be more than low", errors_of(kind, { low = 2, high = 1 }))
    assert.equal('low: expected an integer, got the string "x"', errors_of(kind, { low = "x", high = 1 }))
  end)
end)

describe("the rules of a record", function()
  local function fields(rule) return t.record { a = t.any {}, b = t.any {}, c = t.any {}, rule } end
  local CASES = {
    { t.at_least_one_of { "a", "b" }, {}, ": needs at least one of a, b" },
    { t.at_least_one_of { "a", "b" }, { b = 1 }, "" },
    { t.only_one_of { "a", "b" }, { a = 1, b = 1 }, ": takes only one of a, b" },
    { t.mutually_required { "a", "b" }, { a = 1 }, ": a, b belong together: b is missing" },
    { t.mutually_required { "a", "b" }, {}, "" },
    { t.mutually_exclusive { "a", "b" }, { a = 1, b = 1 }, ": a, b exclude each other" },
    {
      t.conditional { if_field = "a", if_equals = "x", then_field = "b" },
      { a = "x" },
      'b: is required, because a is "x"',
    },
    { t.conditional { if_field = "a", if_equals = "x", then_field = "b" }, { a = "y" }, "" },
    {
      t.conditional { if_field = "a", then_field = "b", then_one_of = { 1, 2 } },
      { a = {}, b = 3 },
      "b: must be one of 1, 2, because a is set",
    },
  }
  for i, case in ipairs(CASES) do
    it("hold or say why (" .. i .. ")", function() assert.equal(case[3], errors_of(fields(case[1]), case[2])) end)
  end
end)

describe("the types", function()
  local CASES = {
    { t.string {}, "x", "x" },
    { t.string {}, 5, "(write it in quotes)" },
    { t.integer {}, 5, 5 },
    { t.integer {}, 5.5, "must be a whole number" },
    { t.number {}, 5.5, 5.5 },
    { t.number {}, 0 / 0, "must be a finite number" },
    { t.boolean {}, false, false },
    { t.boolean {}, "yes", "expected a boolean" },
    { t.header_name {}, "X-Key", "X-Key" },
    { t.header_name {}, "X Key", "is not a header name" },
    { t.http_method {}, "GET", "GET" },
    { t.http_method {}, "get", "in capital letters" },
    { t.host {}, "Example.COM", "example.com" },
    { t.host {}, "[::1]", "::1" },
    { t.host {}, "a_b.local", "a_b.local" },
    { t.host {}, "256.1.1.1", "is not a host" },
    { t.host {}, "-x.com", "is not a host" },
    { t.host {}, "a b", "is not a host" },
    { t.ip {}, "10.0.0.1", "10.0.0.1" },
    { t.ip {}, "010.0.0.1", "is not an IP address" },
    { t.ip {}, "::ffff:1.2.3.4", "::ffff:1.2.3.4" },
    { t.ip {}, "1::2::3", "is not an IP address" },
    { t.ip {}, "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8" },
    { t.ip {}, "1:2:3:4:5:6:7", "is not an IP address" },
    { t.ip {}, ":::", "is not an IP address" },
    { t.ip {}, "1.2.3.4::", "is not an IP address" },
    { t.cidr {}, "10.0.0.0/8", "10.0.0.0/8" },
    { t.cidr {}, "10.0.0.0/33", "has more bits" },
    { t.ip_or_cidr {}, "fe80::/10", "fe80::/10" },
    { t.ip_or_cidr {}, "x/8", "is not an IP address or a network" },
    { t.port {}, 8000, 8000 },
    { t.port {}, 0, "must be a port" },
    { t.port {}, 65536, "must be a port" },
    { t.path {}, "/a%20b", "/a%20b" },
    { t.path {}, "a", 'must begin with "/"' },
    { t.path {}, "/a%2", "two hex digits" },
    { t.path {}, "/a?b", "must not hold" },
    { t.url {}, "http://h:80/p?q", "http://h:80/p?q" },
    { t.url {}, "h/p", "is not an absolute URL" },
    { t.url {}, "http://:80/", "is not a URL" },
    { t.uuid {}, "9B2A4D6E-0000-4000-8000-000000000001", "9b2a4d6e-0000-4000-8000-000000000001" },
    { t.uuid {}, "9b2a", "is not a UUID" },
    { t.name {}, "user-api", "user-api" },
    { t.name {}, "a/b", "must be 1 to 128 letters" },
    { t.tag {}, "team a", "team a" },
    { t.tag {}, "a,b", "without , and /" },
    { t.duration {}, "500ms", 0.5 },
    { t.duration {}, "5m", 300 },
    { t.duration {}, "5", "needs a number and its unit" },
    { t.duration { unit = "ms" }, "1.5s", 1500 },
    { t.duration {}, 5, "expected a duration" },
    { t.duration {}, "0s", "must be more than 0" },
    { t.duration { off = true }, "off", 0 },
    { t.duration {}, "off", "cannot be switched off" },
    { t.duration { gt = 10 }, "5s", "must be more than 10" },
    { t.size {}, "10m", 10485760 },
    { t.size {}, "4g", 4294967296 },
    { t.size {}, "10x", "needs a number and its unit" },
    { t.size {}, "99999999999g", "is too large" },
    { t.timeout {}, 60000, 60000 },
    { t.timeout {}, "30s", 30000 },
    { t.timeout {}, 0.5, "whole number of milliseconds" },
    { t.seconds {}, 0.25, 250 },
    { t.seconds {}, 0, 0 },
    { t.seconds {}, "1m", 60000 },
    { t.seconds {}, -1, "number of seconds from 0 to 65535" },
    { t.one_of { "a", "b" }, "b", "b" },
    { t.one_of { "local", "redis" }, "rediss", '(did you mean "redis"?)' },
    { t.one_of { 301, 302 }, 300, "must be one of 301, 302, got 300" },
    { t.string { len_min = 1 }, "", "must not be empty" },
    { t.string { len_max = 2 }, "abc", "takes at most 2" },
    { t.string { match = "^a" }, "b", "does not match the pattern" },
    { t.string { not_match = "^a" }, "a", "must not match" },
    { t.array { t.string {}, len_min = 1 }, {}, "must not be empty" },
    { t.array { t.header_name {} }, "x", 'expected an array of header names, got the string "x"' },
    { t.array { t.string {} }, { a = 1 }, "expected an array of strings, got a map" },
    { t.map { t.integer {} }, { 1, 2 }, "expected a map of integers, got an array" },
    { t.map { t.header_name {}, t.string {} }, { ["a b"] = "x" }, "is not a header name" },
    { t.record { a = t.any {} }, { 1 }, "expected a map of settings, got an array" },
  }
  for _, case in ipairs(CASES) do
    local kind, value, wanted = unpack(case)
    it(("take or refuse: %s, %s"):format(kind.name, tostring(value)), function()
      local result, errors = t.validate(kind, value)
      if #errors == 0 then
        assert.same(wanted, result)
      else
        assert.is_truthy(errors[1].message:find(wanted, 1, true), errors[1].message)
      end
    end)
  end
end)
