local c = require("support.c")
local ffi = require("ffi")

ffi.cdef([[
struct gw_spec_gate_sums { unsigned broken, waiting, active; double gates, passed, left, refused; };
void gw_spec_gate_race(unsigned times, struct gw_spec_gate_sums *sums);
void gw_spec_gate_tell(struct gw_ticket *ticket);
]])

local STEPS = tonumber(os.getenv("GW_MODEL_STEPS")) or 20000
local SECOND = 1000000
local PASSED, WAITS, FULL, CROWDED = c.GW_GATE_PASSED, c.GW_GATE_WAITS, c.GW_GATE_FULL, c.GW_GATE_CROWDED

local answer, wait = ffi.new("struct gw_gate_answer"), ffi.new("uint64_t[1]")

local function new(bytes)
  local self = { now = 1000 * SECOND, gates = c.gw_gates_new(bytes or 1048576) }
  local waiting = {} -- [ticket] = true
  local stats = ffi.new("struct gw_gates_stats")
  local function ticket()
    local made = ffi.new("struct gw_ticket")
    made.tell = ffi.C.gw_spec_gate_tell
    return made
  end
  function self.queue(key, rate, most, cost)
    local one = ticket()
    local name = ffi.new("struct gw_slice", key, #key)
    local result = tonumber(c.gw_gates_queue(self.gates, 0, name, rate, most, cost or 1, self.now, one, answer))
    if result == WAITS then waiting[one] = true end
    return result, one
  end
  function self.hold(key, limit, most)
    local one = ticket()
    local name = ffi.new("struct gw_slice", key, #key)
    local result = tonumber(c.gw_gates_hold(self.gates, name, limit, most, self.now, one, answer))
    if result == WAITS then waiting[one] = true end
    return result, one
  end
  -- Whether it passed, else when to look again.
  function self.look(one)
    local passed = c.gw_ticket_look(one, one.told, self.now, wait)
    if passed then waiting[one] = nil end
    return passed, tonumber(wait[0])
  end
  function self.cancel(one)
    waiting[one] = nil
    c.gw_ticket_cancel(one, self.now)
  end
  function self.leave(one) c.gw_gate_leave(one.gate, self.now) end
  function self.stats()
    c.gw_gates_stats(self.gates, stats)
    return stats
  end
  function self.free()
    for one in pairs(waiting) do
      c.gw_ticket_cancel(one, self.now)
    end
    local left = self.stats()
    local numbers = { left.waiting, left.active }
    c.gw_gates_free(self.gates)
    assert.same({ 0, 0 }, numbers)
  end
  return self
end

describe("a queue of gates (2.6.2)", function()
  it("holds 50 of Leaky(50, 5), refuses the 52nd, and serves every 200 ms", function()
    local one, tickets = new(), {}
    assert.equal(PASSED, (one.queue("k", 5, 50)))
    for i = 1, 50 do
      local result, ticket = one.queue("k", 5, 50)
      assert.equal(WAITS, result)
      assert.equal(i * 200000, tonumber(answer.wait_us))
      tickets[i] = ticket
    end
    assert.equal(FULL, (one.queue("k", 5, 50)))
    assert.equal(200000, tonumber(answer.wait_us)) -- then there is room for one more
    local begin = one.now
    for i = 1, 50 do
      one.now = begin + i * 200000 - 1
      assert.same({ false, 1 }, { one.look(tickets[i]) })
      one.now = begin + i * 200000
      assert.is_true((one.look(tickets[i])))
      assert.equal(begin + i * 200000, tonumber(tickets[i].at_us))
    end
    one.free()
  end)

  it("moves the later ones forward when somebody leaves", function()
    local one = new()
    one.queue("k", 10, 5)
    local _, first = one.queue("k", 10, 5)
    local _, second = one.queue("k", 10, 5)
    local _, third = one.queue("k", 10, 5)
    one.cancel(first)
    assert.is_true(second.told) -- it is the first now
    assert.same({ false, 100000 }, { one.look(second) })
    one.now = one.now + 200000
    assert.is_true((one.look(third))) -- who looks serves everybody whose time has come
    assert.is_true((one.look(second)))
    assert.equal(100000, tonumber(third.at_us - second.at_us))
    one.free()
  end)

  it("counts from the instant that was due, however late somebody looks", function()
    local one = new()
    local begin = one.now
    one.queue("k", 10, 5)
    local _, ticket = one.queue("k", 10, 5)
    one.now = begin + 190000
    assert.is_true((one.look(ticket)))
    assert.equal(WAITS, (one.queue("k", 10, 5)))
    assert.equal(10000, tonumber(answer.wait_us))
    one.free()
  end)

  it("takes another rate for those who wait, too", function()
    local one = new()
    one.queue("k", 1, 5)
    local _, first = one.queue("k", 1, 5)
    local _, second = one.queue("k", 10, 5)
    assert.is_true(first.told)
    assert.same({ false, 100000 }, { one.look(first) })
    one.now = one.now + 200000
    assert.is_true((one.look(second)))
    assert.is_true((one.look(first)))
    one.free()
  end)

  it("bears rates that are tiny, costs that are large, and both", function()
    local one = new()
    one.queue("k", 1e-9, 5, 1e9)
    assert.equal(WAITS, (one.queue("k", 1e-9, 5, 1e9)))
    assert.equal(1e15, tonumber(answer.wait_us))
    one.free()
  end)

  it("makes one that costs more keep the next ones waiting for longer", function()
    local one = new()
    one.queue("k", 10, 5, 3)
    one.queue("k", 10, 5, 0)
    assert.equal(300000, tonumber(answer.wait_us))
    one.free()
  end)
end)

describe("holds of gates", function()
  it("lets so many in, lets so many wait, and lets them in in order", function()
    local one = new()
    local _, a = one.hold("k", 1, 2)
    local result, b = one.hold("k", 1, 2)
    assert.equal(WAITS, result)
    local _, d = one.hold("k", 1, 2)
    assert.equal(FULL, (one.hold("k", 1, 2)))
    local _, other = one.hold("other", 1, 2)
    assert.equal(2, one.stats().active)
    one.leave(a)
    assert.is_true(b.told and not d.told)
    assert.is_true((one.look(b)))
    assert.is_false((one.look(d)))
    one.leave(b)
    assert.is_true((one.look(d)))
    one.leave(d)
    one.leave(other)
    one.free()
  end)

  it("gives what came too late for who left to the next", function()
    local one = new()
    local _, a = one.hold("k", 1, 2)
    local _, b = one.hold("k", 1, 2)
    local _, d = one.hold("k", 1, 2)
    one.leave(a)
    one.cancel(b) -- it was let in, and has not looked
    assert.is_true((one.look(d)))
    one.leave(d)
    one.free()
  end)

  it("lets those who wait in when there may be more, and nobody while there are too many", function()
    local one = new()
    local _, a = one.hold("k", 1, 5)
    local _, b = one.hold("k", 1, 5)
    local _, d = one.hold("k", 3, 5)
    assert.is_true(b.told and (one.look(b)))
    local _, e = one.hold("k", 1, 5)
    one.leave(a)
    one.leave(b)
    assert.is_false((one.look(e)))
    one.leave(d)
    assert.is_true((one.look(e)))
    one.leave(e)
    one.free()
  end)
end)

describe("a table of gates", function()
  it("stays at its size while keys come without end, and forgets no gate that is in use", function()
    local one = new(256 * 16 * 8)
    local held, kept = {}, 0
    for i = 1, 64 do
      local result, ticket = one.hold("held" .. i, 1, 0)
      if result == PASSED then
        kept = kept + 1
        held[kept] = ticket
      else
        assert.equal(CROWDED, result)
      end
    end
    for i = 1, 20000 do
      one.queue("key" .. i, 10, 5)
      one.now = one.now + 10
    end
    assert.is_true(one.stats().gates <= 16 * 8)
    assert.equal(kept, one.stats().active)
    for _, ticket in ipairs(held) do
      one.leave(ticket)
    end
    one.free()
  end)

  it("shrinks again when keys are not used for a minute", function()
    local one = new()
    for i = 1, 1000 do
      one.queue("key" .. i, 10, 5)
    end
    assert.equal(1000, tonumber(one.stats().gates))
    one.now = one.now + 61 * SECOND
    for i = 1, 1000 do
      one.queue("new" .. i, 10, 5)
      one.now = one.now + 1
    end
    assert.is_true(one.stats().gates < 1100)
    assert.equal(0, tonumber(one.stats().evicted)) -- nothing had to
    one.free()
  end)
end)

-- ── against a model ──────────────────────────────────────────────────────────

-- A queue as a list of { id, cost }; `last` and `cost`: who was served last.
local function queue_model()
  local m = { list = {}, served = {}, last = -math.huge, cost = 0 }
  local function free() return m.last + m.cost * 1e6 / m.rate end
  local function serve(one, at)
    m.last, m.cost, m.served[one.id] = at, one.cost, at
  end
  function m.advance(now)
    while m.list[1] and free() <= now do
      serve(table.remove(m.list, 1), free())
    end
  end
  function m.arrive(now, id, cost, rate, most)
    m.rate = rate
    m.advance(now)
    if #m.list == 0 and free() <= now then
      serve({ id = id, cost = cost }, now)
      return PASSED
    end
    if #m.list >= most then return FULL end
    m.list[#m.list + 1] = { id = id, cost = cost }
    return WAITS
  end
  function m.leave(at) table.remove(m.list, at) end
  return m
end

describe("gates against a model (issue line 1)", function()
  it("serves a queue as the model does, whatever comes and goes", function()
    math.randomseed(6)
    local one, m, tickets, mismatches = new(), queue_model(), {}, 0
    local rate = 5
    local function check(ok) mismatches = mismatches + (ok and 0 or 1) end
    for id = 1, STEPS do
      local what = math.random(100)
      one.now = one.now + (what % 3 == 0 and math.random(0, 900000) or math.random(0, 30000))
      if what == 1 then rate = ({ 3, 5, 7.5 })[math.random(3)] end
      if what <= 60 then
        local cost = math.random(10) == 1 and math.random(3) or 1
        local result, ticket = one.queue("k", rate, 10, cost)
        check(result == m.arrive(one.now, id, cost, rate, 10))
        if result == WAITS then tickets[id] = ticket end
      elseif what <= 75 and m.rate then
        m.advance(one.now)
        if #m.list > 0 then
          local at = math.random(#m.list)
          local left = m.list[at].id
          local passed = one.look(tickets[left])
          check(not passed)
          m.leave(at)
          one.cancel(tickets[left])
          tickets[left] = nil
        end
      end
      if m.rate then
        m.advance(one.now)
        for waiting, ticket in pairs(tickets) do
          local passed = one.look(ticket)
          local at = m.served[waiting]
          check(passed == (at ~= nil))
          if passed then
            check(tonumber(ticket.at_us) == math.floor(at))
            tickets[waiting], m.served[waiting] = nil, nil
          end
        end
      end
    end
    assert.equal(0, mismatches)
    one.free()
  end)

  it("lets in and out as the model does", function()
    math.randomseed(7)
    local one, inside, line, passes, mismatches = new(), {}, {}, {}, 0
    local limit = 3
    local function check(ok) mismatches = mismatches + (ok and 0 or 1) end
    local function let_in()
      while #inside < limit and line[1] do
        local ticket = table.remove(line, 1)
        inside[#inside + 1] = ticket
        passes[#passes + 1] = ticket
      end
    end
    for _ = 1, STEPS do
      local what = math.random(100)
      one.now = one.now + math.random(0, 1000)
      if what <= 50 then
        if what == 1 then limit = math.random(5) end -- told by who comes
        let_in()
        local expected = #inside < limit and PASSED or #line < 4 and WAITS or FULL
        local result, ticket = one.hold("k", limit, 4)
        check(result == expected)
        if result == PASSED then inside[#inside + 1] = ticket end
        if result == WAITS then line[#line + 1] = ticket end
      elseif what <= 90 and #inside > 0 then
        one.leave(table.remove(inside, math.random(#inside)))
        let_in()
      elseif what > 90 and #line > 0 then
        one.cancel(table.remove(line, math.random(#line)))
      end
      for i = 1, #passes do
        check((one.look(passes[i])))
      end
      for i = 1, #line do
        check(not one.look(line[i]))
      end
      passes = {}
      check(one.stats().active == #inside and one.stats().waiting == #line)
    end
    assert.equal(0, mismatches)
    for _, ticket in ipairs(inside) do
      one.leave(ticket)
    end
    one.free()
  end)

  it("keeps its promises to threads that come, wait and leave at once", function()
    local sums = ffi.new("struct gw_spec_gate_sums")
    ffi.C.gw_spec_gate_race(5000, sums)
    assert.same({ 0, 0, 0 }, { sums.broken, sums.waiting, sums.active })
    assert.is_true(sums.passed > 0 and sums.left > 0 and sums.refused > 0)
  end)
end)
