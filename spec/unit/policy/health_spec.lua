local c = require("support.c")
local ffi = require("ffi")

local STEPS = tonumber(os.getenv("GW_MODEL_STEPS")) or 20000
local CHECK, TRAFFIC = c.GW_HEALTH_BY_CHECK, c.GW_HEALTH_BY_TRAFFIC
local SUCCESS, HTTP, TCP, TIMEOUT, NOTHING =
  c.GW_HEALTH_SUCCESS, c.GW_HEALTH_HTTP_FAILURE, c.GW_HEALTH_TCP_FAILURE, c.GW_HEALTH_TIMEOUT, c.GW_HEALTH_NOTHING

local function new(rules)
  local self = { health = ffi.new("struct gw_health"), look = ffi.new("struct gw_health_look") }
  self.rules = ffi.new("struct gw_health_rules", rules)
  function self.note(report, by, others)
    return c.gw_health_note(self.health, others or self.rules, report, by or CHECK, self.look)
  end
  function self.down() return c.gw_health_look(self.health).down end
  return self
end

describe("gw_health (2.19.1)", function()
  it("falls after so many failures in a row, and rises after so many successes", function()
    local one = new { successes = 2, http_failures = 3 }
    assert.is_false(one.note(HTTP) or one.note(HTTP) or one.note(SUCCESS))
    assert.is_false(one.note(HTTP) or one.note(HTTP) or one.down())
    assert.is_true(one.note(HTTP))
    assert.is_true(one.look.down and one.look.by == CHECK and one.look.report == HTTP)
    assert.is_false(one.note(SUCCESS) or one.note(HTTP) or one.note(SUCCESS))
    assert.is_true(one.down())
    assert.is_true(one.note(SUCCESS))
    assert.is_false(one.down())
  end)

  it("counts each kind of failure by itself", function()
    local one = new { successes = 1, http_failures = 2, tcp_failures = 2, timeouts = 2 }
    assert.is_false(one.note(HTTP) or one.note(TCP) or one.note(TIMEOUT))
    assert.is_true(one.note(TCP))
    assert.equal(TCP, tonumber(one.look.report))
  end)

  it("does not look at what has no limit", function()
    local one = new { http_failures = 1 }
    for _ = 1, 1000 do
      assert.is_false(one.note(TCP) or one.note(TIMEOUT) or one.note(NOTHING))
    end
    assert.is_true(one.note(HTTP))
    assert.is_false(one.note(SUCCESS)) -- nothing says how it comes back
    assert.is_true(one.down())
  end)

  it("lets checks bring back what traffic took out", function()
    local one = new { successes = 1 }
    local traffic = ffi.new("struct gw_health_rules", { http_failures = 1 })
    assert.is_true(one.note(HTTP, TRAFFIC, traffic))
    assert.is_false(one.note(SUCCESS, TRAFFIC, traffic))
    assert.is_true(one.note(SUCCESS))
    assert.equal(CHECK, tonumber(one.look.by))
  end)

  it("keeps a new target out until one check passes, where that is wanted (2.19.3)", function()
    for _, first in ipairs { SUCCESS, TCP } do
      local one = new { successes = 3, tcp_failures = 3 }
      c.gw_health_await(one.health)
      assert.is_true(one.down() and c.gw_health_look(one.health).unchecked)
      assert.is_false(one.note(SUCCESS, TRAFFIC))
      assert.is_true(one.note(first))
      assert.equal(first ~= SUCCESS, one.down())
      assert.is_false(c.gw_health_look(one.health).unchecked)
    end
  end)

  it("obeys the operator, and counts anew from there", function()
    local one = new { successes = 1, http_failures = 2 }
    one.note(HTTP)
    assert.is_true(c.gw_health_set(one.health, true, c.GW_HEALTH_BY_OPERATOR))
    assert.is_false(c.gw_health_set(one.health, true, c.GW_HEALTH_BY_OPERATOR))
    assert.is_true(c.gw_health_set(one.health, false, c.GW_HEALTH_BY_OPERATOR))
    assert.is_false(one.note(HTTP) or one.down())
  end)

  it("tells exactly one of those who report at once", function()
    local one, moves = new { http_failures = 200 }, 0
    for _ = 1, 1000 do
      moves = moves + (one.note(HTTP) and 1 or 0)
    end
    assert.equal(1, moves)
  end)
end)

describe("gw_health and its model", function()
  local NAMES =
    { [SUCCESS] = "successes", [HTTP] = "http_failures", [TCP] = "tcp_failures", [TIMEOUT] = "timeouts" }

  local function model()
    local self = { down = false, first = false, counts = {} }
    function self.become(down)
      self.down, self.first, self.counts = down, false, {}
    end
    function self.note(rules, report, by)
      local was_down, was_first = self.down, self.first
      if report == NOTHING then return false end
      if self.first and by == CHECK then
        self.become(report ~= SUCCESS)
      elseif (report == SUCCESS) ~= self.down then
        self.counts = {} -- says what holds already: whatever began against it ends
      else
        local name = NAMES[report]
        if rules[name] > 0 then
          self.counts[name] = (self.counts[name] or 0) + 1
          if self.counts[name] >= rules[name] then self.become(not self.down) end
        end
      end
      return was_down ~= self.down or was_first ~= self.first
    end
    return self
  end

  it("agree over random steps", function()
    local random = ffi.new("struct gw_random")
    c.gw_random_seed(random, 4)
    local function below(n) return tonumber(c.gw_random_below(random, n)) end
    local one, other = new {}, model()
    local rules = {}
    for source = 1, 2 do
      rules[source] = {}
    end
    local structs = { ffi.new("struct gw_health_rules"), ffi.new("struct gw_health_rules") }
    for step = 1, STEPS do
      if step % 1000 == 1 then -- a reload with other rules
        for source = 1, 2 do
          for _, name in pairs(NAMES) do
            rules[source][name] = below(5)
            structs[source][name] = rules[source][name]
          end
        end
      end
      local roll = below(1000)
      if roll < 5 then
        local down = roll < 3
        other.become(down)
        c.gw_health_set(one.health, down, c.GW_HEALTH_BY_OPERATOR)
      elseif roll < 7 then
        other.become(true)
        other.first = true
        c.gw_health_await(one.health)
      else
        local source, report = below(2) + 1, below(5)
        local by = source == 1 and CHECK or TRAFFIC
        if other.note(rules[source], report, by) ~= one.note(report, by, structs[source]) then
          error("moves differ at " .. step)
        end
      end
      if other.down ~= one.down() then error("they differ at " .. step) end
    end
  end)
end)
