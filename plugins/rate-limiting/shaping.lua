--- Takes from limits that may have to wait: because their store is elsewhere, or because one of them is a leaky bucket
--- with a queue. That one comes last, so that nobody waits for what would be refused; when its queue is full, what was
--- taken from the others is given back.
local M = {}

-- What a counter answers is used again while the request waits.
local function copy(answer)
  return {
    allowed = answer.allowed,
    remaining = answer.remaining,
    reset = answer.reset,
    retry_after = answer.retry_after,
  }
end

local function asks_of(set, keys, costs)
  local asks = {}
  for i = 1, set.n do
    if i ~= set.shaper then asks[#asks + 1] = { keys[i], set.limits[i].rule, costs[i] } end
  end
  return asks
end

local function give_back(counter, asks)
  for _, ask in ipairs(asks) do
    counter:adjust(ask[1], ask[2], -ask[3])
  end
end

-- The queue, behind what was taken of the others; its answer goes to its place among theirs.
local function wait_in_line(counter, set, key, cost, asks, taken)
  local shaper, rule = set.shaper, set.limits[set.shaper].rule
  local answers = {}
  for i, answer in ipairs(taken.list) do
    answers[i < shaper and i or i + 1] = copy(answer)
  end
  if not taken.allowed then
    answers[shaper] = { allowed = true, remaining = rule.limit, reset = 0, retry_after = 0 } -- nobody asked the queue
    return false, answers
  end
  local allowed, answer = counter:queue(key, rule, cost)
  answers[shaper] = copy(answer)
  answers[shaper].allowed = allowed
  if not allowed then give_back(counter, asks) end
  return allowed, answers
end

--- Takes from all, or from none. Waits.
---@param counter table
---@param set table    see uses.lua; `set.shaper` is the place of the one with a queue
---@param keys string[]
---@param costs number[]
---@return boolean allowed
---@return table[] answers
---@return string? reason  "unavailable": nobody knows
function M.take(counter, set, keys, costs)
  local asks = asks_of(set, keys, costs)
  local allowed, list, reason = true, {}, nil
  if asks[1] then
    allowed, list, reason = counter:take_all(asks)
  end
  if not set.shaper or reason == "unavailable" then return allowed, list, reason end
  local taken = { allowed = allowed, list = list }
  return wait_in_line(counter, set, keys[set.shaper], costs[set.shaper], asks, taken)
end

return M
