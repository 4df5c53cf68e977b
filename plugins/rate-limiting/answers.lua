--- The refusal of a request whose limits are exceeded.
local ceil, max, huge = math.ceil, math.max, math.huge

local M = {}

local PROBLEM = "https://iana.org/assignments/http-problem-types#quota-exceeded"
local TITLE = "Request cannot be satisfied as assigned quota has been exceeded"

--- What a problem says of the limits that were exceeded.
---@param names string[]
---@return table
function M.members(names) return { type = PROBLEM, title = TITLE, ["violated-policies"] = names } end

--- Whether it is this limit that refuses.
---@param answer table
---@return boolean
function M.is_over(answer)
  local allowed = answer.allowed
  return allowed == 0 or allowed == false
end

local is_over = M.is_over

local function exceeded(set, answers)
  local names = {}
  for i = 1, set.n do
    if is_over(answers[i]) then names[#names + 1] = set.limits[i].name end
  end
  return M.members(names)
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

--- Refuses a request.
---@param conf table
---@param response table  ctx.response
---@param set table       the limits, see uses.lua
---@param answers table[]
function M.refuse(conf, response, set, answers)
  local members = set.n == 1 and set.limits[1].members or exceeded(set, answers)
  response:set_header("Retry-After", wait(set, answers))
  return response:error(conf.error_code, conf.error_message, nil, members)
end

return M
