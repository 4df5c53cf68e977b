-- The ledger without its thread: what the table decides, and what comes to the file and back.
local c = require("support.c")
local ffi = require("ffi")
local moongate = require("support.moongate")

local MICRO = 1000000
local PASS, REFUSE, UNKNOWN =
  tonumber(c.GW_QUOTAS_PASS), tonumber(c.GW_QUOTAS_REFUSE), tonumber(c.GW_QUOTAS_UNKNOWN)
local NOW = 1767225600 * MICRO -- 2026-01-01

local function rule(limit, window)
  local made = ffi.new("struct gw_limit_rule")
  local terms = ffi.new("struct gw_limit_terms", {
    algorithm = c.GW_LIMIT_FIXED_WINDOW,
    align = window and c.GW_LIMIT_BY_CLOCK or c.GW_LIMIT_BY_DAY,
    limit = limit,
    window = window or 0,
  })
  assert(c.gw_limit_rule_init(made, terms) == nil)
  return made
end

local function quotas(bytes, backed)
  return ffi.gc(c.gw_quotas_new(bytes or 65536, backed ~= false), c.gw_quotas_free)
end

local function asks_of(list)
  local asks = ffi.new("struct gw_quota_ask[8]")
  for i, ask in ipairs(list) do
    asks[i - 1].key.low, asks[i - 1].key.high = ask[1], ask[1] * 7919
    asks[i - 1].rule, asks[i - 1].cost = ask[2], ask[3] or 1
  end
  return asks
end

local function take(table_, now, ...)
  local list = { ... }
  local answers = ffi.new("struct gw_limit_answer[8]")
  return tonumber(c.gw_quotas_take(table_, asks_of(list), #list, now, answers)), answers
end

local function collect(table_, now)
  local changes = ffi.new("struct gw_quota_change[64]")
  return tonumber(c.gw_quotas_collect(table_, now, changes, 64)), changes
end

local function learn(table_, key, end_us, total, now)
  local fact = ffi.new("struct gw_quota_fact")
  fact.key.low, fact.key.high, fact.end_us, fact.total_micro = key, key * 7919, end_us, total * MICRO
  return c.gw_quotas_learn(table_, fact, now, true)
end

describe("gw_quotas", function()
  it("charges all or none, and adds up what is asked of one key", function()
    local table_, five, two = quotas(), rule(5), rule(2, 3600)
    assert.equal(PASS, take(table_, NOW, { 1, five, 2 }, { 2, two, 2 }))
    local outcome, answers = take(table_, NOW, { 1, five, 2 }, { 2, two, 1 })
    assert.equal(REFUSE, outcome)
    assert.is_true(answers[0].allowed)
    assert.is_false(answers[1].allowed)
    assert.equal(3600 * MICRO, tonumber(answers[1].retry_us))
    assert.equal(3, tonumber(answers[0].remaining))
    assert.equal(REFUSE, take(table_, NOW, { 1, five, 2 }, { 1, five, 2 }))
    assert.equal(PASS, take(table_, NOW, { 1, five, 2 }, { 1, five, 1 }))
  end)

  it("begins anew with the next window, which a clock that lags does not undo", function()
    local table_, one = quotas(), rule(1, 60)
    assert.equal(PASS, take(table_, NOW + 59 * MICRO, { 1, one }))
    assert.equal(PASS, take(table_, NOW + 60 * MICRO, { 1, one }))
    assert.equal(REFUSE, take(table_, NOW + 60 * MICRO - 1, { 1, one }))
    assert.equal(REFUSE, take(table_, NOW + 61 * MICRO, { 1, one }))
  end)

  it("hands each change out once, and again when it could not be written", function()
    local table_, five = quotas(), rule(5)
    take(table_, NOW, { 1, five, 2 })
    local count, changes = collect(table_, NOW)
    assert.equal(1, count)
    assert.equal(2 * MICRO, tonumber(changes[0].amount_micro))
    assert.equal(0, (collect(table_, NOW)))
    take(table_, NOW, { 1, five, 1 })
    c.gw_quotas_settle(table_, changes[0], false)
    count, changes = collect(table_, NOW)
    assert.equal(1, count)
    assert.equal(3 * MICRO, tonumber(changes[0].amount_micro))
    changes[0].total_micro = 4 * MICRO -- another process had counted one
    c.gw_quotas_settle(table_, changes[0], true)
    assert.equal(PASS, take(table_, NOW, { 1, five }))
    assert.equal(REFUSE, take(table_, NOW, { 1, five }))
  end)

  it("keeps what is not written, and asks for what had to leave", function()
    local table_, one = quotas(), rule(1)
    local room = 0
    repeat
      room = room + 1
    until take(table_, NOW, { room, one }) == UNKNOWN or room > 5000
    assert.is_true(room > 100 and room < 5000)
    assert.equal(REFUSE, take(table_, NOW, { 1, one }))
    local count, changes
    repeat
      count, changes = collect(table_, NOW)
      for i = 0, count - 1 do
        changes[i].total_micro = changes[i].amount_micro
        c.gw_quotas_settle(table_, changes[i], true)
      end
    until count == 0
    assert.is_true(learn(table_, 100000, 0, 0, NOW))
    assert.equal(PASS, take(table_, NOW, { 100000, one }))
    assert.is_true(c.gw_quotas_stats(table_).partial)
    assert.equal(UNKNOWN, take(table_, NOW, { 200000, one }))
    assert.is_true(learn(table_, 200000, c.gw_limit_window_end(one, NOW), 1, NOW))
    assert.equal(REFUSE, take(table_, NOW, { 200000, one }))
  end)

  it("puts right what was counted without knowing the file", function()
    local table_, five = quotas(), rule(5)
    c.gw_quotas_set_partial(table_)
    local answer = ffi.new("struct gw_limit_answer")
    assert.is_true(c.gw_quotas_adjust(table_, asks_of { { 1, five, 2 } }, NOW, answer))
    assert.equal(UNKNOWN, take(table_, NOW, { 1, five }))
    assert.is_true(learn(table_, 1, c.gw_limit_window_end(five, NOW), 2, NOW))
    assert.equal(PASS, take(table_, NOW, { 1, five }))
    assert.equal(REFUSE, take(table_, NOW, { 1, five }))
  end)
end)

describe("gw_ledger", function()
  local path, why = nil, ffi.new("char[512]")

  local function open(gateway)
    local ledger = ffi.gc(c.gw_ledger_new(), c.gw_ledger_free)
    local options = ffi.new("struct gw_ledger_options", path, MICRO, 65536, gateway)
    return c.gw_ledger_open(ledger, options, why, 512) and ledger or nil, ledger
  end

  local function use(ledger, now, made, cost)
    local ask, answer = ffi.new("struct gw_ledger_ask"), ffi.new("struct gw_limit_answer")
    ask.counter, ask.key.ptr, ask.key.len, ask.rule, ask.cost = 7, "ann", 3, made, cost or 1
    return tonumber(c.gw_ledger_take(ledger, ask, 1, now, answer)), answer
  end

  local function close(ledger) c.gw_ledger_free(ffi.gc(ledger, nil)) end

  local me
  ffi.cdef("int getpid(void);")

  before_each(function()
    path, me = moongate.folder() .. "/q.db", ffi.C.getpid()
  end)
  after_each(function()
    c.gw_fault_set(nil, nil, 0)
    moongate.stop_all()
  end)

  it("writes what changed, keeps it on trouble, and lets two of one gateway share", function()
    local now = os.time() * MICRO
    local five, one = rule(5), assert(open(me))
    assert.equal(PASS, use(one, now, five, 2))
    c.gw_fault_set("store.write:*", nil, 0)
    c.gw_ledger_turn(one, now)
    local stats = ffi.new("struct gw_ledger_stats")
    c.gw_ledger_stats(one, stats)
    assert.equal(1, tonumber(stats.failures))
    assert.equal(1, tonumber(stats.quotas.pending))
    assert.equal("No space left on device", ffi.string(stats.problem))
    c.gw_fault_set(nil, nil, 0)
    c.gw_ledger_turn(one, now)
    local other = assert(open(me))
    assert.equal(PASS, use(other, now, five, 2))
    c.gw_ledger_turn(other, now)
    c.gw_ledger_turn(one, now)
    assert.equal(PASS, use(one, now, five))
    assert.equal(REFUSE, use(one, now, five))
    close(one)
    close(other)
  end)

  it("says why a file cannot be had", function()
    for _, point in ipairs { "store.open", "store.lock" } do
      c.gw_fault_set(point .. ":1", nil, 0)
      local good = open(me)
      assert.is_nil(good)
      assert.truthy(ffi.string(why):find("quotas.file: cannot open " .. path, 1, true))
    end
  end)
end)
