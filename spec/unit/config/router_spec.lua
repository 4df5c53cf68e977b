local routers = require("support.router")

local function router_of(...)
  local routes = { ... }
  for i, route in ipairs(routes) do
    route.name = route.name or ("r" .. i)
  end
  return routers.new(routes)
end

local function found(route, ask) return (router_of(route):match(ask)) ~= nil end

describe("gw_router_match: paths", function()
  it("knows a prefix by whole segments", function()
    local router = router_of { paths = { "/users" } }
    for path, fits in pairs {
      ["/users"] = true,
      ["/users/"] = true,
      ["/users/1"] = true,
      ["/usersx"] = false,
      ["/user"] = false,
      ["/"] = false,
      ["/users;v=1"] = false,
      ["/Users"] = false,
      ["/users%20"] = false,
    } do
      assert.equal(fits, router:match { path = path } ~= nil, path)
    end
  end)

  it("knows a prefix by bytes where path_match is prefix", function()
    local route = { paths = { "/users" }, segments = false }
    assert.is_true(found(route, { path = "/usersx" }))
    assert.is_false(found(route, { path = "/user" }))
  end)

  it("takes a prefix that ends in a slash as it is", function()
    local route = { paths = { "/users/" } }
    assert.is_true(found(route, { path = "/users/1" }))
    assert.is_false(found(route, { path = "/users" }))
  end)

  it("knows an exact path", function()
    local route = { paths = { "=/users" } }
    assert.is_true(found(route, { path = "/users" }))
    assert.is_false(found(route, { path = "/users/" }))
    assert.is_false(found(route, { path = "/users/1" }))
  end)

  it("anchors a regex at its start and not at its end", function()
    local route = { paths = { "~/users/\\d+" } }
    assert.is_true(found(route, { path = "/users/12/orders" }))
    assert.is_false(found(route, { path = "/x/users/12" }))
    assert.is_false(found(route, { path = "/users/x" }))
  end)

  it("anchors every branch of a regex", function()
    local route = { paths = { "~/a|/b" } }
    assert.is_true(found(route, { path = "/b" }))
    assert.is_false(found(route, { path = "/x/b" }))
  end)

  it("fits a template to the whole path, one segment for each variable", function()
    local router = router_of { paths = { "/users/{id}/files/{file}.json" } }
    local name, more = router:match { path = "/users/7/files/a.b.json" }
    assert.equal("r1", name)
    assert.same({ id = "7", file = "a.b" }, more.captures)
    for _, path in ipairs {
      "/users/7/files/.json",
      "/users//files/a.json",
      "/users/7/files/a.json/x",
      "/users/7/files/a.json/",
      "/users/7/8/files/a.json",
      "/users/7/files/a.jsonx",
    } do
      assert.is_nil(router:match { path = path }, path)
    end
  end)

  it("hands out the named groups of a regex", function()
    local router = router_of { paths = { "~/(?<kind>[a-z]+)/(?<id>\\d+)?(?<rest>/.*)?$" } }
    local name, more = router:match { path = "/users/" }
    assert.equal("r1", name)
    assert.same({ kind = "users", id = "", rest = "" }, more.captures)
  end)

  it("says what strip_path takes away", function()
    local matched = function(path, asked, segments)
      local _, more = router_of({ paths = { path }, segments = segments }):match { path = asked }
      return more.matched
    end
    assert.equal(6, matched("/users", "/users/1"))
    assert.equal(1, matched("/", "/users/1"))
    assert.equal(6, matched("=/users", "/users"))
    assert.equal(8, matched("~/users/\\d", "/users/12"))
    assert.equal(9, matched("/users/{id}", "/users/12"))
    local _, more = router_of({ hosts = { "a.com" } }):match { host = "a.com", path = "/x" }
    assert.equal(0, more.matched)
  end)

  it(
    "brings literal paths to the form that requests have",
    function() assert.is_true(found({ paths = { "/%7euser/caf%c3%a9" } }, { path = "/~user/caf%C3%A9" })) end
  )

  it("refuses paths that could never match, and says why", function()
    for path, text in pairs {
      ["users"] = "must begin with",
      [""] = "empty",
      ["/a//b"] = "never matches",
      ["/a/../b"] = "never matches",
      ["/a/./b"] = "never matches",
      ["/a%2Fb"] = "never matches",
      ["/a%zz"] = "two hex digits",
      ["/a b"] = "percent%-encoded",
      ["/a?b"] = "percent%-encoded",
      ["/\195\164"] = "percent%-encoded",
      ["=users"] = 'after "="',
      ["/{id"] = "pairs",
      ["/{}"] = "letters",
      ["/{a-b}"] = "letters",
      ["/{a}{b}"] = "one variable",
      ["/{a}/{a}"] = "same name",
      ["~/(a"] = "parenthesis.*at byte 4",
      ["~/[a"] = "at byte",
    } do
      local ok, why = pcall(router_of, { paths = { path } })
      assert.is_false(ok, path)
      assert.matches(text, why, nil, nil, path)
    end
  end)
end)

describe("gw_router_match: hosts", function()
  it("knows them exactly, without regard to the case they are written in", function()
    local route = { hosts = { "API.example.com" } }
    assert.is_true(found(route, { host = "api.example.com" }))
    assert.is_false(found(route, { host = "example.com" }))
    assert.is_false(found(route, { host = "" }))
  end)

  it("knows a wildcard at the start, of any depth but not empty", function()
    local route = { hosts = { "*.example.com" } }
    for host, fits in pairs {
      ["a.example.com"] = true,
      ["a.b.example.com"] = true,
      ["example.com"] = false,
      [".example.com"] = false,
      ["aexample.com"] = false,
      ["a.example.com.evil.org"] = false,
    } do
      assert.equal(fits, found(route, { host = host }), host)
    end
  end)

  it("knows a wildcard at the end", function()
    local route = { hosts = { "example.*" } }
    for host, fits in pairs {
      ["example.com"] = true,
      ["example.co.uk"] = true,
      ["example."] = false,
      ["example"] = false,
      ["a.example.com"] = false,
    } do
      assert.equal(fits, found(route, { host = host }), host)
    end
  end)

  it("prefers the longer wildcard when all else is equal", function()
    local router = router_of(
      { hosts = { "*.com" }, name = "a" },
      { hosts = { "*.example.com" }, name = "b" },
      { hosts = { "admin.*" }, name = "c" }
    )
    assert.equal("b", (router:match { host = "api.example.com" }))
    assert.equal("c", (router:match { host = "admin.other.com" }))
    assert.equal("a", (router:match { host = "www.other.com" }))
  end)

  it("refuses stars elsewhere", function()
    for _, host in ipairs { "*", "a.*.com", "*a.com", "a*", "*.*", "*." } do
      assert.is_false(pcall(router_of, { hosts = { host } }), host)
    end
  end)
end)

describe("gw_router_match: methods, headers, query", function()
  it("answers a wrong method with the methods that would do", function()
    local router = router_of(
      { paths = { "/a" }, methods = { "GET", "HEAD" } },
      { paths = { "/" }, methods = { "POST", "GET" } },
      { paths = { "/b" } }
    )
    local name, more = router:match { path = "/a", method = "DELETE" }
    assert.is_nil(name)
    assert.is_true(more.method_mismatch)
    assert.equal("GET, HEAD, POST", router:allowed { path = "/a", method = "DELETE" })
    assert.equal("POST, GET", router:allowed { path = "/x", method = "DELETE" })
    assert.equal("GET", router:allowed({ path = "/a", method = "DELETE" }, 5))
    assert.equal("r3", (router:match { path = "/b", method = "DELETE" }))
  end)

  it("has no method mismatch where nothing else fits either", function()
    local router = router_of { paths = { "/a" }, methods = { "GET" }, headers = { ["x-a"] = { "1" } } }
    local _, more = router:match { path = "/a", method = "POST" }
    assert.is_false(more.method_mismatch)
    assert.equal("", router:allowed { path = "/a", method = "POST" })
  end)

  it("wants one of the values in one of the lines, whatever their case", function()
    local router = router_of { headers = { ["X-Kind"] = { "one", "Two" } } }
    assert.equal("r1", (router:match { headers = { { "x-kind", "zero" }, { "x-kind", "TWO" } } }))
    assert.is_nil((router:match { headers = { { "x-kind", "one, two" } } }))
    assert.is_nil((router:match { headers = { { "x-kin", "one" } } }))
    assert.is_nil((router:match {}))
  end)

  it("finds cookies among others, byte by byte", function()
    local router = router_of { cookies = { beta = { "On", "~*^x\\d$" } } }
    local function match(...)
      local headers = {}
      for i, value in ipairs { ... } do
        headers[i] = { "cookie", value }
      end
      return (router:match { headers = headers })
    end
    assert.equal("r1", match("beta=On"))
    assert.equal("r1", match("a=1;  beta=X7 ;b=2"))
    assert.equal("r1", match("a=1", "beta=On"))
    assert.equal("r1", match("beta=off; beta=On"))
    assert.is_nil(match())
    assert.is_nil(match("beta=on"))
    assert.is_nil(match("Beta=On"))
    assert.is_nil(match("xbeta=On; beta; =On; beta ;"))
    assert.is_nil(match("x=beta=On"))
    assert.is_nil(match('beta="On"'))
  end)

  it("takes a cookie of any value where none is named", function()
    local router = router_of { cookies = { beta = {} } }
    assert.equal("r1", (router:match { headers = { { "cookie", "beta=" } } }))
    assert.is_nil((router:match { headers = { { "cookie", "beta" } } }))
  end)

  it("takes clients of the networks it names", function()
    local router = router_of { sources = { "10.0.0.0/8", "2001:db8::/32", "unix:" } }
    for _, client in ipairs { "10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7", "unix:" } do
      assert.equal("r1", (router:match { client = client }), client)
    end
    for _, client in ipairs { "11.1.2.3", "2001:db9::7", "::" } do
      assert.is_nil((router:match { client = client }), client)
    end
    assert.is_nil((router:match {}))
    assert.is_nil((router_of({ sources = { "10.0.0.0/8" } }):match { client = "unix:" }))
  end)

  it("wants all headers that are named", function()
    local router = router_of { headers = { a = { "1" }, b = { "~*^x\\d$" } } }
    assert.equal("r1", (router:match { headers = { { "a", "1" }, { "b", "X7" } } }))
    assert.is_nil((router:match { headers = { { "a", "1" }, { "b", "x77" } } }))
    assert.is_nil((router:match { headers = { { "b", "x7" } } }))
  end)

  it("compares query arguments after decoding them", function()
    local router = router_of { query = { ["a b"] = { "ü&", "" }, c = {} } }
    assert.equal("r1", (router:match { query = "a%20b=%C3%BC%26&c" }))
    assert.equal("r1", (router:match { query = "c=1&a+b=" }))
    assert.equal("r1", (router:match { query = "x&a+b&c=%" }))
    assert.is_nil((router:match { query = "a+b=%C3%BC&c" }))
    assert.is_nil((router:match { query = "a+b=" }))
    assert.is_nil((router:match { query = "" }))
  end)

  it("tries a regex on decoded query values of any length", function()
    local router = router_of { query = { v = { "~*^(a b)+$" } } }
    assert.equal("r1", (router:match { query = "v=" .. ("a%20B"):rep(500) }))
    assert.is_nil((router:match { query = "v=a%20bc" }))
  end)

  it("refuses a regex that does not compile", function()
    local ok, why = pcall(router_of, { headers = { a = { "~*(" } } })
    assert.is_false(ok)
    assert.matches("parenthesis", why)
  end)
end)
