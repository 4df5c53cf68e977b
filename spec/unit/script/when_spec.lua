-- Conditions at plugins' uses, as requests meet them.
local scripts = require("support.scripts")

local HANDLER = [[
local M = {}
for _, hook in ipairs { "rewrite", "access", "response", "log" } do
  M[hook] = function(conf, ctx) ctx.log:notice("RAN ", hook, conf.name or "") end
end
return M]]

describe("when: of a use", function()
  local s

  after_each(function()
    s:free()
    scripts.release()
  end)

  local function start(options)
    options.plugins = options.plugins or { p = HANDLER }
    s = scripts.new(options)
    assert.is_nil(s.why)
  end

  local function with(when, options)
    options = options or {}
    options.uses = { { plugin = "p", conf = {}, on_error = options.on_error or "reply", when = when } }
    options.plans = { {}, { { use = 1 } } }
    start(options)
  end

  -- The hooks that ran, "access response"; `prepare(x)` before.
  local function ran(prepare, phases)
    scripts.catch()
    local x = s:exchange()
    if prepare then prepare(x) end
    for _, phase in ipairs(phases or { "rewrite", "access", "response", "log" }) do
      assert.equal("done", x:run(phase))
    end
    local reply = x:reply()
    x:free()
    local names = {}
    for name in scripts.caught():gmatch("RAN (%w+)") do
      names[#names + 1] = name
    end
    return table.concat(names, " "), reply
  end

  it("lets every hook run where it holds, and none where not", function()
    with('request.headers["X_Want"] == "1"')
    assert.equal("rewrite access response log", (ran(function(x) x:add_header("x-want", "1") end)))
    assert.equal("", (ran()))
    assert.equal("", (ran(function(x) x:add_header("x-want", "2") end)))
  end)

  for text, expected in pairs {
    ['request.method == "GET" and request.host == "example.com" and request.port == 8000'] = true,
    ['request.path == "/a/b" and request.scheme == "http" and request.id == "id-1"'] = true,
    ['request.raw_query == "" and request.query.a == nil'] = true,
    ['client.ip == "192.0.2.7" and client.peer == "192.0.2.1" and client.port == 4000 and not client.trusted'] = true,
    ['route.name == "r1" and route.id == "route-1" and route.service == "s1" and route.tags.beta'] = true,
    ["consumer"] = false,
    ["not consumer"] = true,
    ["request.headers.none"] = false,
    ["route.tags.alpha"] = false,
    ['request.path:find("^/a") and route.name:upper() == "R1"'] = true,
  } do
    it(("says %s of %s"):format(tostring(expected), text), function()
      with(text, { routes = { { name = "r1", id = "route-1", plan = 2, service = 1, tags = { "beta" } } } })
      assert.equal(expected and "access" or "", (ran(nil, { "access" }):gsub("rewrite ", "")))
    end)
  end

  it("sees the query", function()
    with('request.query.a == "x y" and request.query.b == true and request.raw_query == "a=x+y&b"')
    assert.equal("rewrite access", (ran(function(x)
      x.fake.x.request.query, x.fake.x.request.has_query = x:text("a=x+y&b"), true
    end, { "access" })))
  end)

  it("is asked at the plugin's first hook and keeps its answer", function()
    local auth = [[return { priority = 2000, access = function(_, ctx)
      ctx.client:authenticate(ctx.client:load_consumer("anna", true), nil)
      ctx.service.request:clear_header("x-a")
    end }]]
    local late = [[return { access = function(_, ctx) ctx.log:notice("RAN access") end,
      log = function(_, ctx) ctx.log:notice("RAN log") end }]]
    start {
      plugins = { auth = auth, late = late },
      consumers = { { id = "c-1", username = "anna", groups = { "gold" } } },
      uses = {
        { plugin = "auth", conf = {}, on_error = "reply", when = 'request.headers["x-a"]' },
        {
          plugin = "late",
          conf = {},
          on_error = "reply",
          when = 'consumer and consumer.username == "anna" and consumer.groups.gold and not consumer.groups.silver '
            .. 'and not consumer.custom_id and consumer.id == "c-1" and not consumer.tags.x',
        },
      },
      plans = { {}, { { use = 1 }, { use = 2 } } },
    }
    assert.equal("access log", (ran(function(x) x:add_header("x-a", "1") end)))
    assert.equal("", (ran()))
  end)

  it("knows neither route nor consumer in a global rewrite", function()
    start {
      uses = { { plugin = "p", conf = {}, on_error = "reply", when = "not route and not consumer" } },
      plans = { { { use = 1 } }, { { use = 1 } } },
    }
    assert.equal("rewrite access response log", (ran(function(x) x.fake.x.route = nil end)))
  end)

  it("goes with the use that the consumer has", function()
    local auth = [[return { priority = 2000, access = function(_, ctx)
      local name = ctx.request:get_header("x-who")
      if name then ctx.client:authenticate(ctx.client:load_consumer(name, true), nil) end
    end }]]
    start {
      plugins = { auth = auth, p = HANDLER },
      consumers = { { id = "c-1", username = "anna" }, { id = "c-2", username = "bert" } },
      uses = {
        { plugin = "auth", conf = {}, on_error = "reply" },
        { plugin = "p", conf = { name = ":all" }, on_error = "reply", when = 'request.headers["x-a"]' },
        { plugin = "p", conf = { name = ":anna" }, on_error = "reply" },
      },
      plans = { {}, { { use = 1 }, { use = 2, by_consumer = { ["c-1"] = 3 } } } },
    }
    local function names(who, a)
      ran(function(x)
        if who then x:add_header("x-who", who) end
        if a then x:add_header("x-a", "1") end
      end, { "access" })
      return scripts.caught():match("RAN access(%S*)")
    end
    assert.equal(":anna", names("anna"))
    assert.is_nil(names("bert"))
    assert.equal(":all", names("bert", true))
    assert.is_nil(names())
  end)

  it("is an error of its plugin when it fails, once", function()
    with("request.headers.none > 5")
    local hooks, reply = ran(nil, { "access", "response", "log" })
    assert.equal("", hooks)
    assert.equal(500, reply.status)
    local _, count = scripts.caught():gsub("plugin p, [^\n]*when:2: attempt to compare", "")
    assert.equal(1, count, scripts.caught())
  end)

  it("only skips its plugin when it fails and on_error says so", function()
    with("request.headers.none > 5", { on_error = "skip" })
    local hooks, reply = ran(nil, { "access", "response", "log" })
    assert.equal("", hooks)
    assert.is_nil(reply)
  end)

  it("cannot change what it sees", function()
    local views = require("moongate.when")
    assert.is_nil((views.check("request.path = 1")))
    with("request.headers.a")
    assert.equal("", (ran(nil, { "access" })))
  end)

  it("costs a request no memory", function()
    -- Nothing is collected, so that what a request leaves behind can be counted.
    local plugin = [[return { access = function() collectgarbage("stop") end }]]
    local function growth(text)
      with(text, { plugins = { p = plugin } })
      s:repeat_all(2000)
      local before = s:memory()
      s:repeat_all(10000)
      return (s:memory() - before) / 10000
    end
    local plain = growth(nil)
    s:free()
    local guarded =
      growth('request.method == "GET" and route.name == "r1" and not consumer and request.headers.host')
    assert.is_true(guarded < plain + 1, ("%.1f bytes instead of %.1f"):format(guarded, plain))
  end)
end)
