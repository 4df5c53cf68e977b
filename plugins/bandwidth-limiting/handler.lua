--- How fast bodies go, each way. The core keeps the pace (ctx.request:limit_rate, ctx.response:limit_rate); here is
--- only how fast it is, and who shares it.
local gates = require("moongate.limit.gates")
local keys = require("moongate.limit.keys")
local metrics = require("moongate.metrics")
local uses = require("moongate.limit.uses")

local M = { version = "1.0.0", priority = 904 }

local UP, DOWN = 0, 1

local pace = gates.pace
local prepared = {} -- [conf]

function M.init(configs)
  local requests = metrics.counter {
    name = "requests",
    about = "Requests whose bodies keep a pace; no_key: they had nothing to share one by; crowded: too many keys did.",
    labels = { "use", "result" },
    max_series = 10000,
  }
  for _, conf in ipairs(configs) do
    local use = uses.of(conf)
    local made = { label = uses.label(use) }
    if conf.limit_by then
      made.key, made.by = keys.maker(conf)
      made.up = gates.open("bandwidth-limiting/" .. use.id .. ":up", "bandwidth-limiting")
      made.down = gates.open("bandwidth-limiting/" .. use.id .. ":down", "bandwidth-limiting")
    end
    for _, result in ipairs { "limited", "no_key", "crowded" } do
      made[result] = requests:series_of(made.label, result)
    end
    prepared[conf] = made
  end
end

local function share(use, ctx, key, numbers, burst)
  local up, down = numbers.up, numbers.down
  local done = true
  if up then done = pace(ctx.request, UP, up, burst or up, use.up, key) end
  if down then done = pace(ctx.response, DOWN, down, burst or down, use.down, key) and done end
  return done
end

-- Without a key to share by, each stream has the pace for itself.
local function alone(ctx, numbers, burst)
  if numbers.up then ctx.request:limit_rate(numbers.up, burst) end
  if numbers.down then ctx.response:limit_rate(numbers.down, burst) end
end

function M.access(conf, ctx)
  local use, numbers, tier = prepared[conf], conf, nil
  if conf.tiers then
    numbers, tier = uses.tier(conf, ctx)
    if numbers.unlimited then return end
  end
  local burst = numbers.burst or conf.burst
  if not use.key then
    alone(ctx, numbers, burst)
    return use.limited:add()
  end
  local key = use.key(ctx)
  if not key then
    use.no_key:add()
    return ctx.response:error(403, "the request has nothing to be counted by: " .. use.by)
  end
  if tier then key = tier .. "\0" .. key end
  if share(use, ctx, key, numbers, burst) then return use.limited:add() end
  use.crowded:add()
  alone(ctx, numbers, burst)
end

return M
