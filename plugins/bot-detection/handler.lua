--- Refuses crawlers and scrapers that say what they are.
local crawlers = require("bot-detection.crawlers")
local regex = require("moongate.regex")

local M = { version = "1.0.0", priority = 2500 }

-- [conf] = { allow, deny }: lists of regexes.
local lists = {}
local known

local function compile(patterns)
  local list = {}
  for i, pattern in ipairs(patterns) do
    list[i] = assert(regex.new(pattern))
  end
  return list
end

--- Whether one of them matches; what would take too long to know counts as `unsure`.
local function any(list, agent, unsure)
  for i = 1, #list do
    local found = list[i]:test(agent)
    if found or (found == nil and unsure) then
      return true
    end
  end
  return false
end

function M.init(configs)
  known = { assert(regex.new(crawlers, "i")) }
  for _, conf in ipairs(configs) do
    lists[conf] = { allow = compile(conf.allow), deny = compile(conf.deny) }
  end
end

function M.access(conf, ctx)
  local request, list = ctx.request, lists[conf]
  local agent = request:get_header("user-agent")
  if not agent then
    return
  elseif request:count_header("user-agent") > 1 then
    return ctx.response:error(400, "more than one User-Agent")
  elseif any(list.allow, agent, false) then
    return
  elseif any(list.deny, agent, true) or any(known, agent, true) then
    return ctx.response:error(403, "bots are not welcome here")
  end
end

return M
