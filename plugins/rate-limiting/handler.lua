--- Lets everybody do only so much. What counts is in moongate.limit; here is who is counted, by what, and what they are
--- told.
local answers = require("rate-limiting.answers")
local metrics = require("moongate.metrics")
local reconcile = require("rate-limiting.reconcile")
local shaping = require("rate-limiting.shaping")
local uses = require("rate-limiting.uses")

local M = { version = "1.0.0", priority = 910 }

local is_over, refuse, refuse_unavailable = answers.is_over, answers.refuse, answers.refuse_unavailable
local prepared = {} -- [conf]

function M.init(configs)
  local decisions = metrics.counter {
    name = "requests",
    about = "Requests that a use of rate-limiting judged. dry_run: it would have refused.",
    labels = { "use", "result" },
    max_series = 10000,
  }
  local over = metrics.counter {
    name = "exceeded",
    about = "How often each limit was exceeded, in dry_run, too.",
    labels = { "use", "limit" },
    max_series = 10000,
  }
  local shared = {}
  for _, conf in ipairs(configs) do
    local use = uses.prepare(conf, shared)
    for _, result in ipairs { "allowed", "refused", "dry_run", "no_key", "unavailable" } do
      use[result] = decisions:series_of(use.label, result)
    end
    for _, set in pairs(use.sets) do
      for _, limit in ipairs(set.limits) do
        limit.exceeded = over:series_of(use.label, limit.name)
      end
    end
    prepared[conf] = use
  end
end

-- Of the groups of who asks the first one that has numbers of its own.
local function set_of(use, ctx)
  local groups = ctx.client:get_consumer_groups()
  for i = 1, #groups do
    local set = use.tiers[groups[i].name]
    if set then return set end
  end
  return use.set
end

local function cost_of(limit, ctx)
  local of = limit.cost_of
  return of and of(ctx) or limit.cost
end

-- Who says nothing to be counted by.
local function refuse_nameless(use, ctx, limit)
  use.no_key:add()
  if use.conf.dry_run then return end
  return ctx.response:error(403, "the request has nothing to be counted by: " .. limit.by)
end

-- The counters cannot be asked, and the configuration says that nobody passes then.
local function refuse_unknown(use, ctx)
  use.unavailable:add()
  if use.conf.dry_run then return end
  return refuse_unavailable(ctx.response)
end

local function exceeded(use, ctx, set, list)
  for i = 1, set.n do
    if is_over(list[i]) then set.limits[i].exceeded:add() end
  end
  if use.conf.dry_run then
    use.dry_run:add()
    ctx.log:info("would be refused: ", use.label, ": ", answers.who(ctx), ", over ", answers.over(set, list))
    return
  end
  use.refused:add()
  return refuse(use.conf, ctx.response, set, list)
end

-- One limit, which is what most uses have.
local function take_one(use, ctx, set)
  local limit = set.limits[1]
  local key = limit.key(ctx)
  if not key then return refuse_nameless(use, ctx, limit) end
  local cost = cost_of(limit, ctx)
  local allowed, answer, reason = use.counter:take(key, limit.rule, cost)
  if reason == "unavailable" then return refuse_unknown(use, ctx) end
  local list = set.answers
  list[1] = answer
  if use.tell then use.tell(ctx, set.told, list) end
  if not allowed then return exceeded(use, ctx, set, list) end
  use.allowed:add()
  if limit.reconciles then reconcile.note(ctx, use, set, 1, key, cost) end
end

-- Several whose store answers at once; the list of asks serves one request after the other.
local function take_all(use, ctx, set)
  local limits, asks = set.limits, set.asks
  for i = 1, set.n do
    local limit, ask = limits[i], asks[i]
    local key = limit.key(ctx)
    if not key then return refuse_nameless(use, ctx, limit) end
    ask[1], ask[3] = key, cost_of(limit, ctx)
  end
  local allowed, list = use.counter:take_all(asks, set.n)
  if use.tell then use.tell(ctx, set.told, list) end
  if not allowed then return exceeded(use, ctx, set, list) end
  use.allowed:add()
end

-- Where something waits, or has to be put right afterwards: keys and costs are this request's own.
local function take_kept(use, ctx, set)
  local keys, costs = {}, {}
  for i = 1, set.n do
    local limit = set.limits[i]
    keys[i], costs[i] = limit.key(ctx), cost_of(limit, ctx)
    if not keys[i] then return refuse_nameless(use, ctx, limit) end
  end
  local allowed, list, reason = shaping.take(use.counter, set, keys, costs)
  if reason == "unavailable" then return refuse_unknown(use, ctx) end
  if use.tell then use.tell(ctx, set.told, list) end
  if not allowed then return exceeded(use, ctx, set, list) end
  use.allowed:add()
  for i = 1, set.reconciles and set.n or 0 do
    if set.limits[i].reconciles then reconcile.note(ctx, use, set, i, keys[i], costs[i]) end
  end
end

function M.access(conf, ctx)
  local use = prepared[conf]
  local set = use.tiers and set_of(use, ctx) or use.set
  if set.keeps then
    take_kept(use, ctx, set)
  elseif set.n == 1 then
    take_one(use, ctx, set)
  elseif set.n > 1 then
    take_all(use, ctx, set)
  else
    use.allowed:add() -- unlimited
  end
end

M.response, M.log = reconcile.response, reconcile.log

-- Only who reconciles costs anything after access.
function M._hooks(conf)
  local header, bytes = reconcile.wants(conf)
  return { access = true, response = header, log = bytes }
end

return M
