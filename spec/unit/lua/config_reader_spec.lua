local document = require("moongate.config.document")
local json = require("moongate.config.json")
local yaml = require("moongate.config.yaml")

local ENVIRONMENT = { PORT = "8000", HOST = "example.com", EMPTY = "" }

local function lookup(name) return ENVIRONMENT[name] end

local function first_error(doc)
  local err = doc.errors[1]
  return err and (tostring(err.line) .. ": " .. err.message) or "no error"
end

local function check(read, cases)
  for _, case in ipairs(cases) do
    local text, wanted = case[1], case[2]
    it((type(wanted) == "string" and "refuses " or "reads ") .. ("%q"):format(text:sub(1, 40)), function()
      local doc = read(text, lookup)
      if type(wanted) == "string" then
        assert.is_truthy(first_error(doc):find(wanted, 1, true), first_error(doc))
      else
        assert.equal("no error", first_error(doc))
        assert.same(wanted.value, doc.root)
      end
    end)
  end
end

local function is(value) return { value = value } end

describe("the YAML reader", function()
  check(yaml.read, {
    { "a: 1\nb: [x, 2.5, true, ~]\n", is { a = 1, b = { "x", 2.5, true, document.null } } },
    { "a: yes\nb: no\nc: on\nd: off", is { a = "yes", b = "no", c = "on", d = "off" } },
    { 'a: \'1\'\nb: "true"\nc: !!str 12\nd: !!int "5"', is { a = "1", b = "true", c = "12", d = 5 } },
    {
      "a: 0x1F\nb: 0o17\nc: 1e3\nd: -5\ne: 1.2.3\nf: 0",
      is { a = 31, b = 15, c = 1000, d = -5, e = "1.2.3", f = 0 },
    },
    { "a: 010\nb: -07\nc: 0.5", is { a = "010", b = "-07", c = 0.5 } }, -- 8 to some, 10 to others
    { "a: 1-2\nb: 12:30\nc: .\nd: 1_000", is { a = "1-2", b = "12:30", c = ".", d = "1_000" } },
    { "a: null\nb:", is {} },
    { "8000: x", is { ["8000"] = "x" } },
    { "a: &x { k: v }\nb: *x", is { a = { k = "v" }, b = { k = "v" } } },
    { "d: &d { k: v, l: 1 }\nb: { <<: *d, l: 2 }", is { d = { k = "v", l = 1 }, b = { k = "v", l = 2 } } },
    {
      "a: ${PORT}\nb: '${PORT}'\nc: http://${HOST}:${PORT}/",
      is { a = 8000, b = "8000", c = "http://example.com:8000/" },
    },
    {
      "a: ${NOPE:-7}\nb: ${EMPTY:-x}\nc: $${PORT}\nd: $(headers.x)",
      is { a = 7, b = "x", c = "${PORT}", d = "$(headers.x)" },
    },
    { "", is(nil) },
    { "a: 1\nb: 2\na: 3", '3: the key "a" stands here twice (first in line 1)' },
    { "a: [1\nb: 2", "2: did not find expected ',' or ']'" },
    { "a: b: c", "1: mapping values are not allowed" },
    { "a: 'x", "1: found unexpected end of stream" },
    { "a: *nope", '1: the alias "*nope" has no anchor before it' },
    { "a: &a [*a]", '1: the alias "*a" stands inside its own anchor' },
    { "a: !!binary aGk=", '1: the tag "tag:yaml.org,2002:binary" is not taken here' },
    { "a: !lua/function x", '1: the tag "!lua/function" is not taken here' },
    { "a: 1\n---\nb: 2", "2: a second document begins here" },
    { "x: 1\na: ${NOPE}", "2: the environment has no NOPE" },
    { "a: '{vault://env/key}'", "1: references to vaults are known, not in this version" },
    { "a: ${1X}", '1: "${1X}" is not ${NAME}' },
    { "a: ${OPEN", '1: "${OPEN" is not ${NAME}' },
    { "[a]: 1", "1: a key must be a plain word" },
    { "a:\n  <<: 5", "2: << takes an alias" },
    { ("["):rep(80), "1: nested more than 64 levels deep" },
    { "a: " .. ("x"):rep(70 * 1024 * 1024), "1: the file is larger than" },
  })

  it("bounds what aliases can unfold to", function()
    local lines = { "a0: &a0 [x, x, x, x, x, x, x, x, x, x]" }
    for i = 1, 20 do
      lines[#lines + 1] = ("a%d: &a%d [%s]"):format(i, i, ("*a%d, "):format(i - 1):rep(10))
    end
    local doc = yaml.read(table.concat(lines, "\n"), lookup)
    assert.is_truthy(first_error(doc):find("aliases count each time", 1, true), first_error(doc))
  end)

  it("bounds how deep aliases can nest", function()
    local lines = { "a0: &a0 [x]" }
    for i = 1, 70 do
      lines[#lines + 1] = ("a%d: &a%d [*a%d]"):format(i, i, i - 1)
    end
    local doc = yaml.read(table.concat(lines, "\n"), lookup)
    assert.is_truthy(first_error(doc):find("nested more than 64", 1, true), first_error(doc))
  end)

  it("tells an empty array from an empty map", function()
    local doc = yaml.read("a: []\nb: {}", lookup)
    assert.equal("array", doc.marks[doc.root.a].kind)
    assert.equal("map", doc.marks[doc.root.b].kind)
  end)

  it("goes on after a duplicate key and a missing variable", function()
    local doc = yaml.read("a: 1\na: 2\nb: ${NOPE}\nb: 1", lookup)
    assert.equal(3, #doc.errors)
  end)
end)

describe(
  "the JSON reader",
  function()
    check(json.read, {
      {
        '{"a": [1, -2.5e3, true, false, null, "x"], "b": {}}',
        is { a = { 1, -2500, true, false, document.null, "x" }, b = {} },
      },
      { [["\u00e9\u20ac\ud83d\ude00\n\/\\"]], is("é€😀\n/\\") },
      { '\239\187\191{"a": null}', is {} },
      { '{"a": "${HOST}"}', is { a = "example.com" } },
      { '{"a": "${NOPE}"}', "1: the environment has no NOPE" },
      { '{"a": 1,\n"a": 2}', '2: the key "a" stands here twice (first in line 1)' },
      { [["\ud83d"]], "half of a surrogate pair" },
      { [["\ude00"]], "half of a surrogate pair" },
      { [["\u12"]], "four hex digits" },
      { [["\x"]], '"\\x" is no escape' },
      { '"a\nb"', "1: a control character inside a string" },
      { '"a', "without its closing quote" },
      { '{"a": 01}', "expected a value" },
      { '{"a": 1.}', "expected a value" },
      { '{"a": .5}', "expected a value" },
      { '{"a": NaN}', "expected a value" },
      { '{"a": 1,}', "expected a key in double quotes" },
      { "{a: 1}", "expected a key in double quotes" },
      { "[1 2]", 'expected "," or "]"' },
      { '{"a" 1}', 'expected ":"' },
      { '{"a": 1} x', "something follows the end" },
      { '{\n"a": 1\n"b": 2}', '3: expected "," or "}"' },
      { "", "expected a value" },
      { ("["):rep(80), "nested more than 64 levels deep" },
    })
  end
)

describe("document.line_of", function()
  local TEXT = "services:\n  - name: a\n    routes:\n      - paths: [/x]\n\n        methods:\n          - GET\n"

  it("knows where a path stands", function()
    local doc = yaml.read(TEXT, lookup)
    assert.equal(2, document.line_of(doc, { "services", 0, "name" }))
    assert.equal(7, document.line_of(doc, { "services", 0, "routes", 0, "methods", 0 }))
  end)

  it("names the holder's line for what is missing", function()
    local doc = yaml.read(TEXT, lookup)
    assert.equal(4, document.line_of(doc, { "services", 0, "routes", 0, "hosts", 3 }))
    assert.equal(1, document.line_of(doc, { "nothing" }))
  end)

  it("counts lines in JSON alike", function()
    local doc = json.read('{\n"a": [\n1,\n{"b": 2}\n]}', lookup)
    assert.equal(4, document.line_of(doc, { "a", 1, "b" }))
  end)
end)
