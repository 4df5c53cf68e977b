-- Pairs of routes that both match, with the one that Kong (traditional_compatible, kong/router) takes. In each the
-- first
-- route wins. Every pair is tried in both orders of the file and with names that sort either way.
local c = require("support.c")
local ffi = require("ffi")
local routers = require("support.router")

local function pair(rule, winner, loser, ask)
  return { rule = rule, winner = winner, loser = loser, ask = ask }
end

local X = { ["x-a"] = { "1" } }
local XY = { ["x-a"] = { "1" }, ["x-b"] = { "1" } }
local WITH_X = { { "x-a", "1" }, { "x-b", "1" }, { "x-c", "1" } }

local PAIRS = {
  -- More kinds of attributes win, whatever they are.
  pair("host and path over path", { hosts = { "a.com" }, paths = { "/" } }, { paths = { "/long/path" } },
    { host = "a.com", path = "/long/path" }),
  pair("host and path over host", { hosts = { "a.com" }, paths = { "/" } }, { hosts = { "a.com" } },
    { host = "a.com" }),
  pair("method and path over a longer path", { methods = { "GET" }, paths = { "/a" } }, { paths = { "/a/b/c" } },
    { path = "/a/b/c" }),
  pair("method and path over a regex", { methods = { "GET" }, paths = { "/a" } },
    { paths = { "~/a/\\d+$" }, regex_priority = 100 }, { path = "/a/12" }),
  pair("header and path over path", { headers = X, paths = { "/" } }, { paths = { "/a/b" } },
    { path = "/a/b", headers = WITH_X }),
  pair("header and path over an exact host", { headers = X, paths = { "/" } }, { hosts = { "a.com" } },
    { host = "a.com", headers = WITH_X }),
  pair("a wildcard host and a path over an exact host", { hosts = { "*.com" }, paths = { "/" } },
    { hosts = { "a.com" } },
    { host = "a.com" }),
  pair("three attributes over two", { hosts = { "*.com" }, methods = { "GET" }, paths = { "/" } },
    { hosts = { "a.com" }, paths = { "/a/b" } }, { host = "a.com", path = "/a/b" }),
  pair("three attributes over two with many headers", { methods = { "GET" }, hosts = { "a.com" }, paths = { "/" } },
    { headers = XY, paths = { "/a" } }, { host = "a.com", path = "/a", headers = WITH_X }),
  pair("four attributes over three", { hosts = { "*.com" }, methods = { "GET" }, headers = X, paths = { "/" } },
    { hosts = { "a.com" }, headers = XY, paths = { "/a" } }, { host = "a.com", path = "/a", headers = WITH_X }),
  pair("a method alone loses to method and header", { methods = { "GET" }, headers = X }, { methods = { "GET" } },
    { headers = WITH_X }),
  pair("a path with a method over a host", { paths = { "/" }, methods = { "GET" } }, { hosts = { "a.com" } },
    { host = "a.com" }),
  pair("several values of one attribute count once", { hosts = { "a.com" }, paths = { "/" } },
    { paths = { "/a", "/b", "/c" } }, { host = "a.com", path = "/a" }),
  pair("several methods count once", { methods = { "GET" }, paths = { "/" } },
    { paths = { "/a", "/a/b" } }, { path = "/a/b" }),

  -- As many: hosts without any wildcard win.
  pair("an exact host over a wildcard", { hosts = { "a.b.com" } }, { hosts = { "*.b.com" } }, { host = "a.b.com" }),
  pair("an exact host over a wildcard at the end", { hosts = { "b.com" } }, { hosts = { "b.*" } }, { host = "b.com" }),
  pair("an exact host over a wildcard with a longer path", { hosts = { "a.com" }, paths = { "/" } },
    { hosts = { "*.com" }, paths = { "/a/b" } }, { host = "a.com", path = "/a/b" }),
  pair("an exact host over a wildcard with a regex", { hosts = { "a.com" }, paths = { "/a" } },
    { hosts = { "*.com" }, paths = { "~/a" }, regex_priority = 9 }, { host = "a.com", path = "/a" }),
  pair("an exact host over a wildcard with more headers", { hosts = { "a.com" }, headers = X },
    { hosts = { "*.com" }, headers = XY }, { host = "a.com", headers = WITH_X }),
  pair("one wildcard among the hosts is enough to lose", { hosts = { "a.com" } }, { hosts = { "a.com", "*.org" } },
    { host = "a.com" }),
  pair("a host and a header over a path and a header", { hosts = { "a.com" }, headers = X },
    { paths = { "/a/b" }, headers = X }, { host = "a.com", path = "/a/b", headers = WITH_X }),
  pair("a host over a path", { hosts = { "a.com" } }, { paths = { "/a" } }, { host = "a.com", path = "/a" }),
  pair("a host over a regex", { hosts = { "a.com" } }, { paths = { "~/a" } }, { host = "a.com", path = "/a" }),
  pair("a host over a method", { hosts = { "a.com" } }, { methods = { "GET" } }, { host = "a.com" }),
  pair("a host over headers", { hosts = { "a.com" } }, { headers = XY }, { host = "a.com", headers = WITH_X }),

  -- Then the number of headers.
  pair("two headers over one", { headers = XY }, { headers = X }, { headers = WITH_X }),
  pair("two headers over one with a longer path", { headers = XY, paths = { "/" } }, { headers = X,
    paths = { "/a/b" } },
    { path = "/a/b", headers = WITH_X }),
  pair("two headers over one with a regex", { headers = XY, paths = { "/" } }, { headers = X, paths = { "~/a" } },
    { path = "/a", headers = WITH_X }),
  pair("many values of one header count once", { headers = XY }, { headers = { ["x-a"] = { "1", "2", "3" } } },
    { headers = WITH_X }),
  pair("a header over a path", { headers = X }, { paths = { "/a/b" } }, { path = "/a/b", headers = WITH_X }),
  pair("a header over a wildcard host", { headers = X }, { hosts = { "*.com" } }, { host = "a.com", headers = WITH_X }),
  pair("a header and a method over a path and a method", { headers = X, methods = { "GET" } },
    { paths = { "/a" }, methods = { "GET" } }, { path = "/a", headers = WITH_X }),
  pair("a header over a method", { headers = X }, { methods = { "GET" } }, { headers = WITH_X }),

  -- Then a regex, by its regex_priority.
  pair("a regex over a prefix", { paths = { "~/a" } }, { paths = { "/a/b/c" } }, { path = "/a/b/c" }),
  pair("a regex over a wildcard host", { paths = { "~/a" } }, { hosts = { "*.com" } }, { host = "a.com", path = "/a" }),
  pair("a regex over a method", { paths = { "~/a" } }, { methods = { "GET" } }, { path = "/a" }),
  pair("the higher regex_priority", { paths = { "~/a" }, regex_priority = 2 }, { paths = { "~/a/b" },
    regex_priority = 1 },
    { path = "/a/b" }),
  pair("a regex_priority above 0", { paths = { "~/a" }, regex_priority = 1 }, { paths = { "~/a/b/\\d+" } },
    { path = "/a/b/1" }),
  pair("regex_priority means nothing to prefixes", { paths = { "/a/b" } }, { paths = { "/a" }, regex_priority = 7 },
    { path = "/a/b" }),
  pair("a regex_priority below 0 still over a prefix", { paths = { "~/a" }, regex_priority = -1 },
    { paths = { "/a/b" } },
    { path = "/a/b" }),
  pair("a regex with a host over one with a higher priority", { hosts = { "a.com" }, paths = { "~/a" } },
    { paths = { "~/a" }, regex_priority = 1000 }, { host = "a.com", path = "/a" }),
  pair("a regex among prefixes counts where it is the one that matches", { paths = { "/x", "~/a" } },
    { paths = { "/a/b" } }, { path = "/a/b" }),
  pair("a prefix beside a regex is a prefix", { paths = { "/a/b/c" } }, { paths = { "/a", "~/x" } },
    { path = "/a/b/c" }),

  -- Then the longest path.
  pair("the longer prefix", { paths = { "/a/b" } }, { paths = { "/a" } }, { path = "/a/b/c" }),
  pair("any prefix over the root", { paths = { "/a" } }, { paths = { "/" } }, { path = "/a" }),
  pair("the longer prefix within a segment", { paths = { "/abc" } }, { paths = { "/ab" } }, { path = "/abcd" }),
  pair("the path that matches counts, not the longest of its route", { paths = { "/a/b" } },
    { paths = { "/a", "/x/y/z/0/1/2" } }, { path = "/a/b" }),
  pair("the longer path of the same hosts", { hosts = { "a.com" }, paths = { "/a/b" } },
    { hosts = { "a.com", "b.com" }, paths = { "/a" } }, { host = "a.com", path = "/a/b" }),
  pair("the longer path of wildcard hosts", { hosts = { "*.com" }, paths = { "/a/b" } },
    { hosts = { "*.b.com" }, paths = { "/a" } }, { host = "a.b.com", path = "/a/b" }),
  pair("a path over a method", { paths = { "/a" } }, { methods = { "GET" } }, { path = "/a" }),
  pair("a path over a wildcard host", { paths = { "/a" } }, { hosts = { "*.com" } }, { host = "a.com", path = "/a" }),
  pair("the longer prefix with the same method", { methods = { "GET" }, paths = { "/a/b" } },
    { methods = { "GET", "POST" }, paths = { "/a" } }, { path = "/a/b" }),
}

-- What Kong does not know, or leaves to chance (decisions.md).
local OURS = {
  pair("an exact path over a prefix", { paths = { "=/a/b" } }, { paths = { "/a/b" } }, { path = "/a/b" }),
  pair("an exact path over a regex", { paths = { "=/a" } }, { paths = { "~/a$" }, regex_priority = 5 },
    { path = "/a" }),
  pair("an exact path over a template", { paths = { "=/a/b" } }, { paths = { "/a/{id}" } }, { path = "/a/b" }),
  pair("a regex over a template", { paths = { "~/a/" } }, { paths = { "/a/{id}" } }, { path = "/a/b" }),
  pair("a template over a prefix", { paths = { "/{x}/b" } }, { paths = { "/a/b" } }, { path = "/a/b" }),
  pair("the template with more fixed bytes", { paths = { "/a/{id}" } }, { paths = { "/{x}/{id}" } }, { path = "/a/b" }),
  pair("an exact path loses to one more attribute", { paths = { "/" }, methods = { "GET" } }, { paths = { "=/a" } },
    { path = "/a" }),
  pair("a query argument counts like a header", { query = { v = { "1" } }, paths = { "/" } }, { paths = { "/a/b" } },
    { path = "/a/b", query = "v=1" }),
  pair("two query arguments over one header", { query = { v = { "1" }, w = { "1" } } }, { headers = X },
    { query = "v=1&w=1", headers = WITH_X }),
  pair("header and query over two headers, being two kinds", { headers = X, query = { v = { "1" } } }, { headers = XY },
    { query = "v=1", headers = WITH_X }),
  pair("a cookie counts like a header", { cookies = { v = { "1" } }, paths = { "/" } }, { paths = { "/a/b" } },
    { path = "/a/b", headers = { { "cookie", "v=1" } } }),
  pair("two cookies over one header", { cookies = { v = { "1" }, w = {} } }, { headers = X },
    { headers = { { "cookie", "v=1; w=2" }, { "x-a", "1" } } }),
  pair("a client address counts like a header", { sources = { "10.0.0.0/8" }, paths = { "/" } },
    { paths = { "/a/b" } }, { path = "/a/b", client = "10.1.2.3" }),
  pair("several networks count once", { headers = XY }, { sources = { "10.0.0.0/8", "10.1.0.0/16", "10.2.0.0/16" } },
    { client = "10.1.2.3", headers = WITH_X }),
  pair("an address and a cookie over two headers, being two kinds",
    { sources = { "10.0.0.0/8" }, cookies = { v = { "1" } } }, { headers = XY },
    { client = "10.1.2.3", headers = { { "cookie", "v=1" }, { "x-a", "1" }, { "x-b", "1" } } }),
  pair("the longer wildcard", { hosts = { "*.b.com" } }, { hosts = { "*.com" } }, { host = "a.b.com" }),
  pair("the longer wildcard of several", { hosts = { "*.b.com" } }, { hosts = { "*.com", "*.very.long.example.org" } },
    { host = "a.b.com" }),
}

local function named(route, name)
  local copy = { name = name, segments = false }
  for key, value in pairs(route) do copy[key] = value end
  return copy
end

local function check(case)
  for _, names in ipairs { { "a", "z" }, { "z", "a" } } do
    local winner, loser = named(case.winner, names[1]), named(case.loser, names[2])
    for _, routes in ipairs { { winner, loser }, { loser, winner } } do
      local router = routers.new(routes)
      assert.equal(names[1], (router:match(case.ask)))
      local explained, count = router:explain(case.ask)
      assert.equal(2, count)
      assert.equal(names[1], explained[1][1])
      assert.not_equal("", explained[2][2])
    end
    assert.equal(names[2], (routers.new({ loser }):match(case.ask)), "the loser must match too")
  end
end

describe("the precedence of routes", function()
  assert(#PAIRS >= 40)
  for _, case in ipairs(PAIRS) do
    it("is Kong's: " .. case.rule, function()
      check(case)
    end)
  end

  for _, case in ipairs(OURS) do
    it("is ours: " .. case.rule, function()
      check(case)
    end)
  end

  it("falls back on the name", function()
    for _, routes in ipairs { { { name = "b", paths = { "/a" } }, { name = "a", paths = { "/a" } } } } do
      assert.equal("a", (routers.new(routes):match { path = "/a" }))
      assert.equal("a", (routers.new({ routes[2], routes[1] }):match { path = "/a" }))
    end
  end)
end)

describe("gw_router_explain", function()
  it("lists every route that matches, best first, and says why the others lost", function()
    local router = routers.new {
      { name = "host", hosts = { "a.com" }, paths = { "/" } },
      { name = "wild", hosts = { "*.com" }, paths = { "/a" } },
      { name = "head", headers = XY, paths = { "/" } },
      { name = "exact", paths = { "=/a/b" } },
      { name = "regex", paths = { "~/a/" } },
      { name = "short", paths = { "/a", "/a/b" } },
      { name = "other", paths = { "/x" } },
    }
    local list, count = router:explain { host = "a.com", path = "/a/b", headers = WITH_X }
    local names, why = {}, {}
    for i, candidate in ipairs(list) do names[i], why[candidate[1]] = candidate[1], candidate[2] end
    assert.equal(6, count)
    assert.equal("host head wild exact regex short", table.concat(names, " "))
    assert.equal("", why.host)
    assert.equal("it names no host", why.head)
    assert.equal("it has a wildcard among its hosts", why.wild)
    assert.equal("it names fewer attributes (1, not 2)", why.exact)
    assert.equal("/a/b", list[6].path)
    assert.equal("*.com", list[3].host)
    assert.equal(6, select(2, router:explain({ host = "a.com", path = "/a/b", headers = WITH_X }, 2)))
  end)

  it("names the rule that decided", function()
    local function why(winner, loser, ask)
      winner.name, loser.name = winner.name or "w", loser.name or "x"
      local list = routers.new({ winner, loser }):explain(ask)
      assert.equal(winner.name, list[1][1])
      return list[2][2]
    end
    assert.equal("its path is shorter (2 bytes, not 4)", why({ paths = { "/a/b" } }, { paths = { "/a" } },
      { path = "/a/b" }))
    assert.equal("a regex comes after an exact path", why({ paths = { "=/a" } }, { paths = { "~/a" } },
      { path = "/a" }))
    assert.equal("its regex_priority is lower (0, not 3)",
      why({ paths = { "~/a" }, regex_priority = 3 }, { paths = { "~/a" } }, { path = "/a" }))
    assert.equal("it names fewer headers, query arguments, cookies and addresses (1, not 2)",
      why({ headers = XY }, { headers = X }, { headers = WITH_X }))
    assert.equal('its host "*.com" is less specific than "*.b.com"',
      why({ hosts = { "*.b.com" } }, { hosts = { "*.com" } }, { host = "a.b.com" }))
    assert.equal('all else being equal, its name sorts behind "w"', why({ paths = { "/a" } }, { paths = { "/a" } },
      { path = "/a" }))
  end)
end)

describe("gw_router_rule_at", function()
  it("gives all rules in order", function()
    local router = routers.new {
      { name = "b", paths = { "/a", "/a/b" } },
      { name = "a", paths = { "=/x" }, methods = { "GET", "PUT" }, headers = X, query = { v = { "1" } } },
    }
    local candidate, seen, at = ffi.new("struct gw_route_candidate"), {}, 0
    while c.gw_router_rule_at(router.router, at, candidate) do
      seen[#seen + 1] = ("%s %s %s"):format(c.str(candidate.route.name), c.str(candidate.path), ffi.string(candidate.why))
      at = at + 1
    end
    assert.same({ "a =/x GET PUT x-a ?v", "b /a/b ", "b /a " }, seen)
  end)
end)

describe("shadowed routes", function()
  local function shadows(...)
    local list = {}
    for i, one in ipairs(routers.new({ ... }).shadows) do list[i] = table.concat(one, "<") end
    table.sort(list)
    return table.concat(list, " ")
  end

  it("are named with the route that takes their requests", function()
    for expected, routes in pairs {
      ["b<a"] = { { name = "b", paths = { "/a" } }, { name = "a", paths = { "/a" } } },
      ["d<c"] = { { name = "c", paths = { "~/" } }, { name = "d", paths = { "/a", "/b" } } },
      ["f<e"] = { { name = "e", paths = { "~/x.*" } }, { name = "f", paths = { "/x/{id}", "/xy" } } },
      ["h<g"] = { { name = "g", paths = { "~/a/\\d+$" } }, { name = "h", paths = { "~/a/\\d+$" },
        regex_priority = -1 } },
      ["j<i"] = { { name = "i", hosts = { "a.com" }, methods = { "GET", "POST" } },
        { name = "j", hosts = { "a.com" }, methods = { "GET" } } },
      ["l<k"] = { { name = "k", paths = { "/{a}" } }, { name = "l", paths = { "/{b}" } } },
      ["n<m"] = { { name = "m", hosts = { "*.com" }, paths = { "/a" } }, { name = "n", hosts = { "*.com" },
        paths = { "/a" } } },
      ["p<o"] = { { name = "o", headers = { a = { "1", "2" } } }, { name = "p", headers = { a = { "1" } } } },
      ["r<q"] = { { name = "q", paths = { "=/a" }, methods = { "GET" } }, { name = "r", paths = { "=/a" },
        methods = { "GET" } } },
    } do
      assert.equal(expected, shadows(unpack(routes)))
    end
  end)

  it("are only those that never get anything", function()
    for _, routes in ipairs {
      { { name = "a", paths = { "/a" } }, { name = "b", paths = { "/a/b" } } },
      { { name = "a", paths = { "~/a$" } }, { name = "b", paths = { "/a" } } },
      { { name = "a", paths = { "~/a" } }, { name = "b", paths = { "/a", "/b" } } },
      { { name = "a", paths = { "=/a" } }, { name = "b", paths = { "/a" } } },
      { { name = "a", paths = { "/a" }, methods = { "GET" } }, { name = "b", paths = { "/a" } } },
      { { name = "a", hosts = { "a.com" }, paths = { "~/" } }, { name = "b", paths = { "/a" } } },
      { { name = "a", hosts = { "a.com" }, paths = { "/a" } }, { name = "b", hosts = { "a.com", "b.com" },
        paths = { "/a" } } },
      { { name = "a", paths = { "/a" }, segments = true }, { name = "b", paths = { "/a" }, segments = false } },
      { { name = "a", paths = { "/a/{id}" } }, { name = "b", paths = { "/a" } } },
      { { name = "a", headers = { a = { "1" } } }, { name = "b", headers = { a = { "1", "2" } } } },
      { { name = "a", headers = { a = { "1" } } }, { name = "b", headers = { b = { "1" } } } },
      { { name = "a", paths = { "~/a|/b" } }, { name = "b", paths = { "/ab" } } },
    } do
      assert.equal("", shadows(unpack(routes)))
    end
  end)

  it("does not report a route whose service is off", function()
    assert.equal("", shadows({ name = "a", paths = { "/" } }, { name = "b" }))
  end)
end)
