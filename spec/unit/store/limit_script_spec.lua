-- The script that decides in Redis gives the answers that core/policy/limit*.c gives at the same times.
local ffi = require("ffi")
local c = require("support.c")
local moongate = require("support.moongate")
local net = require("support.net")
local redis = require("support.redis")

local text = dofile("lua/moongate/limit/redis_script.lua")

local ARRIVALS = 2000 -- of each rule

local ended
local on_end = ffi.cast("gw_redis_cb", function() ended = true end)

describe("the script of limits", function()
  local folder, server, loop, hub, settings, limits, seed

  setup(function()
    folder = moongate.folder()
    server = redis.server(folder)
  end)

  teardown(function()
    server:stop()
    moongate.stop_all()
  end)

  before_each(function()
    server:cli("FLUSHALL")
    loop = net.loop()
    hub = c.gw_redis_hub_new(loop.c)
    local o = ffi.new("struct gw_redis_options")
    o.name, o.unix_socket = c.slice("spec"), c.slice(server.socket)
    o.timeout_us, o.connect_timeout_us, o.idle_us = 5e6, 5e6, 60e6
    o.pool_size, o.max_commands, o.max_queued_bytes, o.max_reply_bytes = 1, 10, 1e6, 1e6
    settings = c.gw_redis_server_new(o)
    limits = c.gw_limit_table_new(2 ^ 22)
    seed = 7
  end)

  after_each(function()
    c.gw_limit_table_free(limits)
    c.gw_redis_hub_free(hub)
    c.gw_redis_server_unref(settings)
    loop:settle()
    loop:free()
  end)

  local function random(below)
    seed = (seed * 1103515245 + 12345) % 2 ^ 31
    return math.floor(seed / 2 ^ 31 * below)
  end

  local function ask_redis(...)
    ended = false
    local request = ffi.new("struct gw_redis_request", c.slice(redis.command(...)), 1, 0)
    local job = c.gw_redis_send(hub, settings, request, on_end, nil)
    loop:until_true(function() return ended end, "a reply")
    assert.equal("answered", ffi.string(c.gw_redis_end_text(c.gw_redis_job_end(job))))
    local value = c.gw_redis_job_values(job)[0]
    local list, problem = {}, nil
    if tonumber(value.type) == 3 then problem = ffi.string(value.text.ptr, value.text.len) end
    for i = 1, value.count do
      list[i] = tonumber(value.elements[i - 1].integer)
    end
    c.gw_redis_job_free(job)
    assert(not problem, problem)
    return list
  end

  local function rule(options)
    local terms, made = ffi.new("struct gw_limit_terms"), ffi.new("struct gw_limit_rule")
    for name, value in pairs(options) do
      terms[name] = value
    end
    local why = c.gw_limit_rule_init(made, terms)
    assert(why == nil, why ~= nil and ffi.string(why))
    return made
  end

  local function argument(number) return ("%.0f"):format(tonumber(number)) end

  local function in_redis(mode, asks)
    local keys, args = {}, { mode }
    for i, ask in ipairs(asks) do
      local r = ask[2]
      local most = tonumber(r.limit_micro) + (r.algorithm == c.GW_LIMIT_LEAKY_BUCKET and 1e6 or 0)
      keys[i] = ("%s:%s"):format(tostring(r.id), ask[1])
      local numbers = {
        r.algorithm,
        r.align,
        most,
        r.algorithm == c.GW_LIMIT_SLIDING_WINDOW and r.log_max or r.rate_micro,
        r.window_us,
        math.floor(ask[3] * 1e6 + 0.5),
        0,
      }
      for _, number in ipairs(numbers) do
        args[#args + 1] = argument(number)
      end
    end
    local words = { "EVAL", text, #keys }
    for _, list in ipairs { keys, args } do
      for _, word in ipairs(list) do
        words[#words + 1] = word
      end
    end
    return ask_redis(unpack(words))
  end

  local function in_c(mode, asks, now)
    local own = ffi.new("struct gw_limit_ask[?]", #asks)
    local got = ffi.new("struct gw_limit_answer[?]", #asks)
    for i, ask in ipairs(asks) do
      own[i - 1].key, own[i - 1].rule, own[i - 1].cost = c.slice(ask[1]), ask[2], ask[3]
    end
    if mode == "adjust" then
      c.gw_limit_adjust(limits, own, now, got)
    elseif mode == "look" then
      c.gw_limit_look(limits, own, #asks, now, got)
    else
      c.gw_limit_take(limits, own, #asks, now, got)
    end
    local list = {}
    for i = 0, #asks - 1 do
      local a = got[i]
      local never = tonumber(a.retry_us) > 2 ^ 63
      list[#list + 1] = a.allowed and 1 or 0
      list[#list + 1] = math.floor(a.remaining * 1e6 + 0.5)
      list[#list + 1] = tonumber(a.reset_us)
      list[#list + 1] = never and -1 or tonumber(a.retry_us)
    end
    return list
  end

  local function compare(mode, asks)
    local reply = in_redis(mode, asks)
    local now = table.remove(reply, 1)
    for i = 1, #asks do -- without what was taken, and C says no room below 0
      reply[i * 4 - 2] = math.max(reply[i * 4 - 2], 0)
      table.remove(reply, i * 4 + 1)
    end
    local expected = in_c(mode, asks, now)
    assert.equal(table.concat(expected, " "), table.concat(reply, " "))
    return expected
  end

  -- Arrivals of random costs at the times they come, with looks and corrections among them.
  local function arrivals(rules, costs, count)
    local seen = { [0] = 0, [1] = 0 }
    for _ = 1, count or ARRIVALS do
      local asks = {}
      for i, one in ipairs(rules) do
        asks[i] = { "key" .. random(3), one, costs[random(#costs) + 1] }
      end
      local dice = random(10)
      local mode = dice == 0 and "look" or dice == 1 and "adjust" or "take"
      if mode == "adjust" then
        asks = { asks[1] }
        if random(2) == 0 then asks[1][3] = -asks[1][3] end
      end
      local got = compare(mode, asks)
      for i = 1, #got, 4 do
        seen[got[i]] = seen[got[i]] + 1
      end
    end
    assert.is_true(seen[0] > 0 and seen[1] > 0, "everything was the same")
  end

  it(
    "agrees for token buckets",
    function()
      arrivals(
        { rule { algorithm = c.GW_LIMIT_TOKEN_BUCKET, limit = 10, rate = 333.3 } },
        { 1, 1, 2.5, 0.1, 0, 11 }
      )
    end
  )

  it(
    "agrees for leaky buckets",
    function() arrivals({ rule { algorithm = c.GW_LIMIT_LEAKY_BUCKET, limit = 5, rate = 700 } }, { 1, 1, 0.7, 3 }) end
  )

  it("agrees for fixed windows by the clock and by first use", function()
    for _, align in ipairs { c.GW_LIMIT_BY_CLOCK, c.GW_LIMIT_BY_FIRST_USE } do
      arrivals(
        { rule { algorithm = c.GW_LIMIT_FIXED_WINDOW, align = align, limit = 20, window = 0.1 } },
        { 1, 3, 0.5 }
      )
    end
  end)

  it("agrees for calendar windows", function()
    for _, align in ipairs { c.GW_LIMIT_BY_DAY, c.GW_LIMIT_BY_WEEK, c.GW_LIMIT_BY_MONTH, c.GW_LIMIT_BY_YEAR } do
      arrivals({ rule { algorithm = c.GW_LIMIT_FIXED_WINDOW, align = align, limit = 50 } }, { 1, 3, 0.5 }, 200)
    end
  end)

  it(
    "agrees for exact sliding windows",
    function()
      arrivals({ rule { algorithm = c.GW_LIMIT_SLIDING_WINDOW, limit = 20, window = 0.1 } }, { 1, 3, 0.5, 0.01 })
    end
  )

  it(
    "agrees for estimated sliding windows",
    function()
      arrivals({ rule { algorithm = c.GW_LIMIT_SLIDING_APPROXIMATE, limit = 20, window = 0.1 } }, { 1, 3, 0.5 })
    end
  )

  it("agrees for amounts that are no whole doubles when multiplied", function()
    local large = rule { algorithm = c.GW_LIMIT_SLIDING_APPROXIMATE, limit = 3e9, window = 0.2 }
    arrivals({ large }, { 1e8, 7e7, 123456.789 }, 500)
    local bucket = rule { algorithm = c.GW_LIMIT_TOKEN_BUCKET, limit = 1e9, rate = 3e9 }
    arrivals({ bucket }, { 1e6, 7e7, 123456.789 }, 500)
  end)

  it("agrees for several at once, all or none, of the same cell, too", function()
    local window = rule { algorithm = c.GW_LIMIT_FIXED_WINDOW, limit = 30, window = 0.1 }
    arrivals({
      rule { algorithm = c.GW_LIMIT_TOKEN_BUCKET, limit = 10, rate = 500 },
      window,
      window,
      rule { algorithm = c.GW_LIMIT_SLIDING_WINDOW, limit = 20, window = 0.1 },
    }, { 1, 2, 0.5 })
  end)

  it("leaves nothing behind that says nothing any more", function()
    compare("take", { { "k", rule { algorithm = c.GW_LIMIT_SLIDING_WINDOW, limit = 5, window = 0.01 }, 1 } })
    local ttl = tonumber(
      server:cli(
        "--raw",
        "EVAL",
        "local most = 0 for _, k in ipairs(redis.call('KEYS', '*')) do most = math.max(most, redis.call('PTTL', k)) "
          .. "if redis.call('PTTL', k) < 0 then return -1 end end return most",
        0
      )
    )
    assert.is_true(ttl > 0 and ttl <= 1100, tostring(ttl))
  end)
end)
