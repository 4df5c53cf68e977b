-- What a route asks of the connection: names of the handshake, and whether it is HTTPS.
local routers = require("support.router")

local function router_of(...)
  local routes = { ... }
  for i, route in ipairs(routes) do
    route.name = route.name or ("r" .. i)
  end
  return routers.new(routes)
end

local function found(route, ask) return (router_of(route):match(ask)) ~= nil end

describe("gw_router_match: names of the handshake", function()
  it("takes who asked for one of them", function()
    local route = { paths = { "/" }, snis = { "a.test", "*.b.test" } }
    for name, fits in pairs {
      ["a.test"] = true,
      ["x.b.test"] = true,
      ["b.test"] = false,
      ["x.y.b.test"] = false,
      ["xa.test"] = false,
      [""] = false,
    } do
      assert.equal(fits, found(route, { sni = name, tls = true, https = true }), name)
    end
  end)

  it(
    "does not look at them without TLS, as Kong does not",
    function() assert.is_true(found({ paths = { "/" }, snis = { "a.test" } }, {})) end
  )

  it("counts them as one more kind of attribute", function()
    local router = router_of({ paths = { "/long/path" } }, { paths = { "/" }, snis = { "a.test" } })
    assert.equal("r2", (router:match { path = "/long/path", sni = "a.test", tls = true, https = true }))
    assert.equal("r1", (router:match { path = "/long/path", sni = "b.test", tls = true, https = true }))
  end)
end)

describe("gw_router_match: routes for plain HTTP alone", function()
  it("take nothing over HTTPS", function()
    local route = { paths = { "/" }, http_only = true }
    assert.is_true(found(route, {}))
    assert.is_false(found(route, { https = true }))
  end)

  it("come before others that ask for the same", function()
    local router = router_of({ paths = { "/" } }, { paths = { "/" }, http_only = true })
    assert.equal("r2", (router:match {}))
    assert.equal("r1", (router:match { https = true }))
  end)
end)

describe("shadows of routes that ask something of the connection", function()
  local function shadows(...) return #router_of(...).shadows end

  it("are only what is certain", function()
    local all, one = { paths = { "/" } }, { paths = { "/a" }, snis = { "a.test" } }
    assert.equal(0, shadows(all, one))
    assert.equal(0, shadows({ paths = { "/" }, http_only = true }, { paths = { "/" } }))
    assert.equal(0, shadows({ paths = { "/" }, snis = { "a.test" } }, { paths = { "/" }, snis = { "b.test" } }))
    assert.equal(
      1,
      shadows({ paths = { "/" }, snis = { "a.test", "b.test" } }, { paths = { "/" }, snis = { "b.test" } })
    )
  end)
end)
