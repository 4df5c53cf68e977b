-- What a plugin that is not trusted can reach, and what it costs those that are.
local scripts = require("support.scripts")

describe("a plugin that is not trusted", function()
  local s, x

  before_each(function() scripts.catch() end)

  local function finish()
    if x and x.fake then x:free() end
    x = nil
    if s then s:free() end
    s = nil
  end

  after_each(function()
    finish()
    scripts.release()
  end)

  local function start(handler, options)
    finish()
    options = options or {}
    options.plugins = { p = handler }
    options.uses = { { plugin = "p", conf = {}, on_error = "reply", untrusted = true } }
    options.plans = { {}, { { use = 1 } } }
    s = scripts.new(options)
    if s.why then return end
    x = s:exchange()
    return x
  end

  -- What the chunk, as the body of access, answers.
  local function answer_of(body, head)
    assert(
      start((head or "") .. "\nlocal M = {}\nfunction M.access(conf, ctx)\n" .. body .. "\nend\nreturn M"),
      s.why
    )
    x:run("access")
    local reply = x:reply()
    return reply and reply.body, reply
  end

  local function says(body, head)
    return (answer_of("ctx.response:exit(200, tostring((function() " .. body .. " end)()))", head))
  end

  -- Each is an expression that is nil, or an error, where there is no way out.
  local ESCAPES = {
    "ffi",
    "jit",
    "debug",
    "io",
    "package",
    "module",
    "dofile",
    "loadfile",
    "newproxy",
    "getfenv",
    "setfenv",
    "collectgarbage",
    "gcinfo",
    "print",
    "os.execute",
    "os.exit",
    "os.getenv",
    "os.remove",
    "os.rename",
    "os.tmpname",
    "os.setlocale",
    "string.dump",
    "string.buffer",
    "table.foreach",
    "math.randomseed",
    "_G.ffi",
    "_G._G.debug",
    "rawget(_G, 'jit')",
    "require('ffi')",
    "require('jit')",
    "require('jit.util')",
    "require('debug')",
    "require('io')",
    "require('os')",
    "require('package')",
    "require('string')",
    "require('table.new')",
    "require('string.buffer')",
    "require('cjson')",
    "require('moongate.core')",
    "require('moongate.cdef')",
    "require('moongate.ctx')",
    "require('moongate.sink')",
    "require('moongate.sandbox')",
    "require('moongate.facade')",
    "require('moongate.pdk.request')",
    "require('p.../../../../../../etc/passwd')",
    "getmetatable('')",
    "getmetatable(ctx)",
    "getmetatable(ctx.request)",
    "getmetatable(ctx.request:get_headers())",
    "getmetatable(require('moongate.json').array {})",
    "setmetatable('', {})",
    "setmetatable(ctx, {})",
    "setmetatable(ctx.request, {})",
    "setmetatable(require('moongate.json').array {}, {})",
    "setmetatable(ctx.request:get_headers(), { __index = function() end })",
    "ctx[1]",
    "ctx[2]",
    "ctx[3]",
    "rawget(ctx, 1)",
    "ctx.request[1]",
    "rawget(ctx.request, 3)",
    "(''):dump()",
    "('').dump and ('').dump(function() end)",
    "load('\\27LJ')",
    "loadstring(('x'):rep(3), 'x', 'b') and nil",
    "load(string.char(27) .. 'LJ\\2', 'x', 'b')",
    "load('return ffi')()",
    "load('return debug', 'x', 't', {})()",
    "load('return _G.io')()",
    "loadstring('return getfenv(0)')()",
    "load('return getfenv', 'x', 't', setmetatable({}, { __index = _G }))()",
    "coroutine.running()",
    "coroutine.resume(coroutine.running())",
    "coroutine.wrap(function() return getfenv end)()",
    "ctx.request.get_path({ { phase = 4, serial = 0 }, 0, {} })",
    "ctx.request.get_path(setmetatable({}, { __index = function() return 0 end }))",
    "ctx.log.info(nil, 'x')",
    "ctx.cache",
    "tostring(ctx.request.get_path):find('builtin') and 1 or nil",
    "xpcall(error, getfenv) == true or nil",
    "select(2, pcall(error, {})).x",
    "table.insert({}, -1e9, 1)",
    "table.move",
    "unpack({}, 1, 1e9)",
    "('x'):rep(1e9)",
    "string.rep('x', 1e9)",
    "string.rep('x', 1e308)",
    "('x'):rep(1e8, 'y')",
    "('a'):rep(1e6):gsub('a', ('b'):rep(1e3))",
    "('a'):rep(40):find(('a*'):rep(40) .. 'b')",
    "('a'):rep(300):match(('a-'):rep(20) .. 'b')",
    "('a'):rep(1e5):gsub('.-b', '')",
    "(function() for _ in ('a'):rep(1e5):gmatch('.-b') do end end)()",
    "('x'):rep(1e5):find('(.-)%1b')",
  }

  for _, escape in ipairs(ESCAPES) do
    it(
      "does not get anything with " .. escape,
      function()
        assert.equal(
          "nothing",
          says(
            "local ok, got = pcall(function() return "
              .. escape:gsub("^%((.*)%)%(%)$", "(%1)()")
              .. " end)"
              .. " return ok and got ~= nil and 'got ' .. tostring(got) or 'nothing'"
          )
        )
      end
    )
  end

  it("changes nothing that others use", function()
    for _, change in ipairs {
      "string.rep = nil",
      "math.floor = nil",
      "table.concat = nil",
      "coroutine.create = nil",
      "os.time = nil",
      "_G.pairs = nil",
      "require('moongate.json').encode = nil",
      "rawset(string, 'find', nil)",
    } do
      assert.equal("done", says("pcall(function() " .. change .. " end) return 'done'"))
    end
    finish()
    local json = [[
      local M = {}
      function M.access(conf, ctx)
        ctx.response:exit(200, require("moongate.json").encode({ a = ("x"):rep(2) }) .. math.floor(1.5))
      end
      return M]]
    local spoil =
      "string.rep, math.floor = nil, nil require('moongate.json').encode = nil\nreturn { access = function() end }"
    s = scripts.new {
      plugins = { a = spoil, b = json },
      uses = {
        { plugin = "a", conf = {}, on_error = "reply", untrusted = true },
        { plugin = "b", conf = {}, on_error = "reply" },
      },
      plans = { {}, { { use = 1 }, { use = 2 } } },
    }
    assert.is_nil(s.why)
    x = s:exchange()
    x:run("access")
    assert.equal('{"a":"xx"}1', x:reply().body)
  end)

  it("gets copies of what belongs to the configuration", function()
    local body = [[
      local route = ctx.router:get_route()
      route.name = "spoilt" route.service.name = "spoilt"
      ctx.response:exit(200, ctx.router:get_route().name .. ctx.router:get_service().name)]]
    assert.equal("r1s1", (answer_of(body)))
  end)

  it("works with ctx as others do", function()
    local body = [[
      ctx.shared.a, ctx.plugin.b = 1, 2
      ctx:sleep(0)
      local name, got = ctx:race(function(own) own:sleep(0) return own.request:get_method() end)
      ctx.log("hello") ctx.log:info("there")
      ctx.response:exit(200, ("%s %s %s %s %s"):format(ctx.shared.a, ctx.plugin.b, name, got, ctx.request:get_path()))]]
    assert.is_nil((answer_of(body)))
    for _ = 1, 6 do
      s:turn()
    end
    assert.equal("1 2 1 GET /a/b", x:reply().body)
  end)

  local LIMITED = [[
    local limit = require("moongate.limit")
    local counter, rule
    local M = {}
    function M.init()
      counter = limit.counter("c", { size = "64k" })
      rule = limit.rule { limit = 2, window = 60 }
    end
    function M.access(conf, ctx)
      local function run() %s end
      ctx.response:exit(200, tostring(select(2, pcall(run))))
    end
    return M]]

  it("has counters of its own, and answers that stay what they are", function()
    for body, expected in pairs {
      [ [[local _, first = counter:take("k", rule) local _, second = counter:take("k", rule)
          return first.remaining .. " " .. second.remaining .. " " .. tostring((counter:take("k", rule)))]] ] = "1 0 false",
      [ [[local ok, answers = counter:take_all { { "a", rule }, { "b", rule, 2 } }
          counter:adjust("a", rule, -1) counter:forget("b", rule)
          local _, left = counter:look_all({ { "a", rule }, { "b", rule } })
          return tostring(ok) .. answers[2].remaining .. left[1].remaining .. left[2].remaining]] ] = "true022",
      ["return tostring(counter:fits(rule)) .. counter:stats().entries .. rule.limit"] = "true02",
    } do
      start(LIMITED:format(body))
      assert.is_nil(s.why)
      x:run("access")
      assert.equal(expected, x:reply().body)
    end
  end)

  it("gets nothing from a rule or a counter that is none", function()
    for body, expected in pairs {
      ["return tostring(rule[1]) .. tostring(rawget(rule, 1)) .. tostring(counter[1]) .. tostring(counter.queue)"] = "^nilnilnilnil$",
      ["counter:take('k', {})"] = "the rule must be what limit.rule made",
      ["counter:take('k', ctx)"] = "the rule must be what limit.rule made",
      ["counter:take_all { { 'k', {} } }"] = "the rule must be what limit.rule made",
      ["counter.take({}, 'k', rule)"] = "is a method",
      ["rule.limit = 9"] = "cannot be changed",
      ["counter:take_all { {}, {}, {}, {}, {}, {}, {}, {}, {} }"] = "1 to 8 asks",
    } do
      start(LIMITED:format(body))
      assert.is_nil(s.why)
      x:run("access")
      assert.matches(expected, x:reply().body)
    end
  end)

  it("may have so much of limits, and no more", function()
    for declared, why in pairs {
      ['limit.counter("c", { size = "33m" })'] = "may ask for 32m at most",
      ['limit.counter("c", { shared = true })'] = "counters of its own alone",
      ['limit.counter("c", { store = "redis" })'] = "counts in memory",
      ['for i = 1, 17 do limit.counter("c" .. i, { size = "64k" }) end'] = "may have 16 counters",
    } do
      start('local limit = require("moongate.limit") return { init = function() ' .. declared .. " end }")
      assert.matches(why, s.why)
    end
  end)

  it("cannot set what ctx has", function()
    assert.matches("ctx.request cannot be set", says("return select(2, pcall(function() ctx.request = 1 end))"))
    assert.matches(
      "ctx.request.x cannot be set",
      says("return select(2, pcall(function() ctx.request.x = 1 end))")
    )
  end)

  it(
    "sees its own metatables",
    function()
      assert.equal(
        "7",
        says(
          "local m = { __index = { a = 7 } } local t = setmetatable({}, m) "
            .. "return getmetatable(t) == m and t.a"
        )
      )
    end
  )

  it("runs text and its own modules", function()
    assert.equal("3", says("return load('return 1 + 2')()"))
    start({
      ["handler.lua"] = "local other = require('p.other') return { access = function(_, ctx) ctx.response:exit(200, other()) end }",
      ["other.lua"] = "return function() return tostring(ffi) .. tostring(getfenv) .. tostring(require) end",
    })
    x:run("access")
    assert.matches("^nilnilfunction", x:reply().body)
  end)

  it("is not read as bytecode", function()
    start(string.dump(function() return {} end))
    assert.matches("attempt to load chunk with wrong mode", s.why)
  end)

  it("may not touch what is left of lua.memory for others", function()
    s = scripts.new {
      memory = 32 * 1024 * 1024,
      plugins = {
        a = "local kept = {} return { access = function() while true do kept[#kept + 1] = { {} } end end }",
        b = [[return { access = function(_, ctx)
          ctx.response:exit(200, ("x"):rep(4e6)) end }]],
      },
      uses = {
        { plugin = "a", conf = {}, on_error = "skip", untrusted = true },
        { plugin = "b", conf = {}, on_error = "reply" },
      },
      plans = { {}, { { use = 1 }, { use = 2 } } },
    }
    for _ = 1, 3 do
      x = s:exchange()
      x:run("access")
      assert.equal(4e6, #x:reply().body)
      x:free()
    end
    x = nil
  end)

  it(
    "is asked for by name in what require refuses",
    function()
      assert.matches(
        'has no "ffi" %(it has: bit, moongate.breaker',
        says("return select(2, pcall(require, 'ffi'))")
      )
    end
  )
end)

describe("strings of a state with plugins that are not trusted", function()
  it("have no caps for those that are", function()
    scripts.catch()
    local s = scripts.new {
      plugins = {
        a = "return { access = function() end }",
        b = "return { access = function(_, ctx) ctx.response:exit(200, tostring(#('x'):rep(2e7))) end }",
      },
      uses = {
        { plugin = "a", conf = {}, on_error = "reply", untrusted = true },
        { plugin = "b", conf = {}, on_error = "reply" },
      },
      plans = { {}, { { use = 1 }, { use = 2 } } },
    }
    local x = s:exchange()
    x:run("access")
    assert.equal("20000000", x:reply().body)
    x:free()
    s:free()
    scripts.release()
  end)

  it("answer what Lua's do", function()
    scripts.catch()
    local s = scripts.new {
      plugins = {
        p = [==[
        local own, capped = string, require("moongate.core").capped
        local random, concat, pack = math.random, table.concat, function(...) return { n = select("#", ...), ... } end
        local ITEMS = { "a", "b", ".", "%a", "%d", "%s", "[ab]", "[^a]", "[a-c%d]", "[%]]", "[]]", "x", "%.", "%w", "%A", "-", "]" }
        local REPEATS = { "", "", "", "*", "+", "-", "?" }
        local SUBJECTS = { "", "a", "aab", "abc abc", "x.y-z", "a(b)c)", "  a1 b2 ", "aaaaab", "[x]]y", "foo=1; bar=2" }
        local WITH = { "<%0>", "%1", "x", "%%", { a = "A", ab = false }, function(c) return c end, function() end, 5 }

        local function pattern()
          local parts = { random(6) == 1 and "^" or "" }
          for _ = 1, random(4) do
            local item = ITEMS[random(#ITEMS)] .. REPEATS[random(#REPEATS)]
            local how = random(9)
            parts[#parts + 1] = how == 1 and "(" .. item .. ")" or how == 2 and "()" .. item or how == 3 and "%b()"
              or how == 4 and "%f[%a]" or how == 5 and "(" .. item .. ")%1" or item
          end
          parts[#parts + 1] = random(6) == 1 and "$" or ""
          return concat(parts)
        end

        local function same(name, ...)
          local a, b = pack(pcall(own[name], ...)), pack(pcall(capped[name], ...))
          if not a[1] and not b[1] then return end
          assert(a.n == b.n, name .. ": " .. tostring((select(2, ...))))
          for i = 1, a.n do
            assert(a[i] == b[i], ("%s %q %q: %s, %s"):format(name, (...), (select(2, ...)), tostring(a[i]), tostring(b[i])))
          end
        end

        local function all(fn, ...)
          local out = {}
          for a, b in fn(...) do out[#out + 1] = tostring(a) .. "," .. tostring(b) end
          return concat(out, ";")
        end

        return { access = function(_, ctx)
          for _ = 1, 30000 do
            local s, p = SUBJECTS[random(#SUBJECTS)], pattern()
            local init = random(3) == 1 and random(-3, 12) or nil
            same("find", s, p, init)
            same("find", s, p, init, true)
            same("match", s, p, init)
            same("gsub", s, p, WITH[random(#WITH)], random(3) == 1 and random(0, 3) or nil)
            if p:sub(1, 1) ~= "^" then
              local ok, a = pcall(all, own.gmatch, s, p)
              local ok2, b = pcall(all, capped.gmatch, s, p)
              assert(ok == ok2 and (not ok or a == b), p)
            end
          end
          for _, n in ipairs { -1, 0, 1, 2, 3, 2.9 } do
            same("rep", "ab", n) same("rep", "ab", n, ",") same("rep", "", n, "-")
          end
          ctx.response:exit(200, "same")
        end }]==],
      },
    }
    assert.is_nil(s.why)
    local x = s:exchange()
    x:run("access")
    assert.equal("same", x:reply().body, scripts.log and "" or nil)
    x:free()
    s:free()
    scripts.release()
  end)
end)
