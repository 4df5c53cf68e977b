-- Schemas that were written for Kong, read as they are.
local kong = require("moongate.kong.schema")
local t = require("moongate.schema")
local typedefs = require("moongate.kong.typedefs")

local function schema(fields, checks, plugin_checks)
  return kong.convert {
    name = "x",
    fields = {
      { protocols = typedefs.protocols_http },
      { config = { type = "record", fields = fields, entity_checks = checks } },
    },
    entity_checks = plugin_checks,
  }
end

local function errors(kind, value)
  local _, list = t.validate(kind, value)
  local out = {}
  for i, err in ipairs(list) do
    out[i] = table.concat(err.path, ".") .. ": " .. err.message
  end
  return out
end

describe("a schema of Kong's", function()
  it("gives defaults, leaves out what was not written, and keeps what is required", function()
    local kind = schema {
      { a = { type = "string", default = "x", description = "What a is for." } },
      { b = { type = "array", elements = { type = "string" }, default = {} } },
      { c = { type = "record", fields = { { d = { type = "number", default = 1 } } } } },
      { e = { type = "record", required = true, fields = { { f = { type = "number", default = 2 } } } } },
      { g = { type = "integer" } },
    }
    assert.same({ a = "x", b = {}, e = { f = 2 } }, (t.validate(kind, {})))
    assert.same({ a = "x", b = {}, c = { d = 1 }, e = { f = 2 } }, (t.validate(kind, { c = {} })))
    assert.equal("What a is for.", kind.fields.a.about)
    assert.same(
      { "h: is required (a string)" },
      errors(schema { { h = { type = "string", required = true } } }, {})
    )
  end)

  for name, case in pairs {
    match = { { type = "string", match = "^a" }, "b", "abc" },
    not_match = { { type = "string", not_match = "^a" }, "a", "b" },
    len_eq = { { type = "string", len_eq = 2 }, "a", "ab" },
    is_regex = { { type = "string", is_regex = true }, "a(", "a+" },
    timestamp = { { type = "number", timestamp = true }, -1, 1767225600 },
    ["typedefs.cookie_name"] = { typedefs.cookie_name, "a b", "session-id" },
    ["typedefs.wildcard_host"] = { typedefs.wildcard_host, "a/b", "*.example.com" },
    ["typedefs.host_with_optional_port"] = {
      typedefs.host_with_optional_port { required = true },
      "a b",
      "a.b:81",
    },
    ["typedefs.protocol"] = { typedefs.protocol, "gopher", "https" },
    ["typedefs.semantic_version"] = { typedefs.semantic_version, "1", "1.2.3" },
    ["typedefs.certificate"] = { typedefs.certificate, "x", "-----BEGIN CERTIFICATE-----" },
    ["typedefs.key"] = { typedefs.key, "x", "-----BEGIN EC PRIVATE KEY-----" },
    ["typedefs.methods"] = { typedefs.methods, { "a b" }, { "GET" } },
    starts_with = { { type = "string", starts_with = "/" }, "a", "/a" },
    one_of = { { type = "string", one_of = { "a", "b" } }, "c", "a" },
    not_one_of = { { type = "string", not_one_of = { "a" } }, "a", "c" },
    match_all = {
      { type = "string", match_all = { { pattern = "a" }, { pattern = "b", err = "no b" } } },
      "a",
      "ab",
    },
    match_none = { { type = "string", match_none = { { pattern = "%s" } } }, "a b", "ab" },
    match_any = { { type = "string", match_any = { patterns = { "^a", "^b" } } }, "c", "b" },
    between = { { type = "number", between = { 1, 2 } }, 3, 2 },
    gt = { { type = "number", gt = 1 }, 1, 2 },
    eq = { { type = "boolean", eq = true }, false, true },
    ne = { { type = "string", ne = "a" }, "a", "b" },
    integer = { { type = "integer" }, 1.5, 2 },
    contains = { { type = "array", elements = { type = "string" }, contains = "a" }, { "b" }, { "a", "b" } },
    len_min = { { type = "set", elements = { type = "string" }, len_min = 1 }, {}, { "a" } },
    map = {
      { type = "map", keys = { type = "string", match = "^a" }, values = { type = "number" } },
      { b = 1 },
      { a = 1 },
    },
    uuid = { { type = "string", uuid = true }, "a", "01234567-89ab-cdef-0123-456789abcdef" },
    custom_validator = {
      {
        type = "string",
        custom_validator = function(value)
          if value == "a" then return true end
          return nil, "is not a"
        end,
      },
      "b",
      "a",
    },
    url = { typedefs.url { required = true }, "nothing", "http://a/" },
    port = { typedefs.port, 70000, 80 },
    header_name = { typedefs.header_name, "a b", "x-a" },
    ip_or_cidr = { typedefs.ip_or_cidr, "10.0.0.0/33", "10.0.0.0/8" },
    timeout = { typedefs.timeout, -1, 500 },
  } do
    it("checks " .. name, function()
      local kind = schema { { f = case[1] } }
      assert.equal(1, #errors(kind, { f = case[2] }))
      assert.same({}, errors(kind, { f = case[3] }))
    end)
  end

  local A, B = { a = { type = "string" } }, { b = { type = "string" } }

  for name, case in pairs {
    at_least_one_of = { { "a", "b" }, {}, { a = "1" } },
    only_one_of = { { "a", "b" }, { a = "1", b = "2" }, { b = "2" } },
    mutually_required = { { "a", "b" }, { a = "1" }, { a = "1", b = "2" } },
    mutually_exclusive = { { "a", "b" }, { a = "1", b = "2" }, {} },
    mutually_exclusive_sets = { { set1 = { "a" }, set2 = { "b" } }, { a = "1", b = "2" }, { a = "1" } },
    distinct = { { "a", "b" }, { a = "1", b = "1" }, { a = "1", b = "2" } },
    conditional = {
      { if_field = "a", if_match = { eq = "x" }, then_field = "b", then_match = { required = true } },
      { a = "x" },
      { a = "y" },
    },
    conditional_at_least_one_of = {
      { if_field = "a", if_match = { one_of = { "x" } }, then_at_least_one_of = { "b" } },
      { a = "x" },
      { a = "x", b = "1" },
    },
    custom_entity_check = {
      {
        field_sources = { "a" },
        fn = function(entity)
          if entity.a ~= "no" then return true end
          return nil, "no"
        end,
      },
      { a = "no" },
      { a = "yes" },
    },
  } do
    it("keeps the check " .. name, function()
      local kind = schema({ A, B }, { { [name] = case[1] } })
      assert.equal(1, #errors(kind, case[2]))
      assert.same({}, errors(kind, case[3]))
    end)
  end

  it("keeps the checks of the whole plugin, which speak of config.a", function()
    local kind = schema({ A, B }, nil, { { at_least_one_of = { "config.a", "config.b" } } })
    assert.same({ ": at least one of these fields must be set: a, b" }, errors(kind, {}))
  end)

  it("is refused where it says what cannot be kept", function()
    for reason, field in pairs {
      ['config.f: the type "foreign" of Kong\'s schemas has no like here'] = {
        type = "foreign",
        reference = "consumers",
      },
      ['config.f: the type "function" of Kong\'s schemas has no like here'] = { type = "function" },
      ['config.f: the attribute "mutually_exclusive_subsets" of Kong\'s schemas has no like here'] = {
        type = "string",
        mutually_exclusive_subsets = {},
      },
      ['config.f[]: the type "nil" of Kong\'s schemas has no like here'] = { type = "array", elements = {} },
    } do
      local ok, why = pcall(schema, { { f = field } })
      assert.is_false(ok)
      assert.equal(reason, why)
    end
    local _, why = pcall(schema, { A }, { { something = {} } })
    assert.equal('config: the check "something" of Kong\'s schemas has no like here', why)
    _, why = pcall(function() return typedefs.nonsense end)
    assert.truthy(why:find("typedefs.nonsense has no like here", 1, true))
  end)

  it("hides what is encrypted", function()
    local kind = schema { { a = { type = "string", encrypted = true } } }
    assert.same({ a = "***" }, t.redact(kind, { a = "x" }))
  end)
end)
