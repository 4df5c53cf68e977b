local c = require("support.c")
local scripts = require("support.scripts")

local PLUGIN = [[
  local limit, time = require("moongate.limit"), require("moongate.time")
  local M, own = {}, {}
  function M.init()
    own.c = limit.counter("c", { size = "64k" })
    own.rule = limit.rule { algorithm = "leaky-bucket", queue_size = %d, drain_rate = %s }
  end
  function M.access(conf, ctx) %s end
  function M.log(conf, ctx)
    local crowd = own.c:crowd()
    ctx.log:notice(("crowd %%d waiting %%d active"):format(crowd.waiting, crowd.active))
  end
  return M]]

-- counter:queue and counter:hold, with the clock in the spec's hand.
describe("counter", function()
  local s, requests

  before_each(function()
    scripts.catch()
    requests = {}
  end)

  after_each(function()
    for _, x in ipairs(requests) do
      if x.fake then x:free() end
    end
    s:free()
    scripts.release()
  end)

  local function plugin(body, queue_size, drain_rate)
    s = scripts.new {
      plugins = { p = PLUGIN:format(queue_size or 3, drain_rate or 5, body) },
    }
    assert.is_nil(s.why)
  end

  local function request()
    local x = s:exchange()
    requests[#requests + 1] = x
    return x, x:run("access")
  end

  -- What one worker tells another comes as a message.
  local function advance(seconds)
    for _ = 1, 3 do
      c.gw_loop_turn(s.loop, false)
    end
    s:advance(seconds)
  end

  local function said(pattern)
    local list = {}
    for text in scripts.caught():gmatch(pattern) do
      list[#list + 1] = text
    end
    return table.concat(list, " ")
  end

  local function crowd()
    local x = s:exchange()
    x:run("log")
    x:free()
    local waiting, active
    for w, a in scripts.caught():gmatch("crowd (%d+) waiting (%d+) active") do
      waiting, active = tonumber(w), tonumber(a)
    end
    return waiting, active
  end

  local QUEUE = [[
    local passed, answer, reason = own.c:queue("k", own.rule)
    ctx.log:notice(passed and ("passes %%.3f"):format(time.monotonic() - (own.start or time.monotonic()))
      or ("refused %%s %%.3f"):format(reason, answer.retry_after))
    own.start = own.start or time.monotonic()]]

  it("queue: serves 1/drain_rate apart and refuses the 52nd of Leaky(50, 5) (2.6.2)", function()
    plugin(QUEUE:gsub("%%%%", "%%"), 50, 5)
    local _, first = request()
    assert.equal("done", first)
    for _ = 1, 50 do
      local _, result = request()
      assert.equal("waits", result)
    end
    local _, last = request()
    assert.equal("done", last)
    assert.equal("full 0.200", said("refused (%S+ %S+)\n"))
    advance(20)
    local expected = {}
    for i = 0, 50 do
      expected[i + 1] = ("%.3f"):format(i * 0.2)
    end
    assert.equal(table.concat(expected, " "), said("passes (%S+)\n"))
    assert.same({ 0, 0 }, { crowd() })
  end)

  it("queue: is a rule's own, of several by one key in one counter", function()
    plugin([[
      local other = limit.rule { algorithm = "leaky-bucket", queue_size = 1, drain_rate = 1, name = "other" }
      local one, answer = own.c:queue("k", own.rule)
      local two = own.c:queue("k", other)
      ctx.log:notice("passes ", tostring(one and two), " ", answer.waited)]])
    local _, result = request()
    assert.equal("done", result)
    assert.equal("true 0", said("passes (%S+ %S+)\n"))
  end)

  it("queue: who leaves lets the later ones move up", function()
    plugin(QUEUE:gsub("%%%%", "%%"))
    request()
    local second = request()
    request()
    request()
    second:cancel()
    for _ = 1, 4 do
      advance(0.2)
    end
    assert.equal("0.000 0.200 0.400", said("passes (%S+)\n"))
    assert.same({ 0, 0 }, { crowd() })
  end)

  local HOLD = [[
    local held, answer, reason = own.c:hold("k", 2, 1, 10)
    ctx.log:notice(held and "holds " .. answer.remaining or "refused " .. reason)]]

  it("hold: so many at once, so many wait, and the end of a request lets the next in", function()
    plugin(HOLD)
    local first = request()
    request()
    local _, third = request()
    local _, fourth = request()
    assert.same({ "waits", "done" }, { third, fourth })
    assert.equal("1 0", said("holds (%d+)\n"))
    assert.equal("full", said("refused (%S+)\n"))
    assert.same({ 1, 2 }, { crowd() })
    first:free()
    advance(0.001)
    assert.equal("1 0 0", said("holds (%d+)\n"))
    assert.same({ 0, 2 }, { crowd() })
  end)

  it("hold: who waits too long is refused, and who leaves is forgotten", function()
    plugin(HOLD)
    request()
    request()
    request()
    advance(9.999)
    assert.equal("", said("refused (%S+)\n"))
    advance(0.001)
    assert.equal("timeout", said("refused (%S+)\n"))
    local third, result = request()
    assert.equal("waits", result)
    third:cancel()
    assert.same({ 0, 2 }, { crowd() })
    for _, x in ipairs(requests) do
      x:free()
    end
    assert.same({ 0, 0 }, { crowd() })
  end)

  it("hold: what was let in and left before it heard of it is given to the next", function()
    plugin([[own.c:hold("k", 1, 5) ctx.log:notice("holds")]])
    local first, second = request(), request()
    request()
    first:free()
    second:cancel() -- the message is on its way
    advance(0.001)
    assert.equal("holds holds", said("(holds)\n"))
    assert.same({ 0, 1 }, { crowd() })
  end)

  it("says what is wrong with how it is called", function()
    for text, message in pairs {
      ["own.c:hold(5, 1)"] = "the key must be a string",
      ["own.c:hold('k', 0)"] = "the limit must be a number from 1",
      ["own.c:hold('k', 1, -1)"] = "queue_size must be a number",
      ["own.c:queue('k', {})"] = "the rule must be what limit.rule made",
      ["own.c:queue('k', own.rule, -1)"] = "the cost must be",
      ["own.c:queue('k', limit.rule { limit = 1, window = 1 })"] = "the rule must be a leaky bucket",
      ["own.c.queue()"] = "call it with a colon",
    } do
      plugin(text)
      local x = request()
      assert.truthy(scripts.caught():find(message, 1, true), text .. ": " .. scripts.caught())
      x:free()
      requests = {}
      s:free()
    end
    plugin("")
  end)

  it("has no hold for the log phase, where nobody would give it back", function()
    plugin("")
    s:free()
    s = scripts.new {
      plugins = {
        p = [[
        local M, c = {}
        function M.init() c = require("moongate.limit").counter("c") end
        function M.log() c:hold("k", 1) end
        return M]],
      },
    }
    local x = s:exchange()
    x.fake.x.step = c.GW_STEP_LOG
    x:run("log")
    x:free()
    assert.truthy(scripts.caught():find("nobody would give it back", 1, true))
  end)
end)
