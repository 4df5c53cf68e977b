local within = require("support.inside")

local INIT = [[own.c = m.limit.counter("c", { size = "64k" })]]

local function inside(body, options)
  options = options or {}
  options.init = options.init or INIT
  return within(body, options)
end

describe("moongate.limit", function()
  it(
    "takes what there is, then says how long to wait, and goes on after that",
    function()
      assert.same({ "true", "2", "true", "1", "false", "0", "0.5", "1", "true", "1" }, {
        inside [[
      local rule = m.limit.rule { algorithm = "token-bucket", capacity = 3, refill_rate = 2 }
      local first, answer = own.c:take("k", rule)
      local left = answer.remaining
      local second, answer = own.c:take("k", rule)
      local less = answer.remaining
      own.c:take("k", rule)
      local third, answer = own.c:take("k", rule)
      local none, wait, reset = answer.remaining, answer.retry_after, answer.reset - 0.5
      ctx:sleep(1)
      local again, answer = own.c:take("k", rule)
      return first, left, second, less, third, none, wait, reset, again, answer.remaining]],
      })
    end
  )

  it(
    "takes all of several costs or none",
    function()
      assert.same({ "true", "false", "1", "0", "1", "9" }, {
        inside [[
      local few = m.limit.rule { limit = 2, window = 60 }
      local many = m.limit.rule { limit = 10, window = "hour" }
      local asks = { { "a", few, 2 }, { "b", many } }
      local ok = own.c:take_all(asks)
      asks[2][3] = 5
      local again, answers = own.c:take_all(asks)
      local _, left = own.c:look("b", many)
      return ok, again, answers[2].allowed, answers[1].allowed, 1, left.remaining]],
      })
    end
  )
end)
