-- Run-away Lua in the real process: who is stopped, what the client gets, and that everybody else is served.
local moongate = require("support.moongate")
local wire = require("support.wire")

local SCHEMA = "return require('moongate.schema').record {}"

-- `jit.off()`: what a stock LuaJIT has compiled cannot be stopped (the last block here).
local function start(hooks, yaml)
  return moongate.start {
    yaml = "workers: 1\nplugin_paths: [./plugins]\n"
      .. (yaml or "lua: { budget: 50ms }\n")
      .. "plugins: [{ name: bad }]\n"
      .. "routes: [{ name: r, paths: [/], plugins: [{ name: echo }] }]\n",
    files = {
      ["plugins/bad/handler.lua"] = "jit.off()\nlocal M = { version = '1.0.0', priority = 2000 }\n"
        .. hooks
        .. "\nreturn M\n",
      ["plugins/bad/schema.lua"] = SCHEMA,
    },
  }
end

local function access(body)
  return "function M.access(_, ctx) if ctx.request:get_path() == '/bad' then " .. body .. " end end"
end

-- How often the plugin was stopped, as the metrics say.
local function stops(gw) return gw:metric('moongate_lua_budget_exceeded_total{plugin="bad"}') end

local LOOPS = {
  ["plain"] = "while true do end",
  ["inside pcall, again and again"] = "while true do pcall(function() while true do end end) end",
  ["in pcalls inside each other"] = "local function f() pcall(f) while true do end end f()",
  ["inside xpcall"] = "xpcall(function() while true do end end, function(e) return e end)",
  ["in the error handler of an xpcall"] = "xpcall(error, function() while true do end end)",
  ["in an error handler that runs because of the stop"] = "xpcall(function() while true do end end, function() while true do end end)",
  ["in a coroutine"] = "coroutine.wrap(function() while true do end end)()",
  ["in coroutines inside each other"] = [[
    local function f(n) if n == 0 then while true do end end coroutine.resume(coroutine.create(f), n - 1) end
    while true do f(20) end]],
  ["in coroutines that yield"] = [[
    local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end]],
  ["in a metamethod"] = "local t = setmetatable({}, { __index = function() while true do end end }) return t.x",
  ["in a comparison of table.sort"] = "table.sort({ 1, 2, 3 }, function() while true do end end)",
  ["in gsub's function"] = "return (('x'):gsub('x', function() while true do end end))",
  ["that calls C functions all the time"] = "while true do pcall(string.rep, 'x', 10) end",
  ["behind a wait"] = "ctx:sleep(0) while true do end",
  ["of recursion"] = "local function f() return f() end f()",
}

describe("a hook that computes for longer than lua.budget", function()
  after_each(moongate.stop_all)

  for name, body in pairs(LOOPS) do
    it("is stopped: a loop " .. name, function()
      local gw = start(access(body))
      assert.equal(500, gw:get("/bad").status)
      assert.equal(200, gw:get("/").status)
      assert.equal(1, stops(gw))
      assert.is_truthy(gw:wait_log("plugin bad, access, route r, request %S+: computed for more than 50 ms"))
      gw:stop()
    end)
  end

  it("is stopped in log, too, and in a task, again and again", function()
    local gw = start([[
      function M.log() while true do end end
      function M.init() require("moongate.task").every(0.01, function() while true do end end) end
    ]])
    assert.equal(200, gw:get("/").status)
    assert.is_truthy(gw:wait_log("plugin bad, log, route r, request %S+: computed for more than 50 ms"))
    assert.is_truthy(gw:wait_log("plugin bad, task: computed for more than 50 ms.*plugin bad, task: computed", 10))
    gw:stop()
  end)

  it("is cut in body", function()
    local gw = start("function M.body() while true do end end")
    local answer = gw:raw("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert.is_nil(answer:find("\r\n0\r\n\r\n", 1, true))
    assert.is_truthy(gw:wait_log("plugin bad, body, route r, request %S+: computed for more than 50 ms"))
    gw:stop()
  end)

  it("does not take those with it that wait", function()
    local gw = start([[function M.access(_, ctx)
      local path = ctx.request:get_path()
      if path == "/bad" then while true do end elseif path == "/waits" then ctx:sleep(0.3) end
    end]])
    local waits = gw:connect()
    waits:send("GET /waits HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    for _ = 1, 3 do
      assert.equal(500, gw:get("/bad").status)
    end
    assert.matches("^HTTP/1.1 200", (waits:read_all(5)))
    assert.equal(3, stops(gw))
    gw:stop()
  end)

  it("is stopped in an event hook, on control's thread", function()
    local gw = start(
      "function M.event() while true do end end",
      "lua: { budget: 50ms }\nupstreams: [{ name: u, targets: [{ target: '127.0.0.1:1' }] }]\n"
    )
    for _, word in ipairs { "unhealthy", "healthy" } do
      assert.equal(204, gw:ask("POST", "/upstreams/u/targets/127.0.0.1:1/" .. word).status)
    end
    assert.is_truthy(gw:wait_log("plugin bad, event: .-plugin bad, event: "))
    assert.equal(200, gw:get("/").status)
    assert.equal(0, gw:status().restarts)
    gw:stop()
  end)

  it("goes on where the budget is off", function()
    local gw = start(access("local t = os.clock() while os.clock() - t < 0.2 do end"), "lua: { budget: off }\n")
    assert.equal(200, gw:get("/bad").status)
    gw:stop()
  end)
end)

describe("Lua that cannot be stopped", function()
  after_each(moongate.stop_all)

  local FOUND = "plugin bad, access, route r, request [%w-]+: has kept its thread for 300 ms"

  local CASES = {
    ["a finaliser without end"] = "local p = newproxy(true) "
      .. "getmetatable(p).__gc = function() while true do end end p = nil collectgarbage()",
    ["a C function that does not come back"] = "local ffi = require('ffi') "
      .. "ffi.cdef('int pause(void)') while true do ffi.C.pause() end",
    ["a pattern that backtracks for ever"] = "return (('a'):rep(40):find(('a*'):rep(40) .. 'b'))",
  }

  -- Named, ended, replaced, served again: told by the log's order and by counts.
  local function ends(body, lua)
    local gw = start(body, lua)
    local client, before = gw:connect(), gw:worker()
    client:send("GET /bad HTTP/1.1\r\nHost: a\r\n\r\n")
    assert.equal("", (client:read_all(10))) -- the one request that is lost
    client:close()
    local next_one = gw:get("/") -- queues at the supervisor's socket until somebody serves
    assert.equal(200, next_one.status)
    assert.is_truthy(gw:wait_log("starting another.-serves: generation 1", 10))
    assert.matches(
      FOUND
        .. ".-The process ends\n.-ended with exit code 70: starting another %(restart 1%).-serves: generation 1",
      gw:stderr()
    )
    local status = gw:status()
    assert.equal(1, status.restarts)
    assert.are_not.equal(before, status.pid)
    gw:stop()
  end

  for name, body in pairs(CASES) do
    it(
      "ends the process, which says whose it was: " .. name,
      function() ends(access(body), "lua: { budget: off, stuck_limit: 300ms }\n") end
    )
  end

  it("is also a compiled loop, where LuaJIT does not look at hooks there", function()
    if moongate.command({ "version" }).stdout:find("lua.budget holds in compiled code", 1, true) then return end
    ends("jit.on()\n" .. access("while true do end"), "lua: { budget: 50ms, stuck_limit: 300ms }\n")
  end)
end)

describe("a trusted plugin whose compiled code takes all memory", function()
  after_each(moongate.stop_all)

  local GREEDY = {
    ["/tables"] = "local t = {} for i = 1, 1e12 do t[i] = { i, {} } end",
    ["/keys"] = "local t = {} for i = 1, 1e12 do t[i * 7919.5] = i end",
    ["/strings"] = "local t = {} for i = 1, 1e12 do t[i] = ('x'):rep(10000) .. i end",
    ["/rep"] = "for i = 1, 100 do n = #('x'):rep(i < 100 and i or 1e9) end",
    ["/concat"] = "local p = {} for i = 1, 100 do p[i] = ('x'):rep(1000) end "
      .. "local t = {} for i = 1, 1e12 do t[i] = table.concat(p) .. i end",
  }

  it("fails its own requests alone; the process stays", function()
    local hooks = "jit.on()\nlocal GREEDY, n = {}\n"
    for path, body in pairs(GREEDY) do
      hooks = hooks .. ("GREEDY[%q] = function() %s end\n"):format(path, body)
    end
    hooks = hooks .. "function M.access(_, ctx) local f = GREEDY[ctx.request:get_path()] if f then f() end end"
    local gw = start(hooks, "lua: { budget: 5s, stuck_limit: off, memory: 16m }\n")
    for path in pairs(GREEDY) do
      assert.equal(500, gw:get(path).status, path)
      assert.equal(200, gw:get("/").status, path)
    end
    assert.is_truthy(gw:wait_log("plugin bad, access, route r, request %S+: not enough memory %(lua.memory%)"))
    assert.equal(0, gw:status().restarts)
    gw:stop()
  end)
end)

describe("a plugin that is not trusted", function()
  after_each(moongate.stop_all)

  -- Nothing here says jit.off(): it is not compiled.
  local function untrusted(chunks, lua)
    return moongate.start {
      yaml = "workers: 1\nlua: { budget: 50ms"
        .. (lua or "")
        .. " }\n"
        .. "plugins:\n  - name: pre-function\n    config:\n      access:\n        - |\n"
        .. "          local ctx = ...\n          local path = ctx.request:get_path()\n"
        .. chunks
        .. "routes: [{ name: r, paths: [/], plugins: [{ name: echo }] }]\n",
    }
  end

  local function branches(cases)
    local text = ""
    for path, body in pairs(cases) do
      text = text .. ("          if path == %q then %s end\n"):format(path, body)
    end
    return text
  end

  local BAD = {
    ["/plain"] = "while true do end",
    ["/hot"] = "local n = 0 for i = 1, 1e15 do n = n + i end",
    ["/pcall"] = "while true do pcall(function() while true do end end) end",
    ["/coroutine"] = "while true do coroutine.wrap(function() for i = 1, 1e12 do end end)() end",
    ["/metamethod"] = "local t = setmetatable({}, { __index = function() while true do end end }) return t.x",
    ["/sort"] = "local t = {} for i = 1, 1e4 do t[i] = i % 7 end while true do table.sort(t) end",
    ["/loaded"] = "load('while true do end')()",
    ["/bomb"] = "('a'):rep(40):find(('a*'):rep(40) .. 'b')",
    ["/bombs"] = "while true do pcall(string.find, ('a'):rep(40), ('a*'):rep(40) .. 'b') end",
    ["/rep"] = "('x'):rep(1e9)",
    ["/reps"] = "local s = 'x' while true do s = s .. s end",
    ["/tables"] = "local t = {} while true do t[#t + 1] = { {} } end",
    ["/escape"] = "require('ffi')",
  }

  it("fails its own requests alone, whatever it does", function()
    local gw = untrusted(branches(BAD), ", memory: 32m")
    for path in pairs(BAD) do
      assert.equal(500, gw:get(path).status, path)
      assert.equal(200, gw:get("/").status, path)
    end
    assert.is_true(gw:metric('moongate_lua_budget_exceeded_total{plugin="pre-function"}') >= 8)
    assert.is_truthy(
      gw:wait_log("plugin pre%-function, access, route r, request %S+: computed for more than 50 ms")
    )
    assert.is_truthy(gw:wait_log("pattern takes too many steps"))
    assert.is_truthy(gw:wait_log("resulting string too large"))
    gw:stop()
  end)
end)

describe("Lua of older generations", function()
  after_each(moongate.stop_all)

  local YAML = "workers: 1\nplugin_paths: [./plugins]\nlua: { old_generations: %s }\n"
    .. "plugins: [{ name: waits }]\nroutes: [{ name: r, paths: [/], plugins: [{ name: echo }] }]\n"

  local function waiting(bound)
    local gw = moongate.start {
      yaml = YAML:format(bound),
      files = {
        ["plugins/waits/handler.lua"] = "local M = { version = '1.0.0' }\n" .. access(
          "ctx.log('waits') ctx:sleep(3600)"
        ) .. "\nreturn M\n",
        ["plugins/waits/schema.lua"] = SCHEMA,
      },
    }
    local client = gw:connect()
    client:send("GET /bad HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert.is_truthy(gw:wait_log("waits"))
    assert.equal(200, (gw:reload()))
    return gw, client
  end

  it("ends what needs it when it holds more than lua.old_generations", function()
    local gw, client = waiting("100k")
    local answer = client:read_all(10)
    assert.matches("^HTTP/1.1 503", answer)
    assert.is_truthy(gw:wait_log("request %S+, route r: ended, because it needs Lua of generation 1"))
    assert.equal(200, gw:get("/").status)
    gw:stop()
  end)

  it("stays as long as somebody needs it below that", function()
    local gw, client = waiting("256m")
    for _ = 1, 2 do
      assert.equal(200, (gw:reload()))
    end
    assert.is_truthy(wire.wait(function() return #gw:status().generations == 2 end, 10))
    client:close()
    gw:stop()
  end)
end)
