-- Checks of targets when the system says no: a check may fail, but the next one comes, and nothing is left.
local c = require("support.c")
local faults = require("support.faults")
local proxy = require("support.proxy")

local POINTS = {
  "conn.read",
  "conn.read.short",
  "conn.write",
  "conn.write.short",
  "conn.open",
  "socket",
  "connect",
  "connect.later",
}
local KINDS = { "http", "tcp" }

local function run(point, nth, kind)
  local world = proxy.new()
  local up = world:upstream(function(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi") end)
  local check = { type = kind, interval = 1, successes = 1, tcp_failures = 1, timeouts = 1, http_failures = 1 }
  check.body = kind == "http" and "hi" or nil
  world:start { routes = { { name = "h", targets = { up }, health = { check = check } } } }
  faults.set(("%s:%d"):format(point, nth))
  world:run_registry()
  local function checks()
    local counts, sum = world:targets()[up.text].checks, 0
    for i = 0, 4 do
      sum = sum + counts[i]
    end
    return sum, counts[c.GW_HEALTH_SUCCESS]
  end
  local function pass(seconds, done)
    for _ = 1, seconds * 10 do
      if done() then break end
      world:advance(0.1)
      world:settle(10)
    end
  end
  pass(10, function() return checks() >= 4 end)
  local fired = faults.fired()
  faults.set("")
  local all, good = checks()
  assert.is_true(all >= 4 and good >= all - fired, ("%d checks, %d good, %d faults"):format(all, good, fired))
  pass(5, function() return world:targets()[up.text].state == "healthy" end)
  assert.equal("healthy", world:targets()[up.text].state)
  world:free()
  return fired > 0
end

describe("checks", function()
  after_each(function() faults.set("") end)

  for _, kind in ipairs(KINDS) do
    for _, point in ipairs(POINTS) do
      it(("by %s go on when %s fails"):format(kind, point), function()
        for nth = 1, 4 do
          run(point, nth, kind)
        end
      end)
    end
  end
end)
