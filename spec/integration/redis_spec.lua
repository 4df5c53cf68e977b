-- moongate.redis against a real redis-server, with real time.
local gateway = require("moongate.spec")
local moongate = require("support.moongate")
local redis_server = require("support.redis")

local module, redis -- of the gateway, from its init

local function plugin(access, more)
  local handler = {
    version = "1.0.0",
    priority = 1000,
    init = function()
      module = require("moongate.redis")
      redis = module.connect("main")
    end,
    access = function(_, ctx) return ctx.response:exit(200, access(ctx) or "") end,
  }
  for name, hook in pairs(more or {}) do
    handler[name] = hook
  end
  return { name = "uses-redis", handler = handler }
end

describe("moongate.redis", function()
  local server, folder

  setup(function()
    folder = moongate.folder()
    server = redis_server.server(folder)
  end)
  teardown(function()
    server:stop()
    moongate.stop_all()
  end)
  before_each(function() server:cli("FLUSHALL") end)

  local function gate(access, settings, more)
    settings = settings or {}
    settings.unix_socket = settings.unix_socket or server.socket
    return gateway.new { plugins = { plugin(access, more) }, redis = { main = settings }, network = true }
  end

  -- What the function returns, run in a hook.
  local function run(fn, settings)
    local got
    local gw = gate(function(ctx) got = { fn(ctx) } end, settings)
    assert.equal(200, gw:get("/").status)
    gw:close()
    return unpack(got, 1, 4)
  end

  it("runs any command, with any bytes", function()
    assert.equal("OK", (run(function() return redis:set("k\0ey", "va\r\nl\0ue") end)))
    assert.equal("va\r\nl\0ue", (run(function() return redis:get("k\0ey") end)))
    assert.equal(3, (run(function() return redis:call("RPUSH", "list", 1, "b", 1e15) end)))
    assert.same({ "1", "b", "1000000000000000" }, (run(function() return redis:lrange("list", 0, -1) end)))
  end)

  it("says null as nil, and redis.null inside of lists", function()
    local value, reason = run(function() return redis:get("nothing") end)
    assert.is_nil(value)
    assert.is_nil(reason)
    local null = require("cjson").null
    assert.same({ null, null }, (run(function() return redis:mget("a", "b") end)))
  end)

  it("says what Redis says against a command", function()
    local value, reason = run(function()
      redis:set("text", "x")
      return redis:lpush("text", 1)
    end)
    assert.is_nil(value)
    assert.matches("^WRONGTYPE", reason)
  end)

  it("sends several in one go", function()
    local replies = run(
      function() return redis:pipeline { { "SET", "a", 1 }, { "INCRBY", "a", 41 }, { "LPUSH", "a", 1 } } end
    )
    assert.equal("OK", replies[1])
    assert.equal(42, replies[2])
    assert.matches("^WRONGTYPE", replies[3].error)
  end)

  it("runs transactions, all or none", function()
    assert.same({ 1, 2 }, (run(function() return redis:transaction { { "INCR", "n" }, { "INCR", "n" } } end)))
    local value, reason = run(function() return redis:transaction { { "INCR", "n" }, { "NOSUCH" } } end)
    assert.is_nil(value)
    assert.matches("NOSUCH", reason)
    assert.equal("2", (run(function() return redis:get("n") end)))
  end)

  it("runs scripts, which Redis need not know before", function()
    server:cli("SCRIPT", "FLUSH")
    local function double()
      local script = module.script("return { KEYS[1], ARGV[1] * 2 }")
      return redis:run(script, { "k" }, 21)
    end
    assert.same({ "k", 42 }, (run(double)))
    assert.same({ "k", 42 }, (run(double)))
  end)

  it("refuses commands that a shared connection cannot have", function()
    for _, command in ipairs {
      { "SUBSCRIBE", "x" },
      { "blpop", "x", 0 },
      { "WATCH", "x" },
      { "CLIENT", "REPLY", "OFF" },
      { "XREAD", "BLOCK", 0, "STREAMS", "s", "$" },
    } do
      local ok, why = run(function() return pcall(redis.call, redis, unpack(command)) end)
      assert.is_false(ok)
      assert.matches("cannot be used on a connection that others share", why)
    end
  end)

  it("says when the time is over, and goes on with the next", function()
    local value, reason, after = run(function()
      local slow = module.script(
        "local t = redis.call('TIME') "
          .. "repeat local n = redis.call('TIME') until n[1] * 1e6 + n[2] > t[1] * 1e6 + t[2] + 200000 return 1"
      )
      local _, why = redis:with({ timeout = 0.01 }):run(slow, {})
      local again
      repeat
        again = redis:get("x") or redis:set("x", 1)
      until again
      return nil, why, again
    end)
    assert.is_nil(value)
    assert.equal("timeout", reason)
    assert.is_truthy(after)
  end)

  it("serves many requests at once over one connection", function()
    local gw = gate(function() return tostring(redis:incr("n")) end)
    local requests, seen = {}, {}
    for i = 1, 50 do
      requests[i] = gw:start("GET", "/")
    end
    for i = 1, 50 do
      seen[tonumber(requests[i]:wait().body)] = true
    end
    assert.equal(50, #seen)
    local _, clients = server:cli("CLIENT", "LIST"):gsub("name=moongate", "")
    assert.equal(1, clients)
  end)

  it("waits in tasks, too", function()
    local gw = gate(function() return redis:get("told") end, nil, {
      init = function()
        redis = require("moongate.redis").connect("main")
        require("moongate.task").once(function() redis:set("told", "by the task") end)
      end,
    })
    local body
    repeat
      body = gw:get("/").body
    until body ~= ""
    assert.equal("by the task", body)
  end)

  it("logs in, and never says with what", function()
    server:cli("CONFIG", "SET", "requirepass", "s3cret")
    local value = run(function() return redis:ping() end, { password = "s3cret" })
    local gw = gate(function()
      local _, reason = redis:ping()
      return reason
    end, { password = "wr0ng" })
    local body = gw:get("/").body
    local told = gw.log:find("wr0ng")
    gw:close()
    server:cli("-a", "s3cret", "CONFIG", "SET", "requirepass", "")
    assert.equal("PONG", value)
    assert.equal("it does not let us in", body)
    assert.is_nil(told)
  end)

  it("fails at once while the server is gone, and comes back by itself", function()
    local gw = gate(function()
      local _, reason = redis:ping()
      return reason or "fine"
    end)
    assert.equal("fine", gw:get("/").body)
    server:stop()
    local why = gw:get("/").body
    assert.is_true(why == "not connected" or why == "the connection was lost", why)
    server:start()
    local body
    repeat
      body = gw:get("/").body
    until body == "fine" or body == nil
    assert.equal("fine", body)
  end)

  it("names the connections that there are", function()
    local ok, why = pcall(gateway.new, {
      plugins = {
        {
          name = "x",
          handler = {
            version = "1.0.0",
            priority = 1,
            init = function() require("moongate.redis").connect("other") end,
          },
        },
      },
      redis = { main = { unix_socket = server.socket } },
      network = true,
    })
    assert.is_false(ok)
    assert.matches('the top%-level redis has no "other" %(known: main%)', tostring(why))
  end)
end)
