local c = require("support.c")
local ffi = require("ffi")

local STEPS = tonumber(os.getenv("GW_MODEL_STEPS")) or 20000
local SECOND = 1000000
local SUCCESS, FAILURE, NOTHING = c.GW_BREAKER_SUCCESS, c.GW_BREAKER_FAILURE, c.GW_BREAKER_NOTHING
local CLOSED, OPEN, HALF_OPEN = c.GW_BREAKER_CLOSED, c.GW_BREAKER_OPEN, c.GW_BREAKER_HALF_OPEN

local function new(change)
  local self = {
    now = 1000 * SECOND,
    breaker = ffi.new("struct gw_breaker"),
    rules = ffi.new("struct gw_breaker_rules", c.gw_breaker_defaults),
    event = ffi.new("struct gw_breaker_event"),
  }
  for key, value in pairs(change or {}) do
    self.rules[key] = value
  end
  c.gw_breaker_init(self.breaker)
  ffi.gc(self.breaker, c.gw_breaker_deinit)
  function self.ask()
    local pass = ffi.new("struct gw_breaker_pass")
    local wait = tonumber(c.gw_breaker_ask(self.breaker, self.rules, self.now, pass, self.event))
    return wait == 0 and pass or nil, wait
  end
  function self.finish(pass, outcome)
    c.gw_breaker_end(self.breaker, self.rules, pass, outcome, self.now, self.event)
  end
  function self.call(outcome)
    local pass = self.ask()
    if pass then self.finish(pass, outcome) end
    return pass ~= nil
  end
  function self.state() return tonumber(c.gw_breaker_look(self.breaker, self.now).state) end
  function self.fail(times)
    for _ = 1, times do
      self.call(FAILURE)
    end
  end
  return self
end

describe("gw_breaker (2.14.1)", function()
  it("opens at the fifth failure in a row, and not at 4, a success and 4 more", function()
    local one = new()
    one.fail(4)
    one.call(SUCCESS)
    one.fail(4)
    assert.equal(CLOSED, one.state())
    one.fail(1)
    assert.equal(OPEN, one.state())
    assert.equal(c.GW_BREAKER_IN_A_ROW, tonumber(one.event.why))
    assert.is_true(one.event.moved and one.event.open_for_us == 60 * SECOND)
  end)

  it("opens at the ratio, with enough calls within the window", function()
    local one = new { failure_threshold = 0, failure_ratio = 0.5, minimum_volume = 20 }
    for i = 1, 19 do
      one.call(i % 2 == 0 and SUCCESS or FAILURE)
    end
    assert.equal(CLOSED, one.state())
    one.now = one.now + 11 * SECOND -- all of that is forgotten
    for i = 1, 19 do
      one.call(i % 2 == 0 and SUCCESS or FAILURE)
    end
    one.call(FAILURE)
    assert.equal(OPEN, one.state())
    assert.equal(c.GW_BREAKER_RATIO, tonumber(one.event.why))
  end)

  it("takes a call that was too slow for a failure", function()
    local one = new { failure_threshold = 1 }
    local quick, slow = one.ask(), one.ask()
    one.now = one.now + 30 * SECOND - 1
    one.finish(quick, SUCCESS)
    assert.equal(CLOSED, one.state())
    one.now = one.now + 1
    one.finish(slow, SUCCESS)
    assert.equal(OPEN, one.state())
  end)

  it("does not hear what says nothing about the service", function()
    local one = new { failure_threshold = 2 }
    one.call(FAILURE)
    one.call(NOTHING)
    assert.equal(CLOSED, one.state())
    one.call(FAILURE)
    assert.equal(OPEN, one.state())
  end)

  it("says how long to wait while it is open", function()
    local one = new()
    one.fail(5)
    one.now = one.now + 20 * SECOND
    local pass, wait = one.ask()
    assert.is_nil(pass)
    assert.equal(40 * SECOND, wait)
  end)
end)

describe("gw_breaker half open (2.14.2, 2.14.3)", function()
  local function half_open(change)
    local one = new(change)
    one.fail(5)
    one.now = one.now + 60 * SECOND
    return one
  end

  it("lets exactly the probes through of 1000 that come at once", function()
    local one, through = half_open { half_open_requests = 3 }, 0
    for _ = 1, 1000 do
      through = through + (one.ask() and 1 or 0)
    end
    assert.equal(3, through)
  end)

  it("lets exactly the probes through of what comes on many threads, also when some are cancelled", function()
    ffi.cdef([[unsigned gw_spec_breaker_race(struct gw_breaker *, const struct gw_breaker_rules *, unsigned,
      uint64_t);]])
    for _ = 1, 20 do
      local one = half_open { half_open_requests = 5 }
      assert.equal(5, ffi.C.gw_spec_breaker_race(one.breaker, one.rules, 125, one.now))
      assert.equal(HALF_OPEN, one.state())
    end
  end)

  it("gives the place of a cancelled probe to the next", function()
    local one = half_open()
    local probe = one.ask()
    assert.is_nil(one.ask())
    one.finish(probe, NOTHING)
    assert.is_not_nil(one.ask())
  end)

  it("closes after enough successes", function()
    local one = half_open { success_threshold = 2 }
    one.call(SUCCESS)
    assert.equal(HALF_OPEN, one.state())
    one.call(SUCCESS)
    assert.equal(CLOSED, one.state())
    one.fail(4)
    assert.equal(CLOSED, one.state())
  end)

  it("opens for longer and longer when probes fail, up to a bound; closing forgets that", function()
    local one = half_open { half_open_after_max_us = 300 * SECOND }
    for _, seconds in ipairs { 120, 240, 300, 300 } do
      one.call(FAILURE)
      assert.equal(OPEN, one.state())
      assert.equal(seconds * SECOND, tonumber(one.event.open_for_us))
      one.now = one.now + seconds * SECOND
    end
    one.call(SUCCESS)
    one.fail(5)
    assert.equal(60 * SECOND, tonumber(one.event.open_for_us))
  end)

  it("is not held up by probes that never end (2.14.3)", function()
    local one = half_open()
    local stuck = one.ask()
    one.now = one.now + 60 * SECOND - 1
    local pass, wait = one.ask()
    assert.is_nil(pass)
    assert.equal(1, wait)
    one.now = one.now + 1
    assert.is_nil(one.ask())
    assert.equal(OPEN, one.state())
    assert.equal(c.GW_BREAKER_PROBE_STUCK, tonumber(one.event.why))
    one.now = one.now + 120 * SECOND
    local probe = one.ask()
    one.finish(stuck, FAILURE) -- of an earlier time
    assert.equal(HALF_OPEN, one.state())
    one.finish(probe, SUCCESS)
    assert.equal(CLOSED, one.state())
  end)

  it("closes when it is told to, whatever it found, and forgets it", function()
    local one = new()
    one.fail(5)
    c.gw_breaker_close(one.breaker, one.event)
    assert.same({ true, OPEN, CLOSED }, {
      one.event.moved,
      tonumber(one.event.from),
      tonumber(one.event.to),
    })
    one.fail(4)
    assert.equal(CLOSED, one.state())
    c.gw_breaker_close(one.breaker, one.event) -- is no move, but forgets, too
    assert.is_false(one.event.moved)
    one.fail(4)
    assert.equal(CLOSED, one.state())
    one.fail(1)
    assert.equal(OPEN, one.state())
    assert.equal(60 * SECOND, tonumber(one.event.open_for_us))
  end)

  it("does not take calls for probes that began before it opened", function()
    local one = new()
    local old = one.ask()
    one.fail(5)
    one.now = one.now + 60 * SECOND
    one.ask()
    one.finish(old, SUCCESS)
    assert.equal(HALF_OPEN, one.state())
  end)
end)

describe("gw_breaker and its model", function()
  local R = { threshold = 3, after = 8, most = 32, probes = 2, successes = 2, stuck = 10 }

  local function go(m, state)
    m.state, m.epoch, m.fails, m.flying, m.ok = state, m.epoch + 1, 0, 0, 0
    if state == OPEN then m.till = m.now + math.min(R.after * 2 ^ m.again, R.most) end
    if state == CLOSED then m.again = 0 end
  end

  local function reopen(m)
    m.again = m.again + 1
    go(m, OPEN)
  end

  local function ask(m)
    if m.state == CLOSED then return { m.epoch } end
    if m.state == OPEN and m.now < m.till then return nil end
    if m.state == OPEN then go(m, HALF_OPEN) end
    if m.flying == R.probes then
      if m.now >= m.last + R.stuck then reopen(m) end
      return nil
    end
    m.flying, m.last = m.flying + 1, m.now
    return { m.epoch }
  end

  local function finish(m, pass, outcome)
    if pass[1] ~= m.epoch then return end
    if m.state == CLOSED then
      if outcome ~= NOTHING then m.fails = outcome == FAILURE and m.fails + 1 or 0 end
      if m.fails == R.threshold then go(m, OPEN) end
      return
    end
    m.flying = m.flying - 1
    if outcome == FAILURE then return reopen(m) end
    if outcome == SUCCESS then m.ok = m.ok + 1 end
    if m.ok == R.successes then go(m, CLOSED) end
  end

  it("agree over random steps", function()
    local one = new {
      failure_threshold = R.threshold,
      half_open_after_us = R.after,
      half_open_after_max_us = R.most,
      half_open_requests = R.probes,
      success_threshold = R.successes,
      probe_timeout_us = R.stuck,
      call_timeout_us = 0,
    }
    local m = { now = 0, state = CLOSED, epoch = 0, fails = 0, flying = 0, ok = 0, again = 0 }
    local open, outcomes, seen = {}, { SUCCESS, SUCCESS, FAILURE, NOTHING }, { 0, 0, 0 }
    math.randomseed(5)
    for _ = 1, STEPS do
      local roll = math.random(10)
      if roll <= 2 then
        m.now = m.now + math.random(4)
        one.now = 1000 * SECOND + m.now
      elseif roll <= 6 and #open < 20 then
        local theirs, ours = one.ask(), ask(m)
        if (theirs == nil) ~= (ours == nil) then error("one lets through what the other does not") end
        if ours then open[#open + 1] = { theirs, ours } end
      elseif #open > 0 then
        local pair, outcome = table.remove(open, math.random(#open)), outcomes[math.random(4)]
        one.finish(pair[1], outcome)
        finish(m, pair[2], outcome)
      end
      local state = one.state()
      if state ~= m.state then error("they are in different states") end
      seen[state + 1] = seen[state + 1] + 1
    end
    for _, times in ipairs(seen) do
      assert.is_true(times > STEPS / 100)
    end
  end)
end)
