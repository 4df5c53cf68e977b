local gateway = require("moongate.spec")

local function open(config, options)
  local made = { plugins = { { name = "fault-injection", config = config } } }
  for key, value in pairs(options or {}) do
    made[key] = value
  end
  return gateway.new(made)
end

describe("fault-injection", function()
  it("does nothing until a share is written", function()
    local gw = open {}
    for _ = 1, 50 do
      assert.equal(200, gw:get("/").status)
    end
    assert.equal(0, gw.clock:elapsed())
  end)

  it("refuses its share, as a problem, and the service hears nothing of it", function()
    local gw = open { abort = { percentage = 40, status = 502, message = "a drill" } }
    local refused = 0
    for _ = 1, 500 do
      local res = gw:get("/")
      if res.status == 502 then
        refused = refused + 1
        assert.equal("a drill", res:json().detail)
      end
    end
    assert.is_true(refused > 140 and refused < 260, refused)
    assert.equal(500 - refused, #gw.upstream.requests)
  end)

  it("delays its share for so long", function()
    local gw = open { delay = { percentage = 30, time = "2s" } }
    for _ = 1, 200 do
      assert.equal(200, gw:get("/").status)
    end
    local delayed = gw.clock:elapsed() / 2
    assert.is_true(delayed > 30 and delayed < 95, delayed)
  end)

  it("concerns only requests with all of the headers", function()
    local gw = open {
      abort = { percentage = 100 },
      headers = { ["X-Fault"] = "drill", ["X-Team"] = "a" },
    }
    assert.equal(503, gw:get("/", { headers = { ["X-Fault"] = "drill", ["X-Team"] = "a" } }).status)
    assert.equal(200, gw:get("/", { headers = { ["X-Fault"] = "drill" } }).status)
    assert.equal(200, gw:get("/", { headers = { ["X-Fault"] = "other", ["X-Team"] = "a" } }).status)
    assert.equal(200, gw:get("/").status)
  end)

  it("lets no more wait at once than it may, also when clients go away", function()
    local gw = open(
      { delay = { percentage = 100, time = "10s", max_concurrent = 2 }, headers = { x = "1" } },
      { auto_advance = false }
    )
    local function start() return gw:start("GET", "/", { headers = { x = "1" } }) end
    local first, second, third = start(), start(), start()
    gw.clock:advance(1)
    assert.is_nil(first.response)
    assert.is_nil(second.response)
    assert.equal(200, third:wait().status)
    first:cancel()
    gw.clock:advance(1)
    local fourth = start()
    gw.clock:advance(5)
    assert.is_nil(fourth.response)
    gw.clock:advance(10)
    assert.equal(200, second:wait().status)
    assert.equal(200, fourth:wait().status)
  end)

  it("does not load where it knows no bounds", function()
    for _, case in ipairs {
      { { abort = { percentage = 60 } }, "max_percentage is 50" },
      { { delay = { percentage = 100 } }, "max_percentage is 50" },
      { { delay = { percentage = 20 }, max_percentage = 10 }, "max_percentage is 10" },
      { { delay = { percentage = 10, time = "2m" } }, "time" },
      { { delay = { percentage = 10, max_concurrent = 0 } }, "max_concurrent" },
      { { abort = { percentage = 101 } }, "percentage" },
      { { abort = { percentage = 1, status = 99 } }, "status" },
      { { abort = { percentage = 1, status = 600 } }, "status" },
    } do
      assert.error_matches(function() open(case[1]) end, case[2])
    end
    assert.equal(503, open({ abort = { percentage = 100 }, max_percentage = 100 }):get("/").status)
  end)
end)
