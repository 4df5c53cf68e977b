--- The part of freeze.lua that says what happens when services fail: breakers and retries.
local native = require("moongate.config.native")
local put = require("moongate.config.put")

local C = native.available and require("moongate.cdef") or nil

local M = {}

function M.put_breaker(build, breaker, given)
  breaker.failure_threshold, breaker.failure_ratio = given.failure_threshold, given.failure_ratio
  breaker.minimum_volume, breaker.window_us = given.minimum_volume, put.us(given.window)
  breaker.call_timeout_us = put.us(given.call_timeout)
  breaker.half_open_after_us = put.us(given.half_open_after)
  breaker.half_open_after_max_us = put.us(given.half_open_after_max)
  breaker.half_open_timeout_us = put.us(given.half_open_timeout)
  breaker.half_open_requests, breaker.success_threshold = given.half_open_requests, given.success_threshold
  for status = 500, 599 do
    breaker.statuses[status] = not given.failure_statuses
  end
  for _, status in ipairs(given.failure_statuses or {}) do
    breaker.statuses[status] = true
  end
  local fallback = given.fallback or {}
  breaker.fallback_status = fallback.status or 0
  put.texts(build, breaker, {
    fallback_upstream = fallback.upstream,
    fallback_body = fallback.body,
    fallback_type = fallback.content_type,
  })
end

local RETRY_ON = { connect = 1, refused = 2, reset = 4, timeout = 8 } -- enum gw_retry_on

function M.put_retry(build, retry, given)
  retry.per_try_timeout_us = put.us(given.per_try_timeout)
  retry.backoff_base_us, retry.backoff_max_us = put.us(given.backoff.base), put.us(given.backoff.max)
  retry.retry_after_max_us, retry.replay = put.us(given.retry_after), given.replay
  retry.budget_ratio, retry.budget_min = given.budget.ratio, given.budget.min
  for _, what in ipairs(given.on) do
    retry.on = retry.on + RETRY_ON[what]
  end
  for _, status in ipairs(given.statuses) do
    retry.statuses[status] = true
  end
  local methods = C.gw_build_retry_methods(build, retry, #given.methods)
  for i, method in ipairs(given.methods) do
    methods[i - 1].ptr, methods[i - 1].len = C.gw_build_text(build, method, #method), #method
  end
end

return M
