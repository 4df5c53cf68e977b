--- Scenarios that must end well whatever fails: each is run with the first pass of a point failing, then the second, and so on,
--- until it comes to its end without the fault having happened.
---
---     faults.each("conn.write", scenario)
---
--- A scenario: { start = fn(world), talk = fn(world, client), answers = n, good = fn(response, nth) }. `talk` sends what the
--- client has to say; then `answers` whole responses come, or the connection ends. Where clients speak something else than HTTP/1:
--- open = fn(world), which connects one, and parse = fn(text), which gives the whole answers in a text.
local ffi = require("ffi")
local c = require("support.c")
local proxy = require("support.proxy")

local M = {}

-- Where specs look at some of very many places only: with SPEC_ALL_FAULTS=1 at all of them.
function M.step(step) return os.getenv("SPEC_ALL_FAULTS") and 1 or step or 1 end

local WAIT_SECONDS = 300 -- on the virtual clock: longer than all timeouts together
local why = ffi.new("char[2048]")

--- Makes the plan fail from here on; "" ends it.
function M.set(plan)
  if not c.gw_fault_set(plan, why, ffi.sizeof(why)) then error(ffi.string(why), 2) end
end

function M.fired() return tonumber(c.gw_fault_fired()) end

--- Turns until `done()`. Where nothing happens any more the clock moves, second by second: what only a timeout ends may do so.
local function wait(world, done, what)
  for _ = 1, WAIT_SECONDS do
    for _ = 1, 300 do
      if done() then return end
      world.loop:turn(false)
    end
    c.gw_loop_advance(world.loop.c, 1e6)
  end
  error("hangs: " .. what)
end

local function is_final(response) return response.status >= 200 or response.status == 101 end

--- The whole answers of HTTP/1 at the front of a text.
local function parse(text)
  local answers = {}
  while true do
    local response, rest = proxy.parse_response(text)
    if not response then return answers end
    text = rest
    answers[#answers + 1] = is_final(response) and response or nil
    if response.status == 101 then return answers end
  end
end

local function answers_of(client, scenario) return (scenario.parse or parse)(client.conn:text()) end

local function read_answers(world, client, scenario)
  wait(
    world,
    function() return #answers_of(client, scenario) >= scenario.answers or client:ended() end,
    "no answer and no end"
  )
end

-- Whole responses are what they should be, or errors; everything else is cut where the client can see it.
local function check_answers(client, scenario)
  local answers = answers_of(client, scenario)
  for nth = 1, math.min(#answers, scenario.answers) do
    local response = answers[nth]
    local sane = response.status >= 400 or scenario.good(response, nth)
    assert(sane, ("answer %d is wrong: %d %s"):format(nth, response.status, response.body:sub(1, 200)))
  end
  return math.min(#answers, scenario.answers)
end

local function open(world, scenario) return scenario.open and scenario.open(world) or world:client() end

local function check_serves(world, scenario)
  local after = scenario.after or scenario
  local client = open(world, after)
  after.talk(world, client)
  read_answers(world, client, after)
  assert(check_answers(client, after) == after.answers, "serves no more")
  assert(answers_of(client, after)[1].status < 300, "serves no more: " .. client.conn:text():sub(1, 200))
  client:close()
end

-- One client, one fault. True when it happened.
local function run(world, plan, scenario)
  M.set(plan)
  local client = open(world, scenario)
  scenario.talk(world, client)
  read_answers(world, client, scenario)
  if scenario.finish then scenario.finish(world, client) end
  local count = check_answers(client, scenario)
  local fired = M.fired() > 0
  client:close()
  wait(world, function() return world:is_quiet() end, "an exchange does not end")
  M.set("")
  if not fired then assert(count == scenario.answers, "without a fault there are all answers") end
  check_serves(world, scenario)
  wait(world, function() return world:is_quiet() end, "an exchange does not end")
  return fired
end

-- Calls `body(world)`, in a world that is taken down whatever happens, and must be empty then.
local function with_world(scenario, plan, body)
  local world = proxy.new()
  local good, result = xpcall(function()
    scenario.start(world)
    return body(world)
  end, debug.traceback)
  local during = plan()
  M.set("")
  local freed, left = pcall(world.free, world)
  if not good or not freed then error(("%s, with GW_FAULT=%s"):format(good and left or result, during), 0) end
  return result
end

--- Runs the scenario once for each pass of the point (each `step`-th), until nothing fails any more; gives how many runs failed.
--- Each run has its own world or, where `scenario.shared`, they all have one.
function M.each(point, scenario, step)
  local n, runs, plan = 1, 0, ""
  local function next_run(world)
    plan = ("%s:%d"):format(point, n)
    local fired = run(world, plan, scenario)
    n = n + M.step(step)
    if fired then runs = runs + 1 end
    return fired
  end
  local function all_runs(world)
    repeat
      assert(runs < 5000, "a scenario without an end")
    until not next_run(world)
  end
  local function current() return plan end
  if scenario.shared then
    with_world(scenario, current, all_runs)
  else
    repeat
    until not with_world(scenario, current, next_run)
  end
  return runs
end

return M
