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
