-- Every function of the modules that plugins require, in init and in every hook: what is declared in init is refused
-- elsewhere with a message that points at the plugin, everything else works wherever a plugin runs.
local host = require("support.host")
local modules = require("moongate.docs.modules")
local scripts = require("support.scripts")

-- How each is tried. `P` holds what init made.
local CALLS = {
  auth = { -- made of functions of ctx, whose rules hold: phases_spec tries those
    ["M.prepare"] = false,
    ["M.find"] = false,
    ["M.strip"] = false,
    ["M.accept"] = false,
    ["M.accept_anonymous"] = false,
  },
  crypto = {
    ["Digest:update"] = "crypto.digest('sha256'):update('x')",
    ["Digest:final"] = "crypto.digest('sha256'):final()",
    ["M.digest"] = "crypto.digest('sha256', 'x')",
    ["M.hmac"] = "crypto.hmac('sha256', 'k', 'x')",
    ["M.md5"] = "crypto.md5('x')",
    ["M.sha1"] = "crypto.sha1('x')",
    ["M.sha256"] = "crypto.sha256('x')",
    ["M.sha384"] = "crypto.sha384('x')",
    ["M.sha512"] = "crypto.sha512('x')",
    ["M.seal"] = "crypto.seal(('k'):rep(16), 'x')",
    ["M.open"] = "assert(crypto.open(('k'):rep(16), crypto.seal(('k'):rep(16), 'x')))",
    ["M.encrypt"] = "crypto.encrypt(('k'):rep(16), ('n'):rep(12), 'x')",
    ["M.decrypt"] = [[local k, n = ('k'):rep(16), ('n'):rep(12)
      assert(crypto.decrypt(k, n, crypto.encrypt(k, n, 'x')))]],
    ["M.random"] = "crypto.random(8)",
    ["M.equal"] = "crypto.equal('a', 'a')",
    ["M.hex_encode"] = "crypto.hex_encode('x')",
    ["M.hex_decode"] = "assert(crypto.hex_decode('78'))",
    ["M.base64_encode"] = "crypto.base64_encode('x')",
    ["M.base64_decode"] = "assert(crypto.base64_decode('eA=='))",
    ["M.base64url_encode"] = "crypto.base64url_encode('x')",
    ["M.base64url_decode"] = "assert(crypto.base64url_decode('eA'))",
  },
  breaker = {
    ["M.new"] = "breaker.new('b' .. N)",
    ["Breaker:allow"] = "assert(P.breaker:allow())",
    ["Breaker:success"] = "P.breaker:success(P.breaker:allow())",
    ["Breaker:failure"] = "P.breaker:failure(P.breaker:allow())",
    ["Breaker:cancel"] = "P.breaker:cancel(P.breaker:allow())",
    ["Breaker:state"] = "P.breaker:state()",
  },
  health = {
    ["M.upstreams"] = "health.upstreams()",
    ["M.is_available"] = "health.is_available('nobody')",
    ["M.upstream"] = "health.upstream('nobody')",
    ["M.set"] = "health.set('nobody', 'a:1', 'healthy')",
  },
  limit = {
    ["M.counter"] = "limit.counter('l' .. N, { size = '64k' })",
    ["M.rule"] = "limit.rule { limit = 10, window = 60 }",
    ["Counter:take"] = "P.limit:take('k', P.rule)",
    ["Counter:look"] = "P.limit:look('k', P.rule, 2)",
    ["Counter:take_all"] = "P.limit:take_all { { 'k', P.rule } }",
    ["Counter:look_all"] = "P.limit:look_all { { 'k', P.rule } }",
    ["Counter:adjust"] = "P.limit:adjust('k', P.rule, -1)",
    ["Counter:forget"] = "P.limit:forget('k', P.rule)",
    ["Counter:fits"] = "assert(P.limit:fits(P.rule))",
    ["Counter:stats"] = "P.limit:stats()",
    ["Counter:crowd"] = "P.limit:crowd()",
    ["Counter:queue"] = false, -- they wait, and are of requests: spec/unit/script/gates_spec.lua
    ["Counter:hold"] = false,
  },
  redis = { -- with a real one: spec/integration/redis_spec.lua
    ["M.connect"] = false,
    ["M.script"] = false,
    ["Redis:call"] = false,
    ["Redis:pipeline"] = false,
    ["Redis:transaction"] = false,
    ["Redis:run"] = false,
    ["Redis:post"] = false,
    ["Redis:with"] = false,
  },
  inspect = { ["M.text"] = "inspect.text({ a = 1 })" },
  ip = {
    ["M.set"] = "ip.set({ '10.0.0.0/8' })",
    ["M.is_address"] = "ip.is_address('::1')",
    ["M.check"] = "assert(ip.check('10.0.0.0/8'))",
    ["Set:has"] = "P.set:has('10.0.0.1')",
    ["Set:count"] = "P.set:count()",
  },
  json = {
    ["M.array"] = "json.array({})",
    ["M.is_array"] = "json.is_array({})",
    ["M.decode"] = "assert(json.decode('[]'))",
    ["M.encode"] = "assert(json.encode({}))",
  },
  metrics = {
    ["M.counter"] = "metrics.counter { name = 'c' .. N, about = 'x' }",
    ["M.gauge"] = "metrics.gauge { name = 'g' .. N, about = 'x' }",
    ["M.histogram"] = "metrics.histogram { name = 'h' .. N, about = 'x', bounds = { 1 } }",
    ["Counter:series_of"] = "P.counter:series_of()",
    ["Series:add"] = "P.series:add(1)",
    ["Counter:add"] = "P.counter:add(1)",
    ["Gauge:set"] = "P.gauge:set(1)",
    ["Gauge:add"] = "P.gauge:add(1)",
    ["Histogram:observe"] = "P.histogram:observe(1)",
  },
  problem = {
    ["M.new"] = "assert(problem.new { title = 'x', limits = { 'a' } })",
    ["M.is"] = "assert(not problem.is {})",
  },
  expression = {
    ["M.check"] = "assert(expression.check('request.path'))",
    ["M.compile"] = "expression.compile('request.path')",
  },
  regex = {
    ["M.check"] = "assert(regex.check('a+'))",
    ["M.new"] = "assert(regex.new('a+'))",
    ["Regex:test"] = "P.regex:test('aa')",
    ["Regex:match"] = "assert(P.regex:match('aa'))",
    ["Regex:find"] = "assert(P.regex:find('aa'))",
  },
  shared = {
    ["M.dict"] = "shared.dict('d' .. N, { size = '64k' })",
    ["Dict:get"] = "P.dict:get('k')",
    ["Dict:set"] = "P.dict:set('k', 1)",
    ["Dict:add"] = "P.dict:add('k2', 1)",
    ["Dict:replace"] = "P.dict:replace('k', 2)",
    ["Dict:incr"] = "P.dict:incr('n', 1, 0)",
    ["Dict:delete"] = "P.dict:delete('k')",
    ["Dict:ttl"] = "P.dict:ttl('k')",
    ["Dict:expire"] = "P.dict:expire('k', 1)",
    ["Dict:lpush"] = "P.dict:lpush('l', 1)",
    ["Dict:rpush"] = "P.dict:rpush('l', 1)",
    ["Dict:lpop"] = "P.dict:lpop('l')",
    ["Dict:rpop"] = "P.dict:rpop('l')",
    ["Dict:llen"] = "P.dict:llen('l')",
    ["Dict:keys"] = "P.dict:keys(1)",
    ["Dict:flush"] = "P.dict:flush()",
    ["Dict:stats"] = "P.dict:stats()",
  },
  sink = {
    ["M.file"] = "sink.file { path = '/tmp/x' }",
    ["M.tcp"] = "sink.tcp { host = '127.0.0.1', port = 1 }",
    ["M.udp"] = "sink.udp { host = '127.0.0.1', port = 1 }",
    ["M.syslog"] = "sink.syslog {}",
    ["M.http"] = "sink.http { url = 'http://127.0.0.1/' }",
    ["Sink:send"] = "P.sink:send('x')",
    ["Syslog:send"] = "P.syslog:send('x', 'info')",
  },
  table = {
    ["M.new"] = "table_.new(1, 1)",
    ["M.clear"] = "table_.clear({})",
    ["M.merge"] = "table_.merge({}, {})",
  },
  task = {
    ["M.every"] = "task.every(60, function() end)",
    ["M.once"] = "task.once(function() end)",
  },
  time = {
    ["M.now"] = "time.now()",
    ["M.monotonic"] = "time.monotonic()",
    ["M.http_date"] = "time.http_date(0)",
    ["M.parse_http_date"] = "time.parse_http_date('Thu, 01 Jan 1970 00:00:00 GMT')",
    ["M.rfc3339"] = "time.rfc3339(0, 3)",
    ["M.parse_rfc3339"] = "time.parse_rfc3339('1970-01-01T00:00:00Z')",
  },
  uuid = { ["M.v4"] = "uuid.v4()", ["M.v7"] = "uuid.v7()", ["M.is_valid"] = "uuid.is_valid('x')" },
  http = {
    ["M.new"] = "http.new(ctx)",
    ["Client:set_timeout"] = "http.new(ctx):set_timeout(5)",
    ["Client:set_timeouts"] = "http.new(ctx):set_timeouts(1, 1, 1)",
    ["Client:request_uri"] = "http.new(ctx):request_uri('http://not.configured.test/')",
    ["Client:set_keepalive"] = "http.new(ctx):set_keepalive()",
    ["Client:close"] = "http.new(ctx):close()",
  },
}

local ONLY_IN_INIT = {
  breaker = { ["M.new"] = true },
  limit = { ["M.counter"] = true },
  metrics = { ["M.counter"] = true, ["M.gauge"] = true, ["M.histogram"] = true, ["Counter:series_of"] = true },
  shared = { ["M.dict"] = true },
  sink = { ["M.file"] = true, ["M.tcp"] = true, ["M.udp"] = true, ["M.syslog"] = true, ["M.http"] = true },
  task = { ["M.every"] = true, ["M.once"] = true },
}

local HOOKS = { "rewrite", "access", "request_body", "response", "body", "log" }

local PLUGIN = [[
local NAMES = {
  "breaker", "crypto", "expression", "health", "inspect", "ip", "json", "limit", "metrics", "problem", "regex", "shared", "sink", "table",
  "task", "time", "uuid", "http",
}
local env = setmetatable({ P = {}, N = 0 }, { __index = _G })
for _, name in ipairs(NAMES) do env[name == "table" and "table_" or name] = require("moongate." .. name) end

local function try(text, ctx)
  env.N = env.N + 1
  env.ctx = ctx
  return pcall(setfenv(assert(loadstring(text)), env))
end

local M = { priority = 1 }

function M.init()
  local P = env.P
  P.breaker = env.breaker.new("breaker", { failure_threshold = 1000 })
  P.limit, P.rule = env.limit.counter("limit", { size = "64k" }), env.limit.rule { limit = 10, window = 60 }
  P.dict = env.shared.dict("dict", { size = "64k" })
  P.counter = env.metrics.counter { name = "counter", about = "x" }
  P.series = P.counter:series_of()
  P.gauge = env.metrics.gauge { name = "gauge", about = "x" }
  P.histogram = env.metrics.histogram { name = "histogram", about = "x", bounds = { 1 } }
  P.set, P.regex = env.ip.set { "10.0.0.0/8" }, env.regex.new("a+")
  P.sink, P.syslog = env.sink.file { path = "/tmp/x" }, env.sink.syslog {}
  for _, text in ipairs(INIT) do
    local ok, why = try(text)
    if not ok then error(text .. ": " .. tostring(why), 0) end
  end
end

local function hook(name)
  return function(_, ctx)
    if ctx.request:get_header("x-hook") ~= name then return end
    local ok, why = try(ctx.request:get_header("x-call"), ctx)
    ctx.log:notice("outcome ", ok and "fine" or why)
  end
end

for _, name in ipairs { "rewrite", "access", "request_body", "response", "body", "log" } do M[name] = hook(name) end
return M
]]

-- What the sources of the modules define for plugins.
local function functions_of(module)
  local names = {}
  for line in io.lines(("%s/lua/moongate/%s.lua"):format(host.source_dir, module)) do
    local name = line:match("^function (%u%a*[.:][%w_]+)%(")
    if name then names[#names + 1] = name end
  end
  return names
end

local function each(visit)
  for _, module in ipairs(modules.PUBLIC) do
    for name, text in pairs(CALLS[module] or {}) do
      if text then visit(module, name, text) end
    end
  end
end

describe("the modules", function()
  local s

  setup(function()
    local init = {}
    each(function(module, _, text)
      if module ~= "http" then init[#init + 1] = ("%q"):format(text) end
    end)
    s = scripts.new {
      plugins = { p = "local INIT = { " .. table.concat(init, ", ") .. " }\n" .. PLUGIN },
      uses = { { plugin = "p", conf = {}, on_error = "reply" } },
      plans = { {}, { { use = 1 } } },
    }
    assert.is_nil(s.why) -- all of them work in init
  end)

  teardown(function() s:free() end)
  after_each(function() scripts.release() end)

  local function outcome(text, hook)
    scripts.catch()
    local x = s:exchange()
    x:add_header("x-hook", hook)
    x:add_header("x-call", text)
    if hook:find("body") then
      x:pipe(hook, "piece")
    else
      x:run(hook == "rewrite" and "access" or hook)
    end
    x:free()
    return scripts.caught():match("outcome ([^\n]*)")
  end

  it("have all their functions here", function()
    for _, module in ipairs(modules.PUBLIC) do
      for _, name in ipairs(functions_of(module)) do
        assert.is_not_nil((CALLS[module] or {})[name], ("%s %s is tried nowhere"):format(module, name))
      end
    end
  end)

  each(function(module, name, text)
    local declares = (ONLY_IN_INIT[module] or {})[name]
    it(("let %s %s be called in %s"):format(module, name, declares and "init only" or "every hook"), function()
      for _, hook in ipairs(HOOKS) do
        local answer = outcome(text, hook)
        if declares then
          assert.truthy(answer:find("init", 1, true), ("%s: %s"):format(hook, answer))
          assert.truthy(answer:find('^%[string "'), "the error must point at the plugin: " .. answer)
        else
          assert.equal("fine", answer, hook)
        end
      end
    end)
  end)
end)
