--- The headers that tell clients of their limits. They stand on every response, so that what never changes is made
--- once, and what changes is written in C.
---
---     local told = limit_headers.new { { name = "minute", quota = 100, period = 60 } }
---     limit_headers.STYLES.draft(ctx, told, answers)
local ffi = require("ffi")
local check = require("moongate.pdk.check")

local C = require("moongate.cdef")
local enter, ACCESS = check.enter, check.ACCESS

local M = {}

local function whole(number) return ("%.0f"):format(math.floor(number)) end

-- "minute";q=100;w=60
local function policy_of(limit)
  local text = ('"%s";q=%s'):format(limit.name, whole(limit.quota))
  if limit.unit then text = ('%s;qu="%s"'):format(text, limit.unit) end
  if limit.period then text = text .. ";w=" .. whole(math.max(math.ceil(limit.period), 1)) end
  return text
end

local function keep(held, entry, field, text)
  held[#held + 1] = text -- C only borrows it
  entry[field], entry[field .. "_len"] = text, #text
end

--- What clients are told of a list of limits.
---@param limits { name: string, quota: number, period: number?, unit: string? }[]  period: seconds, where it is
---  always the same; unit: of the quota, where it is not requests ("content-bytes")
---@return table told
function M.new(limits)
  local held, policies = {}, {}
  local list = ffi.new("struct gw_pdk_told[?]", math.max(#limits, 1))
  for i, limit in ipairs(limits) do
    local name = limit.name:lower()
    policies[i] = policy_of(limit)
    keep(held, list[i - 1], "lead", ('"%s";r='):format(limit.name))
    keep(held, list[i - 1], "quota", whole(limit.quota))
    keep(held, list[i - 1], "limit_name", "x-ratelimit-limit-" .. name)
    keep(held, list[i - 1], "remaining_name", "x-ratelimit-remaining-" .. name)
  end
  return { list = list, n = #limits, policy = table.concat(policies, ", "), held = held }
end

local function fill(told, answers)
  local list = told.list
  for i = 1, told.n do
    local answer, entry = answers[i], list[i - 1]
    entry.remaining, entry.reset = answer.remaining, answer.reset
  end
  return list
end

local function draft(ctx, told, answers)
  local h = enter(ctx, "limit_headers.draft", ACCESS)
  C.gw_pdk_tell_limits(h, told.policy, #told.policy, fill(told, answers), told.n)
end

local function legacy(ctx, told, answers)
  C.gw_pdk_tell_limits_legacy(enter(ctx, "limit_headers.legacy", ACCESS), fill(told, answers), told.n)
end

local function both(ctx, told, answers)
  draft(ctx, told, answers)
  legacy(ctx, told, answers)
end

--- What there is to tell, and how. `draft`: RateLimit-Policy and RateLimit of the IETF's draft; `legacy`:
--- RateLimit-Limit, -Remaining and -Reset of the nearest limit, and X-RateLimit-Limit-NAME and
--- X-RateLimit-Remaining-NAME of each.
---@type table<string, fun(ctx: table, told: table, answers: { remaining: number, reset: number }[])>
M.STYLES = { draft = draft, legacy = legacy, both = both }

return M
