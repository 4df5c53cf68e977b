local gateway = require("moongate.spec")

local function plugin(hooks)
  hooks.name = hooks.name or "tried"
  return hooks
end

describe("gateway.new", function()
  it("makes a service behind a route for everything", function()
    local gw = gateway.new()
    local res = gw:post("/a/b?c=1&c=2", { body = "hello", headers = { ["X-A"] = "1" } })
    assert.has_status(res, 200)
    assert.equal("ok", res.body)
    local seen = gw.upstream.last_request
    assert.equal("POST", seen.method)
    assert.equal("/a/b", seen.path)
    assert.same({ c = { "1", "2" } }, seen.query)
    assert.equal("hello", seen.body)
    assert.equal("1", seen.headers["x-a"])
    assert.equal("service.test", seen.headers.host)
  end)

  it("asks services over TLS like all others: what stands for the network has none", function()
    local gw = gateway.new {
      service = { protocol = "https", host = "api.test", path = "/base" },
      plugins = {
        function(_, ctx)
          local scheme = ctx.request:get_query_arg("scheme")
          if scheme then ctx.service.request:set_scheme(scheme) end
        end,
      },
    }
    assert.has_status(gw:get("/a"), 200)
    local seen = gw.upstream.last_request
    assert.equal("/base/a", seen.path)
    assert.equal("api.test", seen.headers.host)
    assert.has_status(gw:get("/a?scheme=https"), 200)
    assert.has_status(gw:get("/a?scheme=http"), 500) -- it never goes without what it was told to have
    assert.is_truthy(gw.log:find("set_scheme: http: not in this version"))
  end)

  it("takes plugins by name, as functions and as tables with a schema", function()
    local t = require("moongate.schema")
    local gw = gateway.new {
      plugins = {
        "correlation-id",
        function(_, ctx) ctx.service.request:set_header("x-function", "1") end,
        plugin {
          access = function(conf, ctx) ctx.service.request:set_header("x-table", conf.text) end,
          schema = { text = t.string { default = "from the schema" } },
        },
        {
          name = "whole",
          handler = {
            priority = 2,
            response = function(_, ctx) ctx.response:set_header("x-whole", "1") end,
          },
        },
      },
    }
    local res = gw:get("/")
    assert.has_header(res, "x-whole", "1")
    assert.upstream_saw(gw, { headers = { ["x-function"] = "1", ["x-table"] = "from the schema" } })
    assert.has_header(gw.upstream.last_request, "x-correlation-id")
  end)

  it("says a target's port in Host where TLS does not say it", function()
    local function host_of(target, protocol)
      local gw = gateway.new {
        config = ([[
default_access: allow
upstreams: [{ name: up, targets: [{ target: "%s" }] }]
services: [{ name: s, host: up, protocol: %s, tls_verify: %s, routes: [{ name: r, paths: [/] }] }]
]]):format(target, protocol, protocol == "https" and "true" or "null"),
      }
      assert.has_status(gw:get("/"), 200)
      return gw.upstream.last_request.headers.host
    end
    assert.equal("a.test", host_of("a.test:443", "https"))
    assert.equal("a.test:80", host_of("a.test:80", "https"))
    assert.equal("a.test:8443", host_of("a.test:8443", "https"))
    assert.equal("a.test", host_of("a.test:80", "http"))
    assert.equal("a.test:443", host_of("a.test:443", "http"))
  end)

  it("takes the keys of a configuration", function()
    local gw = gateway.new {
      services = { { name = "users", path = "/v1", routes = { { name = "u", paths = { "/users" } } } } },
      plugins = { "key-auth" },
      consumers = { { username = "alice", keyauth_credentials = { { key = "k" } } } },
    }
    assert.is_problem(gw:get("/users"), 401)
    assert.has_status(gw:get("/users/7", { headers = { apikey = "k" } }), 200)
    assert.equal("/v1/7", gw.upstream.last_request.path)
    assert.has_status(gw:get("/nowhere", { headers = { apikey = "k" } }), 404)
  end)

  it("takes a whole configuration as YAML", function()
    local gw = gateway.new {
      config = [[
services:
  - { name: far, url: "http://10.1.2.3:99", routes: [{ name: r, paths: [/], public: true }] }
]],
      upstreams = { far = { body = "by name" }, ["10.1.2.3:99"] = { body = "by address" } },
    }
    assert.equal("by address", gw:get("/").body)
  end)

  it("says what is wrong with a configuration, at the line of the spec", function()
    local ok, reason = pcall(gateway.new, { plugins = { "key-aut" } })
    assert.is_false(ok)
    assert.matches("gateway_spec.lua:%d+: the configuration is not good:", reason)
    assert.matches('plugins%[0%].name: no plugin named "key%-aut" %(did you mean "key%-auth"%?%)', reason)
    ok, reason =
      pcall(gateway.new, { plugins = { plugin { access = function() end, schema = {}, config = { x = 1 } } } })
    assert.is_false(ok)
    assert.matches("plugins%[0%].config", reason)
  end)

  it("leaves the tables of the spec as they are", function()
    local options = { plugins = { { name = "key-auth", config = {} } }, consumers = { { username = "a" } } }
    local before = require("pl.tablex").deepcopy(options)
    gateway.new(options)
    assert.same(before, options)
  end)
end)

describe("a gateway in a spec", function()
  it("answers with a whole response", function()
    local gw = gateway.new()
    gw.upstream:reply {
      status = 201,
      headers = { ["Set-Cookie"] = { "a=1", "b=2" }, ["X-Two"] = { "1", "2" } },
      body = { n = 1 },
    }
    local res = gw:put("/", { body = { m = 2 }, query = { q = "a b", r = { 1, 2 } } })
    assert.has_status(res, 201)
    assert.same({ "a=1", "b=2" }, res.headers["set-cookie"])
    assert.equal("1, 2", res.headers["x-two"])
    assert.has_json(res, { n = 1 })
    local seen = gw.upstream.last_request
    assert.equal("/?q=a%20b&r=1&r=2", seen.target)
    assert.same({ m = 2 }, seen:json())
    assert.equal("application/json", seen.headers["content-type"])
    assert.equal("", gw:head("/").body)
    assert.has_status(gw:options("/"), 201)
    assert.equal("OPTIONS", gw.upstream.last_request.method)
    gw.upstream:reply(204)
    assert.has_status(gw:delete("/"), 204)
  end)

  it("sends forms and chunked bodies, from where it is told", function()
    local gw = gateway.new()
    gw:post("/", { form = { a = "1 2" }, from = "203.0.113.9" })
    assert.equal("a=1%202", gw.upstream.last_request.body)
    assert.equal("203.0.113.9", gw.upstream.last_request.headers["x-forwarded-for"])
    local res = gw:post("/", { chunks = { "ab", "cd", "ef" }, every = 2, from = "2001:db8::1" })
    assert.equal("abcdef", gw.upstream.last_request.body)
    assert.equal("chunked", gw.upstream.last_request.headers["transfer-encoding"])
    assert.equal(4, res.took)
  end)

  it("has several requests in flight", function()
    local gw =
      gateway.new { plugins = { function(_, ctx) ctx:sleep(ctx.request:get_path() == "/slow" and 9 or 1) end } }
    local slow, fast, gone = gw:start("/slow"), gw:start("POST", "/fast", { body = "x" }), gw:start("/slow")
    assert.is_false(fast.done)
    assert.equal(3, gw:counts().requests)
    gone:cancel()
    assert.equal(2, gw:counts().requests)
    assert.has_status(fast:wait(), 200)
    assert.is_false(slow.done)
    assert.equal(9, slow:wait().took)
    assert.equal(2, #gw.upstream.requests)
  end)

  it("speaks HTTP/1 byte by byte", function()
    local gw = gateway.new { wire = true }
    local conn = gw:connect()
    conn:write("GET / HT"):write("TP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert.equal("ok", conn:response().body)
    assert.equal("2", conn:response("HEAD").headers["content-length"])
    conn:write("nonsense\r\n\r\n")
    assert.matches("^HTTP/1.1 400 ", conn:read())
    assert.is_true(conn.ended)
    conn:close()
    assert.equal(400, gw.access_log[3].statusCode)
  end)

  it("keeps the logs", function()
    local gw = gateway.new {
      log_level = "debug",
      plugins = {
        plugin {
          access = function(_, ctx)
            ctx.log:warn("a ", 1)
            ctx.log:debug("b")
            error("c")
          end,
        },
      },
    }
    assert.has_status(gw:get("/"), 500)
    assert.equal("a 1", gw.log:find("a 1").text)
    assert.equal("warn", gw.log:find("a 1").level)
    assert.equal("tried", gw.log:find("a 1").plugin)
    assert.logged(gw, "gateway_spec.lua:%d+: c")
    assert.logged(gw, ": b$")
    assert.equal("plugin", gw.access_log[1].error)
    gw.log:clear()
    assert.equal(0, #gw.log)
    assert.has_no.logged(gw, "a 1")
  end)

  it("counts", function()
    local gw = gateway.new()
    gw:get("/")
    assert.equal(1, gw:metrics()['moongate_requests_total{service="service",route="all",code="200"}'])
  end)
end)

describe("a clock in a spec", function()
  local function waits(seconds)
    return plugin { access = function(_, ctx) ctx:sleep(seconds) end }
  end

  it("jumps to what happens next", function()
    local gw = gateway.new { plugins = { waits(3600) } }
    local real = os.clock()
    assert.equal(3600, gw:get("/").took)
    assert.is_true(os.clock() - real < 5)
  end)

  it("begins in 2026 and is what plugins read, in every way", function()
    local gw = gateway.new {
      plugins = {
        function(_, ctx)
          local time = require("moongate.time")
          return ctx.response:exit(200, { time.now(), os.time(), os.date("!%F %T"), time.monotonic() })
        end,
      },
    }
    local first = gw:get("/"):json()
    assert.same({ 1767225600, 1767225600, "2026-01-01 00:00:00" }, { first[1], first[2], first[3] })
    gw.clock:advance(86400.25)
    local second = gw:get("/"):json()
    assert.same({ 1767312000.25, 1767312000, "2026-01-02 00:00:00" }, { second[1], second[2], second[3] })
    assert.equal(86400.25, second[4] - first[4])
  end)

  it("moves by hand when it is told to", function()
    local gw = gateway.new { auto_advance = false, plugins = { waits(10) } }
    local request = gw:start("/")
    gw.clock:advance(9.999)
    assert.is_false(request.done)
    gw.clock:advance(0.001)
    assert.is_true(request.done)
    local ok, reason = pcall(gw.get, gw, "/")
    assert.is_false(ok)
    assert.matches("time must pass first", reason)
  end)

  it("lets timers fire one by one, in order", function()
    local order = {}
    local gw = gateway.new {
      auto_advance = false,
      plugins = {
        plugin {
          access = function(_, ctx)
            local n = tonumber(ctx.request:get_query_arg("n"))
            ctx:sleep(n)
            order[#order + 1] = n
            ctx:sleep(0.5)
            order[#order + 1] = n + 0.5
          end,
        },
      },
    }
    for _, n in ipairs { 3, 1, 2 } do
      gw:start("/", { query = { n = n } })
    end
    gw.clock:advance(10)
    assert.same({ 1, 1.5, 2, 2.5, 3, 3.5 }, order)
    assert.equal(10, gw.clock:elapsed())
  end)

  it("makes the same ids each time", function()
    local function id(seed)
      local gw = gateway.new { seed = seed }
      gw:get("/")
      return gw.access_log[1].correlationId
    end
    assert.equal(id(1), id(1))
    assert.not_equal(id(1), id(2))
  end)

  it("tests a limit of 100 a minute in no time", function()
    local taken = {}
    local gw = gateway.new {
      plugins = {
        function(_, ctx)
          local minute = math.floor(require("moongate.time").now() / 60)
          taken[minute] = (taken[minute] or 0) + 1
          if taken[minute] > 100 then return ctx.response:error(429) end
        end,
      },
    }
    for _ = 1, 100 do
      assert.has_status(gw:get("/"), 200)
    end
    assert.has_status(gw:get("/"), 429)
    gw.clock:advance(60)
    assert.has_status(gw:get("/"), 200)
  end)
end)

describe("an upstream in a spec", function()
  local gw

  before_each(function() gw = gateway.new() end)

  it("answers with a function of the request", function()
    gw.upstream:reply(function(request) return 200, request.method .. request.path, { ["x-y"] = "z" } end)
    local res = gw:post("/p")
    assert.equal("POST/p", res.body)
    assert.has_header(res, "x-y", "z")
    gw.upstream:reply(function() return "only a body" end)
    assert.equal("only a body", gw:get("/").body)
    gw.upstream:reply(function() end)
    assert.equal("ok", gw:get("/").body)
  end)

  it("answers late", function()
    gw.upstream:reply { delay = 2.5, body = "late" }
    assert.equal(2.5, gw:get("/").took)
    gw.upstream:reply(function(_, up)
      up:sleep(1)
      return { delay = 1 }
    end)
    assert.equal(2, gw:get("/").took)
  end)

  it("streams", function()
    gw.upstream:reply { chunks = { "a", "b", "c" }, every = 1, trailers = { ["x-sum"] = "3" } }
    local res = gw:get("/")
    assert.equal("abc", res.body)
    assert.same({ x = "3" }, { x = res.trailers["x-sum"] })
    assert.same({ 0, 1, 2 }, { res.pieces[1].at, res.pieces[2].at, res.pieces[3].at })
  end)

  it("sees the body while it comes", function()
    local seen = {}
    gw.upstream:reply(function(request, up)
      seen[#seen + 1] = request.body or "not yet"
      seen[#seen + 1] = up:body()
      return 200
    end, { early = true })
    gw:post("/", { chunks = { "ab", "c" }, every = 3 })
    assert.same({ "not yet", "abc" }, seen)
  end)

  it("resets, closes early, answers garbage, never answers", function()
    gw.upstream:reply(function(_, up) up:reset() end)
    assert.is_problem(gw:get("/"), 502)
    gw.upstream:reply(function(_, up) up:close() end)
    assert.is_problem(gw:get("/"), 502)
    gw.upstream:reply(function(_, up) up:send("garbage\r\n\r\n") end)
    assert.is_problem(gw:get("/"), 502)
    gw.upstream:reply(function(_, up) up:never() end)
    local res = gw:get("/")
    assert.is_problem(res, 504)
    assert.equal(60, res.took)
    gw.upstream:reply(function(_, up)
      up:head(200, { ["content-length"] = "10" })
      up:chunk("half")
      up:close()
    end)
    res = gw:get("/")
    assert.is_true(res.cut)
    assert.equal("half", res.body)
  end)

  it("refuses connections, and takes its time for one", function()
    assert.has_status(gw:get("/"), 200)
    gw.upstream:refuse()
    assert.is_problem(gw:get("/"), 502)
    gw.upstream:refuse(false)
    gw.upstream:connect_after(3)
    assert.near(3, gw:get("/").took, 1e-6)
    gw.upstream:refuse()
    gw.upstream:refuse(false)
    gw.upstream:connect_after()
    assert.is_problem(gw:get("/"), 504)
  end)

  it("has a name, or several", function()
    local two = gateway.new {
      services = {
        { name = "a", routes = { { name = "ra", paths = { "/a" } } } },
        { name = "b", host = "b.internal", port = 8080, routes = { { name = "rb", paths = { "/b" } } } },
        { name = "c", routes = { { name = "rc", paths = { "/c" } } } },
      },
      upstreams = { a = { body = "A" }, ["b.internal"] = function() return "B" end },
    }
    assert.equal("A", two:get("/a").body)
    assert.equal("B", two:get("/b").body)
    assert.equal("ok", two:get("/c").body)
    assert.equal(1, #two.upstreams.a.requests)
    assert.equal("b.internal:8080", two.upstreams["b.internal"].last_request.host)
    assert.equal("/", two.upstream.last_request.path)
    two.upstreams.c:reply { body = "C" }
    assert.equal("C", two:get("/c").body)
  end)

  it("stands behind the targets of an upstream in the configuration", function()
    local balanced = gateway.new {
      services = { { name = "s", host = "pool", routes = { { name = "r", paths = { "/" } } } } },
      upstreams = {
        { name = "pool", targets = { { target = "10.0.0.1:80" }, { target = "two.test:81" } } },
        pool = function(request) return request.host end,
      },
    }
    local seen = {}
    for _ = 1, 4 do
      seen[balanced:get("/").body] = true
    end
    assert.same({ ["10.0.0.1:80"] = true, ["two.test:81"] = true }, seen)
  end)

  it("answers ctx:fetch", function()
    local other = gateway.new {
      plugins = {
        plugin {
          access = function(_, ctx)
            local res = ctx:fetch { url = "http://auth.test/who", method = "POST", body = "me" }
            return ctx.response:exit(res.status, res.body)
          end,
        },
      },
      fetch = { allow = { "auth.test" } },
      upstreams = {
        ["auth.test"] = function(request, up)
          up:sleep(2)
          return 403, "not " .. request.body
        end,
      },
    }
    local res = other:get("/")
    assert.has_status(res, 403)
    assert.equal("not me", res.body)
    assert.equal(2, res.took)
  end)

  it("raises its errors in the spec", function()
    gw.upstream:reply(function() error("no idea") end)
    local ok, reason = pcall(gw.get, gw, "/")
    assert.is_false(ok)
    assert.matches("the upstream upstream raised an error: .*gateway_spec.lua:%d+: no idea", reason)
  end)
end)
