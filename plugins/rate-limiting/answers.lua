--- The refusal of a request whose limits are exceeded.
local problem = require("moongate.problem")

local ceil, max, huge = math.ceil, math.max, math.huge

local M = {}

local TYPE = "https://iana.org/assignments/http-problem-types#quota-exceeded"
local TITLE = "Request cannot be satisfied as assigned quota has been exceeded"

--- Whether it is this limit that refuses.
---@param answer table
---@return boolean
function M.is_over(answer)
  local allowed = answer.allowed
  return allowed == 0 or allowed == false
end

local is_over = M.is_over

-- What is said of those that are exceeded, made once for each combination of them.
local function problem_of(set, answers)
  local which = 0
  for i = 1, set.n do
    if is_over(answers[i]) then which = which + 2 ^ i end
  end
  local made = set.problems[which]
  if made then return made end
  local names = {}
  for i = 1, set.n do
    if is_over(answers[i]) then names[#names + 1] = set.limits[i].name end
  end
  made = assert(problem.new { type = TYPE, title = TITLE, ["violated-policies"] = names })
  set.problems[which] = made
  return made
end

-- When all of them would let it pass. What never can is told to come when all there is is back.
local function wait(set, answers)
  local longest = 0
  for i = 1, set.n do
    local answer = answers[i]
    if is_over(answer) then
      local own = answer.retry_after
      longest = max(longest, own < huge and own or answer.reset)
    end
  end
  return max(ceil(longest), 1)
end

--- Who asks, for people: the consumer, and the client's address.
---@param ctx table
---@return string
function M.who(ctx)
  local consumer = ctx.client:get_consumer()
  local name = consumer and (consumer.username or consumer.custom_id or consumer.id)
  local address = ctx.client:get_forwarded_ip()
  return name and ("%s at %s"):format(name, address) or address
end

--- The names of the limits that have no room.
---@return string
function M.over(set, answers)
  local names = {}
  for i = 1, set.n do
    if is_over(answers[i]) then names[#names + 1] = set.limits[i].name end
  end
  return table.concat(names, ", ")
end

--- Refuses a request.
---@param conf table
---@param response table  ctx.response
---@param set table       the limits, see uses.lua
---@param answers table[]
function M.refuse(conf, response, set, answers)
  response:set_header("Retry-After", wait(set, answers))
  return response:error(conf.error_code, conf.error_message, nil, problem_of(set, answers))
end

local UNAVAILABLE = assert(problem.new { reason = "limits_unavailable" })

--- Refuses a request of which nobody knows whether its limits are exceeded.
---@param response table  ctx.response
function M.refuse_unavailable(response)
  response:set_header("Retry-After", 1)
  return response:error(503, "the counters of limits cannot be asked now", nil, UNAVAILABLE)
end

return M
