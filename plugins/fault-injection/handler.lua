--- Delays or refuses a share of the requests, to see what clients do then.
local metrics = require("moongate.metrics")

local M = { version = "1.0.0", priority = 11 }

local faults
local waiting = {} -- [conf] = how many

function M.init(configs)
  faults = metrics.counter {
    name = "faults",
    about = "Faults that were injected.",
    labels = { "route", "kind" },
  }
  for _, conf in ipairs(configs) do
    waiting[conf] = 0
  end
end

local function concerns(conf, ctx)
  for name, value in pairs(conf.headers or {}) do
    if ctx.request:get_header(name) ~= value then return false end
  end
  return true
end

local function falls_on(percentage) return percentage > 0 and math.random() * 100 < percentage end

local function count(ctx, kind)
  local route = ctx.router:get_route()
  faults:add(1, route and (route.name or route.id) or "", kind)
end

local function delay(conf, ctx)
  if waiting[conf] >= conf.delay.max_concurrent then return count(ctx, "delay_skipped") end
  waiting[conf] = waiting[conf] + 1
  ctx.shared.fault_injection = conf
  count(ctx, "delay")
  ctx:sleep(conf.delay.time)
  waiting[conf] = waiting[conf] - 1
  ctx.shared.fault_injection = nil
end

function M.access(conf, ctx)
  if conf.delay.percentage == 0 and conf.abort.percentage == 0 then return end
  if not concerns(conf, ctx) then return end
  if falls_on(conf.delay.percentage) then delay(conf, ctx) end
  if falls_on(conf.abort.percentage) then
    count(ctx, "abort")
    return ctx.response:error(conf.abort.status, conf.abort.message)
  end
end

-- A client that went away while it waited.
function M.log(conf, ctx)
  if ctx.shared.fault_injection == conf then
    waiting[conf] = waiting[conf] - 1
    ctx.shared.fault_injection = nil
  end
end

return M
