--- Lets everybody have only so many requests at once. Places are given back by the core when a request ends, however it
--- does (moongate.limit: counter:hold); here is who is counted, how many they may have, and what they are told.
local gates = require("moongate.limit.gates")
local keys = require("moongate.limit.keys")
local metrics = require("moongate.metrics")
local uses = require("moongate.limit.uses")
local problem = require("moongate.problem")

local M = { version = "1.0.0", priority = 905 }

local ALL = 1e6 -- a dry run counts, and refuses nobody
local RESULTS = { "allowed", "waited", "refused", "timeout", "no_key", "dry_run" }

local hold = gates.hold
local prepared = {} -- [conf]

local function prepare(conf)
  local use = uses.of(conf)
  local made = {
    conf = conf,
    label = uses.label(use),
    gates = gates.open("concurrency-limiting/" .. (conf.counter or use.id), "concurrency-limiting"),
  }
  made.key, made.by = keys.maker(conf)
  made.problem =
    assert(problem.new { title = "Too many requests at once", ["violated-policies"] = { made.label } })
  return made
end

function M.init(configs)
  local requests = metrics.counter {
    name = "requests",
    about = "Requests that a use of concurrency-limiting judged. waited: got a place later; timeout: did not.",
    labels = { "use", "result" },
    max_series = 10000,
  }
  for _, conf in ipairs(configs) do
    local use = prepare(conf)
    for _, result in ipairs(RESULTS) do
      use[result] = requests:series_of(use.label, result)
    end
    prepared[conf] = use
  end
end

local function refuse(use, ctx, reason)
  local conf = use.conf
  use[reason == "timeout" and "timeout" or "refused"]:add()
  ctx.response:set_header("Retry-After", conf.retry_after)
  return ctx.response:error(conf.error_code, conf.error_message, nil, use.problem)
end

local function count_only(use, ctx, key, limit)
  local _, answer = hold(use.gates, key, ALL, 0, 0)
  if ALL - answer.remaining <= limit then return use.allowed:add() end
  use.dry_run:add()
  ctx.log:info("would be refused: ", use.label)
end

function M.access(conf, ctx)
  local use, numbers = prepared[conf], conf
  local key = use.key(ctx)
  if not key then
    use.no_key:add()
    if conf.dry_run then return end
    return ctx.response:error(403, "the request has nothing to be counted by: " .. use.by)
  end
  if conf.tiers then
    local tier
    numbers, tier = uses.tier(conf, ctx)
    if numbers.unlimited then return use.allowed:add() end
    if tier then key = tier .. "\0" .. key end
  end
  if conf.dry_run then return count_only(use, ctx, key, numbers.limit) end
  local held, answer, reason = hold(
    use.gates,
    key,
    numbers.limit,
    numbers.queue_size or conf.queue_size,
    numbers.queue_timeout or conf.queue_timeout
  )
  if not held then return refuse(use, ctx, reason) end
  use[answer.waited > 0 and "waited" or "allowed"]:add()
end

return M
