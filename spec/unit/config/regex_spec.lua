local c = require("support.c")
local ffi = require("ffi")

local ANCHORED, CASELESS = 1, 2

local function regex_of(text, flags)
  local why = ffi.new("char[256]")
  local regex = c.gw_regex_new(text, #text, flags or ANCHORED, why, 256)
  assert(regex ~= nil, ffi.string(why))
  return ffi.gc(regex, c.gw_regex_free)
end

local function match(regex, subject)
  local matched = ffi.new("size_t[1]")
  local result = c.gw_regex_match(regex, c.slice(subject), matched)
  return result, tonumber(matched[0])
end

describe("gw_regex_match", function()
  it("says how much matched, and the groups", function()
    local regex = regex_of("/(?<a>[a-z]+)(/(?<b>\\d+))?")
    local subject = "/users/12/x"
    local result, matched = match(regex, subject)
    assert.equal(c.GW_REGEX_YES, result)
    assert.equal(9, matched)
    local names = ffi.new("const struct gw_regex_name *[1]")
    assert.equal(2, c.gw_regex_names(regex, names))
    local slice, groups = c.slice(subject), {}
    for i = 0, 1 do
      groups[c.str(names[0][i].name)] = c.str(c.gw_regex_group(regex, slice, names[0][i].group))
    end
    assert.same({ a = "users", b = "12" }, groups)
  end)

  it("minds the case unless it is told not to", function()
    assert.equal(c.GW_REGEX_NO, (match(regex_of("/a"), "/A")))
    assert.equal(c.GW_REGEX_YES, (match(regex_of("/a", CASELESS), "x/A")))
  end)

  it("takes $ for the very end", function() assert.equal(c.GW_REGEX_NO, (match(regex_of("/a$"), "/a\n"))) end)

  it("gives up where a pattern runs away", function()
    assert.equal(c.GW_REGEX_GAVE_UP, (match(regex_of("/(a+)+$"), "/" .. ("a"):rep(50) .. "!")))
    assert.equal(c.GW_REGEX_GAVE_UP, (match(regex_of("/(a|aa)+$"), "/" .. ("a"):rep(100) .. "!")))
  end)

  it("does not give up on long paths and plain patterns", function()
    assert.equal(c.GW_REGEX_NO, (match(regex_of("/.*foo"), "/" .. ("fo"):rep(4000))))
    assert.equal(c.GW_REGEX_YES, (match(regex_of("/(?:[^/]+/)*x$"), "/" .. ("ab/"):rep(2500) .. "x")))
  end)

  it("complains once", function()
    local regex = regex_of("a")
    assert.is_true(c.gw_regex_complain(regex))
    assert.is_false(c.gw_regex_complain(regex))
  end)
end)

describe("gw_regex_literal_prefix", function()
  local function prefix(text, flags)
    local whole = ffi.new("bool[1]")
    local literal = c.str(c.gw_regex_literal_prefix(regex_of(text, flags), whole))
    return whole[0] and literal .. " (whole)" or literal
  end

  it("is what every match begins with", function()
    for text, expected in pairs {
      ["/a/b"] = "/a/b (whole)",
      ["^/a"] = "/a (whole)",
      ["/a.*"] = "/a (whole)",
      ["/a$"] = "/a",
      ["/a.b"] = "/a",
      ["/a\\.b"] = "/a.b (whole)",
      ["/a\\-b\\/c"] = "/a-b/c (whole)",
      ["/a\\d"] = "/a",
      ["/ab?"] = "/a",
      ["/ab*c"] = "/a",
      ["/ab+"] = "/a",
      ["/ab{2}"] = "/a",
      ["/a[bc]"] = "/a",
      ["/a(b|c)"] = "/a",
      ["/a(?<x>b)"] = "/a",
      ["/a|/b"] = "",
      ["/a(b)|c"] = "",
      ["/a(?i)b"] = "",
      ["(?i)/a"] = "",
      ["/a(?#|)b"] = "",
      ["(?x)/a |b"] = "",
      ["/\\Qa|b\\E"] = "",
      ["/a[|]b"] = "/a",
      ["/a[]|]b"] = "/a",
      ["/a[^]|]b"] = "/a",
      ["/a[[:alpha:]]"] = "",
      ["/a\\|b"] = "/a|b (whole)",
      ["(/a)"] = "",
      [""] = " (whole)",
      ["/.*"] = "/ (whole)",
      ["\\.*"] = "",
      ["/x\\"] = nil,
      ["(*COMMIT)/a"] = "",
      ["/a(?|b|c)d"] = "",
      ["/a\\x41"] = "/a",
      ["/a\\n"] = "/a",
    } do
      assert.equal(expected, prefix(text), text)
    end
  end)

  it("is nothing without an anchor, or where the case does not matter", function()
    assert.equal("", prefix("/a", 0))
    assert.equal("", prefix("/a", ANCHORED + CASELESS))
  end)
end)
