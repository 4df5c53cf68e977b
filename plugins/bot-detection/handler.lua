--- Refuses crawlers and scrapers that say what they are.
local crawlers = require("bot-detection.crawlers")
local regex = require("moongate.regex")

local M = { version = "1.0.0", priority = 2500 }

-- What is remembered of each use: programs come again under the same name.
local MOST_AGENTS, LONGEST_AGENT = 1000, 512

-- [conf] = { allow, deny: lists of regexes; verdicts: [agent] = refused; count }
local uses = {}
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
    if found or (found == nil and unsure) then return true end
  end
  return false
end

local function is_refused(use, agent)
  if any(use.allow, agent, false) then return false end
  return any(use.deny, agent, true) or any(known, agent, true)
end

local function verdict(use, agent)
  local refused = use.verdicts[agent]
  if refused == nil then
    refused = is_refused(use, agent)
    if #agent <= LONGEST_AGENT then
      if use.count == MOST_AGENTS then
        use.verdicts, use.count = {}, 0
      end
      use.verdicts[agent], use.count = refused, use.count + 1
    end
  end
  return refused
end

function M.init(configs)
  known = { assert(regex.new(crawlers, "i")) }
  for _, conf in ipairs(configs) do
    uses[conf] = { allow = compile(conf.allow), deny = compile(conf.deny), verdicts = {}, count = 0 }
  end
end

function M.access(conf, ctx)
  local request = ctx.request
  local agent = request:get_header("user-agent")
  if not agent then
    return
  elseif request:count_header("user-agent") > 1 then
    return ctx.response:error(400, "more than one User-Agent")
  elseif verdict(uses[conf], agent) then
    return ctx.response:error(403, "bots are not welcome here")
  end
end

return M
