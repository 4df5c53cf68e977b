--- Limits what services say a request cost: a header of the response names how much of which limit it took. What is
--- used up is known before the next request is sent; whether it needs any of it, only the service knows.
local keys = require("moongate.limit.keys")
local limit = require("moongate.limit")
local metrics = require("moongate.metrics")
local problem = require("moongate.problem")
local uses = require("moongate.limit.uses")

local M = { version = "1.0.0", priority = 900 }

local ceil, huge, max, min, sort = math.ceil, math.huge, math.max, math.min, table.sort

local PERIODS = { "second", "minute", "hour", "day", "month", "year" }
local TYPE = "https://iana.org/assignments/http-problem-types#quota-exceeded"
local TITLE = "Request cannot be satisfied as assigned quota has been exceeded"
local HEADERS_MOST = 1000
local PARTS_MOST = 64 -- in the service's header
local COST_MOST = 1e12

local prepared = {} -- [conf]
local counter

-- One limit of a use: its rules and what its headers are called.
local function prepare(name, numbers, use)
  local made = { name = name, windows = {}, to_service = "X-RateLimit-Remaining-" .. name }
  for _, period in ipairs(PERIODS) do
    if numbers[period] then
      made.windows[#made.windows + 1] = {
        rule = limit.rule { limit = numbers[period], window = period, name = use .. "/" .. name },
        limit = ("%d"):format(numbers[period]),
        limit_header = ("X-RateLimit-Limit-%s-%s"):format(name, period),
        remaining_header = ("X-RateLimit-Remaining-%s-%s"):format(name, period),
      }
    end
  end
  made.problem = assert(problem.new { type = TYPE, title = TITLE, ["violated-policies"] = { name } })
  made.detail = ("API rate limit exceeded for '%s'"):format(name)
  return made
end

function M.init(configs)
  local refused = metrics.counter {
    name = "refused",
    about = "Requests that a use of response-ratelimiting refused, by the limit that was used up.",
    labels = { "use", "limit" },
    max_series = 10000,
  }
  counter = limit.counter("counts")
  for _, conf in ipairs(configs) do
    local of = uses.of(conf)
    local use = { id = of.id, label = uses.label(of) }
    prepared[conf] = use
    use.limits, use.by_name, use.silent = {}, {}, conf.hide_client_headers
    use.key = keys.maker { limit_by = conf.limit_by, ipv6_prefix = conf.ipv6_prefix, missing_key = "ip" }
    for name, numbers in pairs(conf.limits) do
      local one = prepare(name, numbers, use.id)
      one.refused = refused:series_of(use.label, name)
      use.limits[#use.limits + 1], use.by_name[name] = one, one
    end
    sort(use.limits, function(a, b) return a.name < b.name end)
  end
end

-- What is left of a limit in the window that has the least, and when there is more.
local function left_of(one, key)
  local remaining, reset = huge, 0
  for _, window in ipairs(one.windows) do
    local _, answer = counter:look(key, window.rule, 0)
    remaining = min(remaining, answer.remaining)
    if answer.remaining <= 0 then reset = max(reset, answer.reset) end
  end
  return remaining, reset
end

-- What is left, as whole units: half of one is none.
local function units(remaining) return ("%d"):format(remaining) end

-- Calls put(to, name, value) for each header of the client's.
local function tell(use, key, put, to)
  if use.silent then return end
  for _, one in ipairs(use.limits) do
    for _, window in ipairs(one.windows) do
      local _, answer = counter:look(key, window.rule, 0)
      put(to, window.limit_header, window.limit)
      put(to, window.remaining_header, units(answer.remaining))
    end
  end
end

-- A reply in the place of the service's has none of the headers that were set before.
local function refuse(ctx, use, key, one, reset)
  local headers = { ["Retry-After"] = ("%d"):format(max(ceil(reset), 1)) }
  one.refused:add()
  tell(use, key, rawset, headers)
  return ctx.response:error(429, one.detail, headers, one.problem)
end

function M.access(conf, ctx)
  local use = prepared[conf]
  local key = use.key(ctx)
  ctx.plugin.key = key
  for _, one in ipairs(use.limits) do
    local remaining, reset = left_of(one, key)
    if conf.block_on_first_violation and remaining <= 0 then return refuse(ctx, use, key, one, reset) end
    ctx.service.request:set_header(one.to_service, units(remaining))
  end
end

-- What the service says a request cost, by limit, in the order of the limits; what is no cost is passed over.
local function costs_of(use, text)
  local costs, parts = {}, 0
  for part in text:gmatch("[^,]+") do
    parts = parts + 1
    if parts > PARTS_MOST then break end
    local name, amount = part:match("^%s*([^%s=]+)%s*=%s*([-+]?[%d.]+)%s*$")
    local cost = amount and tonumber(amount)
    if cost and use.by_name[name] and cost >= -COST_MOST and cost <= COST_MOST then costs[name] = cost end
  end
  return costs
end

local function charge(use, key, costs)
  for _, one in ipairs(use.limits) do -- all of them first: a refusal takes nothing
    if (costs[one.name] or 0) > 0 then
      local remaining, reset = left_of(one, key)
      if remaining <= 0 then return one, reset end
    end
  end
  for name, cost in pairs(costs) do
    for _, window in ipairs(use.by_name[name].windows) do
      if cost ~= 0 then counter:adjust(key, window.rule, cost) end
    end
  end
end

-- What the service wrote, in one line; nil where it did not, or was not asked.
local function header_of(ctx, name)
  local from = ctx.service.response
  if not (from and from:get_header(name)) then return nil end
  local all = from:get_headers(HEADERS_MOST)[name:lower()]
  return type(all) == "table" and table.concat(all, ",") or all
end

function M.response(conf, ctx)
  local use, key = prepared[conf], ctx.plugin.key
  if not key then return end -- another plugin answered before this one's turn
  local text, over, reset = header_of(ctx, conf.header_name), nil, nil
  if text then
    ctx.response:clear_header(conf.header_name)
    over, reset = charge(use, key, costs_of(use, text))
  end
  if over then return refuse(ctx, use, key, over, reset) end
  tell(use, key, ctx.response.set_header, ctx.response)
end

return M
