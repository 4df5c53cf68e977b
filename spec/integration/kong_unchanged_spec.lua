-- Ways of plugins written for Kong that the eleven of kong_plugins_spec.lua do not have.
local gateway = require("moongate.spec")
local host = require("support.host")

local function start(name, config, options)
  options = options or {}
  options.plugin_paths = { host.source_dir .. "/spec/kong/unchanged" }
  options.plugins = { { name = name, config = config, trusted = options.trusted } }
  options.trusted = nil
  return gateway.new(options)
end

describe("a plugin of BasePlugin's days", function()
  local gw = start("legacy-auth", { tokens = { "anna-1" } })

  it("is made once, and has its own modules", function()
    assert.equal(200, gw:get("/", { headers = { ["X-Token"] = " anna-1 " } }).status)
    assert.equal("yes", gw.upstream.last_request.headers["x-checked"])
    assert.truthy(gw.log:find("legacy%-auth is ready"))
  end)

  it("ends where it answers, also within pcall", function()
    local res = gw:get("/")
    assert.same({ 401, { message = "no token" } }, { res.status, res:json() })
    res = gw:get("/", { headers = { ["X-Token"] = "eve" } })
    assert.same({ 401, { message = "wrong token" } }, { res.status, res:json() })
  end)
end)

describe("requests in flight at once", function()
  local gw = start("slow-lookup", { url = "http://names.test/" }, {
    fetch = { allow = { "names.test" } },
    upstreams = {
      ["names.test:80"] = function(request)
        return { body = { name = "found-" .. request.query.who }, delay = 0.3 }
      end,
    },
  })

  it("never see each other's, whatever they wait for", function()
    local pending = {}
    for i, wait in ipairs { 3, 1, 2, 1, 0 } do
      pending[i] = gw:start("GET", ("/?who=w%d&sleep=%d"):format(i, wait))
    end
    for i in ipairs(pending) do
      local res = pending[i]:wait()
      assert.equal(("found-w%d"):format(i), res.headers["x-found"])
      assert.matches(("!w%d$"):format(i), res.body)
    end
    for _, request in ipairs(gw.upstream.requests) do
      local who = request.query.who
      assert.equal(("%s %s %s found-%s"):format(who, who, who, who), request.headers["x-seen"])
    end
  end)
end)

describe("a plugin that asks nginx", function()
  local gw = start("nginx-ways", {}, {})

  it("gets what has a like here", function()
    gw.upstream:reply { headers = { Server = "x" } }
    local res = gw:get("/v7/abb?a=1")
    local headers = gw.upstream.last_request.headers
    assert.same({ "7", "6-7" }, { headers["x-version"], headers["x-range"] })
    assert.equal("v,abb /<v>$7/abb Aaa1 -ab-c", headers["x-words"])
    assert.matches("^c4ca4238a0b923820dcc509a6f75849b%%20%%2F$", headers["x-digest"])
    assert.same({ "7" }, { res.headers["x-version"], res.headers.server })
  end)

  it("answers with what it said", function()
    local res = gw:get("/none")
    assert.same({ 404, "no version\n" }, { res.status, res.body })
  end)

  it("runs its timers as tasks", function()
    gw.clock:advance(11)
    assert.truthy(gw.log:find("ten more seconds"))
  end)

  it("is told what is not there, with its own name", function()
    assert.equal(500, gw:get("/v1/?what=cache").status)
    assert.truthy(gw.log:find("not in this version: kong%.cache %(plugin nginx%-ways%)"))
  end)
end)

describe("a plugin for Kong that is not trusted", function()
  local gw = start("legacy-auth", { tokens = { "anna-1" } }, { trusted = false })

  it("works in the sandbox", function()
    assert.equal(200, gw:get("/", { headers = { ["X-Token"] = "anna-1" } }).status)
    assert.equal("anna", gw.upstream.last_request.headers["x-consumer-username"])
    assert.equal(401, gw:get("/", { headers = { ["X-Token"] = "eve" } }).status)
  end)

  it("has no way out of it", function()
    assert.error_matches(
      function() start("nosy", {}, { trusted = false }) end,
      "nothing of the machine: nil, nil, nil, false, false"
    )
  end)
end)

describe("what a plugin for Kong does", function()
  local function ask(what, options)
    local gw = start("answers", { what = what }, options)
    return gw:get("/"), gw
  end

  it("ends where it answers, in coroutines, xpcall and header_filter too", function()
    for what, expected in pairs {
      coroutine = { 418, "from a coroutine" },
      xpcall = { 418, "from xpcall" },
      none = { 451, "not this one" },
    } do
      local res = ask(what)
      assert.same(expected, { res.status, res.body })
    end
    local res = ask("error")
    assert.same({ 418, "a problem" }, { res.status, res:json().detail })
    res = ask("redirect")
    assert.same({ 307, "https://elsewhere.test/" }, { res.status, res.headers.location })
  end)

  it("has the modules it expects", function()
    local res = ask("cjson")
    assert.same({ false, "string" }, { res:json().ok, res:json().err })
    assert.matches('"list":%[%]', res.body)
    assert.matches('"none":null', res.body)
    assert.equal("ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb", (ask("digest")).body)
  end)

  it("sees its timers run after the response", function()
    local res, gw = ask("later")
    assert.equal("at once", res.body)
    gw.clock:advance(2)
    assert.truthy(gw.log:find("later: now"))
  end)

  it("fails by name at what is not there, and at its own mistakes", function()
    for what, reason in pairs {
      raise = "answers/handler%.lua:%d+: it is broken",
      stream = "not in this version: kong%.response%.stream %(plugin answers%)",
      dict = "not in this version: ngx%.shared %(plugin answers%)",
    } do
      local res, gw = ask(what)
      assert.equal(500, res.status)
      assert.truthy(gw.log:find(reason), what)
    end
  end)

  it("does the same without trust", function()
    local res = ask("digest", { trusted = false })
    assert.equal(64, #res.body)
    assert.equal(418, (ask("xpcall", { trusted = false })).status)
  end)
end)
