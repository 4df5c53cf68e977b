local c = require("support.c")
local scripts = require("support.scripts")

local function has(text, part) assert.truthy(text:find(part, 1, true), ("%q is not in:\n%s"):format(part, text)) end

-- A handler whose hooks write down that they ran; `more` is Lua that may add to it.
local function noting(hooks, more)
  local out = { "local M = {} local note = require('noted')\n" }
  for hook in hooks:gmatch("%S+") do
    out[#out + 1] = ("function M.%s(conf, ctx) note(ctx, conf, '%s') end\n"):format(hook, hook)
  end
  return table.concat(out) .. (more or "") .. "\nreturn M"
end

-- What noting() handlers call; a module of lua's own path would be too much, so the first plugin brings it.
local NOTED = [[
  package.loaded.noted = function(ctx, conf, hook)
    local list = ctx.shared.list or {}
    ctx.shared.list = list
    list[#list + 1] = (conf.tag or "?") .. "." .. hook
  end
  local M = {}
  function M.log(conf, ctx) ctx.log:notice("ran ", table.concat(ctx.shared.list or {}, " ")) end
  return M]]

describe("the hooks of a phase", function()
  local s, x

  before_each(function() scripts.catch() end)

  after_each(function()
    if x and x.fake then x:free() end
    x = nil
    s:free()
    scripts.release()
  end)

  -- Plugins by name with their texts, uses and plans as script.h describes; 0 is the one that tells what ran.
  local function start(options)
    options.plugins["0"] = NOTED
    options.uses[#options.uses + 1] = { plugin = "0", conf = {}, on_error = "reply" }
    for _, plan in ipairs(options.plans) do
      plan[#plan + 1] = { use = #options.uses }
    end
    s = scripts.new(options)
    assert.is_nil(s.why)
    x = s:exchange()
  end

  local function ran() return scripts.caught():match("ran ([^\n]*)") end

  it("run in plan order, phase after phase", function()
    start {
      plugins = { a = noting("rewrite access response log"), b = noting("access response") },
      uses = { { plugin = "a", conf = { tag = "a" } }, { plugin = "b", conf = { tag = "b" } } },
      plans = { {}, { { use = 2 }, { use = 1 } } },
    }
    x:run_all()
    assert.equal("a.rewrite b.access a.access b.response a.response a.log", ran())
  end)

  it("rewrite once: global uses before routing, scoped ones of other plugins after it", function()
    start {
      plugins = { a = noting("rewrite"), b = noting("rewrite") },
      uses = {
        { plugin = "a", conf = { tag = "global" } },
        { plugin = "a", conf = { tag = "route" } },
        { plugin = "b", conf = { tag = "b" } },
      },
      plans = { { { use = 1 } }, { { use = 2 }, { use = 3 } } },
    }
    x:run_all()
    assert.equal("global.rewrite b.rewrite", ran())
  end)

  it("are told to proxy by their bits", function()
    start {
      plugins = { a = noting("rewrite access"), b = noting("response") },
      uses = { { plugin = "a", conf = {} }, { plugin = "b", conf = {} } },
      plans = { { { use = 1 } }, { { use = 2 } } },
    }
    assert.equal(1 + 2 + 8, s:phases(nil))
    assert.equal(4 + 8, s:phases(0))
  end)

  it("of the global plan run when there is no route", function()
    start {
      plugins = { a = noting("access response") },
      uses = { { plugin = "a", conf = { tag = "a" } } },
      plans = { { { use = 1 } }, {} },
    }
    x:free()
    x = s:exchange(-1)
    x:run("response")
    x:run("log")
    assert.equal("a.response", ran())
  end)

  it("are skipped once one answered; response and log still run", function()
    start {
      plugins = {
        a = noting("response", "function M.access(conf, ctx) return ctx.response:exit(403, 'no') end"),
        b = noting("access response"),
      },
      uses = { { plugin = "a", conf = { tag = "a" } }, { plugin = "b", conf = { tag = "b" } } },
      plans = { {}, { { use = 1 }, { use = 2 } } },
    }
    x:run("access")
    assert.equal("no", x:reply().body)
    x:run("response")
    x:run("log")
    assert.equal("a.response b.response", ran())
  end)

  it("skip access when a scoped rewrite answered", function()
    start {
      plugins = { a = noting("access", "function M.rewrite(_, ctx) ctx.response:exit(204) end") },
      uses = { { plugin = "a", conf = { tag = "a" } } },
      plans = { {}, { { use = 1 } } },
    }
    x:run("access")
    x:run("log")
    assert.equal(204, x:reply().status)
    assert.equal("", ran())
  end)

  it("let the later exit win", function()
    start {
      plugins = {
        a = noting(
          "",
          [[function M.access(_, ctx)
        ctx.response:exit(200, "first")
        ctx.response:exit(201, "second")
      end
      function M.response(_, ctx) ctx.response:exit(202, "third") end]]
        ),
        b = noting(
          "response",
          [[
      function M.response(conf, ctx) ctx.response:set_header("x-b", ctx.response:get_status()) end]]
        ),
      },
      uses = { { plugin = "a", conf = {} }, { plugin = "b", conf = {} } },
      plans = { {}, { { use = 1 }, { use = 2 } } },
    }
    x:run("access")
    assert.equal("second", x:reply().body)
    c.gw_blob_unref(x.fake.x.reply.body)
    x.fake.x.reply = nil -- proxy makes a stream of it
    x:run("response")
    assert.equal("third", x:reply().body)
    assert.equal("202", x:reply().headers["x-b"])
  end)

  it("go on after a wait where they were", function()
    start {
      plugins = {
        a = noting("", "function M.access(conf, ctx) ctx:sleep(1) require('noted')(ctx, conf, 'woke') end"),
        b = noting("access"),
      },
      uses = { { plugin = "a", conf = { tag = "a" } }, { plugin = "b", conf = { tag = "b" } } },
      plans = { {}, { { use = 1 }, { use = 2 } } },
    }
    assert.equal("waits", x:run("access"))
    s:advance(2)
    assert.equal(1, x:finished())
    x:run("log")
    assert.equal("a.woke b.access", ran())
  end)

  describe("when one fails", function()
    local function failing(hook, on_error)
      start {
        plugins = {
          a = noting("", ("function M.%s() error('broken') end"):format(hook)),
          b = noting("rewrite access response log"),
        },
        uses = { { plugin = "a", conf = {}, on_error = on_error }, { plugin = "b", conf = { tag = "b" } } },
        plans = { {}, { { use = 1 }, { use = 2 } } },
      }
      x:run_all()
      has(scripts.caught(), "broken")
    end

    it("answer 500 and skip the rest", function()
      failing("access", "reply")
      assert.equal(500, x:reply().status)
      assert.equal("b.rewrite b.response b.log", ran())
    end)

    it("go on when it may be skipped", function()
      failing("access", "skip")
      assert.is_nil(x:reply())
      assert.equal("b.rewrite b.access b.response b.log", ran())
    end)

    it("go on after a failed rewrite that may be skipped", function()
      failing("rewrite", "skip")
      assert.equal("b.rewrite b.access b.response b.log", ran())
    end)

    it("answer 500 in response, and the others see it", function()
      failing("response", "reply")
      assert.equal(500, x:reply().status)
      assert.equal("b.rewrite b.access b.response b.log", ran())
    end)

    it("only write a line in log", function()
      failing("log", "reply")
      assert.is_nil(x:reply())
      assert.equal("b.rewrite b.access b.response b.log", ran())
    end)

    it("never skip an authenticating plugin", function()
      start {
        plugins = { a = "return { authenticates = true, access = function() error('broken') end }" },
        uses = { { plugin = "a", conf = {}, on_error = "skip" } },
        plans = { {}, { { use = 1 } } },
      }
      x:run("access")
      assert.equal(500, x:reply().status)
    end)

    it("keep the answer of a hook that answered before it failed only where it may be skipped", function()
      start {
        plugins = { a = "return { access = function(_, ctx) ctx.response:exit(418) error('broken') end }" },
        uses = { { plugin = "a", conf = {}, on_error = "skip" } },
        plans = { {}, { { use = 1 } } },
      }
      x:run("access")
      assert.equal(418, x:reply().status)
    end)
  end)

  describe("with uses of consumers", function()
    local CONSUMERS = { { id = "c-1", username = "anna" }, { id = "c-2", username = "bert" } }
    local AUTH = [[return { access = function(conf, ctx)
      local name = ctx.request:get_header("x-name")
      if name then ctx.client:authenticate(ctx.client:load_consumer(name, true)) end
    end }]]

    local function as(name, plan)
      start {
        plugins = { auth = AUTH, a = noting("rewrite access response") },
        consumers = CONSUMERS,
        uses = {
          { plugin = "auth", conf = {} },
          { plugin = "a", conf = { tag = "all" } },
          { plugin = "a", conf = { tag = "anna" } },
        },
        plans = { {}, plan or { { use = 1 }, { use = 2, by_consumer = { ["c-1"] = 3 } } } },
      }
      if name then x:add_header("x-name", name) end
      x:run_all()
      return ran()
    end

    it(
      "run the consumer's at the plugin's turn and after it",
      function() assert.equal("all.rewrite anna.access anna.response", as("anna")) end
    )

    it(
      "run the general one for everybody else",
      function() assert.equal("all.rewrite all.access all.response", as("bert")) end
    )

    it(
      "run the general one for nobody",
      function() assert.equal("all.rewrite all.access all.response", as(nil)) end
    )

    it(
      "never see a consumer that becomes known after the plugin's turn",
      function()
        assert.equal(
          "all.rewrite all.access all.response",
          as("anna", { { use = 2, by_consumer = { ["c-1"] = 3 } }, { use = 1 } })
        )
      end
    )

    it(
      "run for that consumer only when there is no other",
      function()
        assert.equal("anna.access anna.response", as("anna", { { use = 1 }, { by_consumer = { ["c-1"] = 3 } } }))
      end
    )

    it(
      "run for nobody else when there is no other",
      function() assert.equal("", as("bert", { { use = 1 }, { by_consumer = { ["c-1"] = 3 } } })) end
    )
  end)
end)

describe("a ctx", function()
  local s, x

  before_each(function() scripts.catch() end)

  after_each(function()
    if x and x.fake then x:free() end
    s:free()
    scripts.release()
  end)

  local function plugin(text)
    s = scripts.new { plugins = { p = text } }
    assert.is_nil(s.why)
    x = s:exchange()
  end

  it("refuses everything once its request is over", function()
    plugin([[
      local M, kept = {}, nil
      function M.access(_, ctx)
        if not kept then kept = ctx return end
        for what, call in pairs {
          get = function() kept.request:get_method() end, exit = function() kept.response:exit(200) end,
          sleep = function() kept:sleep(1) end, plugin = function() return kept.plugin end,
          log = function() kept.log:info("x") end, fetch = function() kept:fetch {} end,
        } do
          local ok, why = pcall(call)
          ctx.log:notice(what, " ", ok, " ", why)
        end
      end
      return M]])
    local first, second = s:exchange(), s:exchange()
    first:run("access")
    second:run("access")
    first:free()
    second:free()
    scripts.catch()
    x:run("access") -- in the ctx of `second`, so that the kept one is nobody's
    for _, what in ipairs { "get", "exit", "sleep", "plugin", "log", "fetch" } do
      assert.matches(what .. " false .*this request is over %(a plugin may not keep ctx%)", scripts.caught())
    end
  end)

  -- What a plugin may have kept of the first request, and how it uses it in the second, which has the same slot.
  local KEPT = {
    ["ctx"] = { "ctx", "return kept.request:get_header('x-who')" },
    ["ctx, to wait"] = { "ctx", "kept:sleep(0)" },
    ["ctx, to ask"] = { "ctx", "kept:fetch { service = 's1' }" },
    ["ctx, for ctx.shared"] = { "ctx", "return kept.shared.who" },
    ["ctx, for ctx.plugin"] = { "ctx", "return kept.plugin.who" },
    ["ctx.request"] = { "ctx.request", "return kept:get_header('x-who')" },
    ["ctx.response"] = { "ctx.response", "kept:set_header('x-a', 1)" },
    ["ctx.response, to answer"] = { "ctx.response", "kept:exit(200, 'not mine')" },
    ["ctx.client"] = { "ctx.client", "return kept:get_ip()" },
    ["ctx.client, for the credential"] = { "ctx.client", "return kept:get_credential()" },
    ["ctx.log"] = { "ctx.log", "kept:info('x')" },
    ["ctx.router"] = { "ctx.router", "return kept:get_route()" },
    ["ctx.service"] = { "ctx.service", "kept:set_retries(1)" },
    ["ctx.service, for its request"] = { "ctx.service", "kept.request:set_path('/x')" },
    ["ctx.service.request"] = { "ctx.service.request", "kept:set_path('/x')" },
    ["a function with ctx"] = { "function() return ctx.request:get_header('x-who') end", "return kept()" },
    ["a function with ctx.request"] = {
      "(function(request) return function() return request:get_header('x-who') end end)(ctx.request)",
      "return kept()",
    },
    ["a coroutine with ctx"] = {
      "coroutine.wrap(function() while true do coroutine.yield(ctx.request:get_header('x-who')) end end)",
      "return kept()",
    },
    ["a coroutine in the middle"] = {
      [[(function()
        local co = coroutine.wrap(function()
          while true do coroutine.yield(ctx.request:get_header('x-who')) end
        end)
        return co() and co
      end)()]],
      "return kept()",
    },
    ["a method"] = { "{ ctx.request.get_header, ctx.request }", "return kept[1](kept[2], 'x-who')" },
  }
  for what, case in pairs(KEPT) do
    for _, first_phase in ipairs { "access", "rewrite", "log" } do
      it(("never reads another request through %s kept in %s"):format(what, first_phase), function()
        plugin(([[
          local M, kept = {}, nil
          function M.%s(_, ctx)
            if ctx.request:get_header("x-who") == "first" then
              ctx.shared.who, ctx.plugin.who = "first", "first"
              kept = %s
            end
          end
          function M.response(_, ctx)
            if ctx.request:get_header("x-who") == "second" then
              ctx.shared.who, ctx.plugin.who = "second", "second"
              local ok, why = pcall(function() %s end)
              ctx.log:notice("outcome ", ok, " ", why)
            end
          end
          return M]]):format(first_phase, case[1], case[2]))
        local handle = {}
        for i, who in ipairs { "first", "second" } do
          x:add_header("x-who", who)
          assert.equal("done", x:run("rewrite"))
          assert.equal("done", x:run("access"))
          handle[i] = x.fake.x.ctx_slot
          x:run("response")
          x:run("log")
          assert.is_nil(x:reply())
          x:free()
          x = s:exchange()
        end
        assert.equal(handle[1], handle[2])
        assert.matches("outcome false .*this request is over %(a plugin may not keep ctx%)", scripts.caught())
      end)
    end
  end

  it("keeps what a plugin kept of ctx.shared as it was", function()
    plugin([[
      local M, kept = {}, nil
      function M.access(_, ctx)
        if kept then ctx.log:notice("kept ", kept.who, ", new ", ctx.shared.who) end
        ctx.shared.who = ctx.request:get_header("x-who")
        kept = kept or ctx.shared
      end
      return M]])
    for _, who in ipairs { "first", "second" } do
      x:add_header("x-who", who)
      x:run("access")
      x:free()
      x = s:exchange()
    end
    has(scripts.caught(), "kept first, new nil")
  end)

  it("is refused between the hooks of its request", function()
    plugin([[
      local M, kept = {}, nil
      function M.access(_, ctx)
        if not kept then kept = ctx return end
        ctx.log:notice(select(2, pcall(kept.request.get_method, kept.request)))
      end
      return M]])
    local other = s:exchange()
    x:run("access")
    other:run("access")
    has(scripts.caught(), "no hook of this request is running")
    other:free()
  end)

  it("gives each plugin its own table, and one for all", function()
    s = scripts.new {
      plugins = {
        a = "return { access = function(_, ctx) ctx.plugin.v, ctx.shared.v = 'a', 'shared' end }",
        b = [[return { access = function(_, ctx)
        ctx.log:notice(ctx.plugin.v, " ", ctx.shared.v)
      end, log = function(_, ctx) ctx.log:notice(ctx.plugin.w) end }]],
      },
    }
    x = s:exchange()
    x:run("access")
    has(scripts.caught(), "nil shared")
  end)

  it("holds nothing of the request before", function()
    plugin([[return { access = function(_, ctx)
      ctx.log:notice("saw ", ctx.plugin.v, " ", ctx.shared.v)
      ctx.plugin.v, ctx.shared.v = 1, 1
    end }]])
    for _ = 1, 3 do
      x:run("access")
      x:free()
      x = s:exchange()
    end
    local _, count = scripts.caught():gsub("saw nil nil", "")
    assert.equal(3, count)
  end)

  it("says that it takes nothing of its own", function()
    plugin("return { access = function(_, ctx) ctx.mine = 1 end }")
    x:run("access")
    has(scripts.caught(), "ctx.mine cannot be set: use ctx.plugin or ctx.shared")
  end)

  it("says so of its parts too", function()
    plugin("return { access = function(_, ctx) ctx.service.request.mine = 1 end }")
    x:run("access")
    has(scripts.caught(), "ctx.service.request.mine cannot be set: use ctx.plugin or ctx.shared")
  end)
end)
