--- Limits of which one is a leaky bucket that requests wait in. The others are taken first, so that nobody waits for
--- what would be refused, and are given back when the queue is full.
local M = {}

-- What the counter answers is used again while the request waits.
local function copy(answer)
  return {
    allowed = answer.allowed,
    remaining = answer.remaining,
    reset = answer.reset,
    retry_after = answer.retry_after,
  }
end

--- Takes from all, or from none. Waits.
---@param counter table
---@param set table    see uses.lua; `set.shaper` is the place of the one that waits
---@param keys string[]
---@param costs number[]
---@return boolean allowed
---@return table[] answers
function M.take(counter, set, keys, costs)
  local limits, shaper, asks, answers = set.limits, set.shaper, {}, {}
  for i = 1, set.n do
    if i ~= shaper then asks[#asks + 1] = { keys[i], limits[i].rule, costs[i] } end
  end
  local allowed = true
  if asks[1] then
    local taken
    allowed, taken = counter:take_all(asks)
    for i, answer in ipairs(taken) do
      answers[i < shaper and i or i + 1] = copy(answer)
    end
  end
  local rule, key, cost = limits[shaper].rule, keys[shaper], costs[shaper]
  if not allowed then
    local _, answer = counter:look(key, rule, cost)
    answers[shaper] = copy(answer)
    return false, answers
  end
  local passed, answer = counter:queue(key, rule, cost)
  answers[shaper] = copy(answer)
  answers[shaper].allowed = passed
  if not passed then
    for _, ask in ipairs(asks) do
      counter:adjust(ask[1], ask[2], -ask[3])
    end
  end
  return passed, answers
end

return M
