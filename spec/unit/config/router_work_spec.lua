-- How much a lookup does, in steps (tree nodes, hash lookups, rules, conditions, regexes), not in time.
local ffi = require("ffi")
local c = require("support.c")
local routers = require("support.router")

local function many(count, make)
  local routes = {}
  for i = 1, count do
    routes[i] = make(i)
    routes[i].name = ("r%05d"):format(i)
  end
  return routers.new(routes)
end

-- The most work for any of some of the routes, each of which must be found.
local function work(router, count, ask)
  local most = 0
  for i = 1, count, math.max(1, math.floor(count / 50)) do
    local name, more = router:match(ask(i))
    assert.equal(("r%05d"):format(i), name)
    most = math.max(most, more.work)
  end
  return most
end

local function path_of(i) return ("/svc-%d/v1/%x"):format(i % 100, i * 7919) end

local SHAPES = {
  ["distinct prefixes"] = {
    function(i) return { paths = { path_of(i) } } end,
    function(i) return { path = path_of(i) .. "/users/1" } end,
  },
  ["distinct exact paths"] = {
    function(i) return { paths = { "=" .. path_of(i) } } end,
    function(i) return { path = path_of(i) } end,
  },
  ["distinct hosts, all with the same path"] = {
    function(i) return { hosts = { ("t%d.example.com"):format(i) }, paths = { "/" } } end,
    function(i) return { host = ("t%d.example.com"):format(i), path = "/a/b/c" } end,
  },
  ["distinct wildcard hosts"] = {
    function(i) return { hosts = { ("*.t%d.example.com"):format(i) } } end,
    function(i) return { host = ("a.b.t%d.example.com"):format(i) } end,
  },
  ["templates with their own beginning"] = {
    function(i) return { paths = { path_of(i) .. "/{id}/orders/{order}" } } end,
    function(i) return { path = path_of(i) .. "/7/orders/8" } end,
  },
  ["regexes with their own beginning"] = {
    function(i) return { paths = { "~" .. path_of(i):gsub("%-", "\\-") .. "/(?<id>\\d+)$" } } end,
    function(i) return { path = path_of(i) .. "/77" } end,
  },
  ["regexes of their own hosts"] = {
    function(i) return { hosts = { ("t%d.example.com"):format(i) }, paths = { "~/(a|b)/c" } } end,
    function(i) return { host = ("t%d.example.com"):format(i), path = "/b/c" } end,
  },
  ["prefixes beside a regex that takes everything"] = {
    function(i) return i == 1 and { paths = { "~/svc-1/v1/1eef" } } or { paths = { path_of(i) } } end,
    function(i) return { path = path_of(i) } end,
  },
}

describe("the work of a lookup", function()
  for shape, of in pairs(SHAPES) do
    local count = shape:find("^regexes") and 3000 or 10000 -- they take a while to compile
    it(("hardly grows from 100 to %d routes with %s"):format(count, shape), function()
      local small = work(many(100, of[1]), 100, of[2])
      local large = work(many(count, of[1]), count, of[2])
      assert.is_true(large <= 40, ("%d steps in %d routes"):format(large, count))
      assert.is_true(large <= small + 12, ("%d steps in 100 routes, %d in %d"):format(small, large, count))
    end)
  end

  it("is bounded by the request where it matches nothing", function()
    local router = many(10000, SHAPES["distinct wildcard hosts"][1])
    local _, more = router:match { host = ("a."):rep(120) .. "com", path = ("/a"):rep(4000) }
    assert.is_true(more.work < 20, more.work .. " steps")
  end)

  it("runs no regex that could not win", function()
    local router = routers.new {
      { name = "better", methods = { "GET" }, paths = { "/" } },
      { name = "regex", paths = { "~/a" } },
    }
    local _, one = router:match { path = "/a" }
    local _, other = router:match { path = "/a", method = "POST" }
    assert.is_true(one.work < other.work)
  end)
end)

describe("a hostile request", function()
  it("cannot make a regex run for long: it gives up, does not match, and says so", function()
    local lines = {}
    local sink = ffi.cast("gw_log_sink", function(_, line) lines[#lines + 1] = ffi.string(line) end)
    c.gw_log_set_sink(sink, nil)
    finally(function()
      c.gw_log_set_sink(nil, nil)
      sink:free()
    end)
    local router = routers.new {
      { name = "evil", paths = { "~/(a+)+$" } },
      { name = "open", paths = { "/" } },
    }
    local path = "/" .. ("a"):rep(40) .. "!"
    local started = os.clock()
    local name, more = router:match { path = path }
    assert.equal("open", name)
    assert.equal(1, more.regex_errors)
    for _ = 1, 20 do
      router:match { path = path }
    end
    assert.is_true(os.clock() - started < 5, "it took " .. os.clock() - started .. " s")
    assert.equal("evil", (router:match { path = "/aaaa" }))
    assert.equal(1, #lines)
    assert.matches('route evil: .*"~/%(a%+%)%+%$" give up', lines[1])
  end)

  it("is no trouble at any length", function()
    local router = routers.new {
      { name = "a", paths = { "~/(?<all>.*)x$" } },
      { name = "b", paths = { "/{a}/{b}" } },
      { name = "c", paths = { "/a" } },
    }
    for _, len in ipairs { 0, 1, 100, 8000, 100000 } do
      router:match {
        path = "/" .. ("a/"):rep(len),
        host = ("a."):rep(len),
        method = ("M"):rep(len),
        query = ("&=%"):rep(len),
      }
    end
    assert.equal("c", (router:match { path = "/a/" .. ("b"):rep(100) .. "/" }))
  end)

  it("does not reach a route by another spelling of its path", function()
    local router = routers.new {
      { name = "admin", paths = { "/admin" } },
      { name = "admin-exact", paths = { "=/admin" } },
      { name = "rest", paths = { "/" } },
    }
    -- What http/uri leaves as it is must not be taken for /admin; what it rewrites arrives here as /admin.
    for _, path in ipairs {
      "/ADMIN",
      "/admin;x",
      "/admin%20",
      "/admin%3B",
      "/admin.",
      "/admin%2E",
      "/adminx",
      "/.admin",
      "/admin\0",
      "/%61dmin",
    } do
      assert.equal("rest", (router:match { path = path }), path)
    end
    assert.equal("admin-exact", (router:match { path = "/admin" }))
    assert.equal("admin", (router:match { path = "/admin/" }))
  end)
end)

describe("gw_regex_check", function()
  local function check(text, flags)
    local why = ffi.new("char[256]")
    return c.gw_regex_check(text, #text, flags or 0, why, 256), ffi.string(why)
  end

  it("says what is wrong and where", function()
    assert.is_true(check("^/a/(?<id>\\d+)$"))
    local ok, why = check("/a/(b")
    assert.is_false(ok)
    assert.equal("missing closing parenthesis (at byte 6)", why)
    assert.is_false(check("[z-a]"))
    assert.is_false(check("(?<a>x)(?<a>y)"))
    assert.is_false(check("a\\C"))
    assert.is_false(check("(*UTF)a"))
  end)

  it("has limits of its own", function()
    assert.is_false(check(("(a)"):rep(64)))
    assert.is_true(check(("(a)"):rep(63)))
    local names = {}
    for i = 1, 17 do
      names[i] = ("(?<n%d>a)"):format(i)
    end
    assert.is_false(check(table.concat(names)))
    assert.is_false(check(("a"):rep(20000)))
    assert.is_true(check(""))
  end)
end)
