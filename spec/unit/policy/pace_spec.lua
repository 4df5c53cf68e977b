local c = require("support.c")
local ffi = require("ffi")

local SECOND = 1000000
local wait = ffi.new("uint64_t[1]")

local function take(pace, want, now)
  local taken = tonumber(c.gw_pace_take(pace, want, now, wait))
  return taken, tonumber(wait[0])
end

describe("gw_pace", function()
  it("never lets more pass than the burst and the rate, nor much less, whatever is asked", function()
    math.randomseed(3)
    for _ = 1, 20 do
      local rate, burst = math.random(100, 1e6), math.random(0, 1e5)
      local pace = ffi.new("struct gw_pace", { rate = rate, burst = burst })
      local piece = math.max(256, math.min(rate / 50, 65536))
      local now, begin, passed = 5 * SECOND, 5 * SECOND, 0
      for _ = 1, 1000 do
        local taken, later = take(pace, math.random(1, 100000), now)
        now, passed = now + later, passed + taken
        assert.is_true(passed <= burst + rate * (now - begin) / 1e6 + 1)
        assert.is_true(passed >= math.min(burst, 1000 * 1) + rate * (now - begin) / 1e6 - piece - burst)
      end
    end
  end)

  it("fills again up to the burst in a pause", function()
    local pace = ffi.new("struct gw_pace", { rate = 1000, burst = 3000 })
    assert.same({ 3000, 0 }, { take(pace, 3000, 100 * SECOND) })
    assert.same({ 256, 256000 }, { take(pace, 5000, 100 * SECOND) })
    assert.same({ 3000, 0 }, { take(pace, 9000, 900 * SECOND) })
  end)

  it("gives what was reserved back", function()
    local pace = ffi.new("struct gw_pace", { rate = 1000, burst = 0 })
    take(pace, 256, 100 * SECOND)
    c.gw_pace_give_back(pace, 256)
    assert.same({ 100, 100000 }, { take(pace, 100, 100 * SECOND) })
  end)

  it("lets many who share a bucket have the same, in the order they come, and no more together", function()
    local gates = c.gw_gates_new(1048576)
    local key, streams, now = ffi.new("struct gw_slice", "k", 1), {}, 10 * SECOND
    for i = 1, 7 do
      local gate = c.gw_gates_share(gates, key, now)
      streams[i] =
        { due = now, passed = 0, pace = ffi.new("struct gw_pace", { rate = 70000, burst = 1000, gate = gate }) }
    end
    local stop = now + 20 * SECOND
    while true do
      local next_one = streams[1]
      for _, stream in ipairs(streams) do
        if stream.due < next_one.due then next_one = stream end
      end
      now = next_one.due
      if now >= stop then break end
      next_one.passed = next_one.passed + (next_one.taken or 0)
      local later
      next_one.taken, later = take(next_one.pace, 1e6, now)
      next_one.due = now + later
    end
    local sum = 0
    for _, stream in ipairs(streams) do
      sum = sum + stream.passed
      assert.is_true(math.abs(stream.passed - 200000) < 3000, tostring(stream.passed))
      c.gw_gate_leave(stream.pace.gate, now)
    end
    assert.is_true(sum <= 1000 + 70000 * 20)
    c.gw_gates_free(gates)
  end)
end)
