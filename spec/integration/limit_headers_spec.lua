--- What clients are told of limits, by moongate.limit_headers.
local gateway = require("moongate.spec")

local function told(style, limits, answers)
  local made
  local gw = gateway.new {
    plugins = {
      function(_, ctx)
        local limit_headers = require("moongate.limit_headers")
        made = made or limit_headers.new(limits)
        limit_headers.STYLES[style](ctx, made, answers)
      end,
    },
  }
  local lines = {}
  for _, line in ipairs(gw:get("/").lines) do
    if line[1]:find("ratelimit") then lines[#lines + 1] = line[1] .. ": " .. line[2] end
  end
  return lines
end

describe("limit_headers", function()
  local limits = {
    { name = "minute", quota = 100, period = 60 },
    { name = "Month", quota = 10000.7 },
    { name = "bytes", quota = 1e12, period = 0.25, unit = "content-bytes" },
  }
  local answers = {
    { remaining = 42.9, reset = 17.01 },
    { remaining = -3, reset = 0 },
    { remaining = 1e18, reset = 1 / 0 },
  }

  it(
    "write the draft's, numbers as structured fields can have them",
    function()
      assert.same({
        'ratelimit-policy: "minute";q=100;w=60, "Month";q=10000, "bytes";q=1000000000000;qu="content-bytes";w=1',
        'ratelimit: "minute";r=42;t=18, "Month";r=0;t=0, "bytes";r=999999999999999;t=999999999999999',
      }, told("draft", limits, answers))
    end
  )

  it(
    "write the older ones, of the nearest limit and of each",
    function()
      assert.same({
        "x-ratelimit-limit-minute: 100",
        "x-ratelimit-remaining-minute: 42",
        "x-ratelimit-limit-month: 10000",
        "x-ratelimit-remaining-month: 0",
        "x-ratelimit-limit-bytes: 1000000000000",
        "x-ratelimit-remaining-bytes: 999999999999999",
        "ratelimit-limit: 10000",
        "ratelimit-remaining: 0",
        "ratelimit-reset: 0",
      }, told("legacy", limits, answers))
    end
  )

  it("write both", function() assert.equal(2 + 5, #told("both", { limits[1] }, { answers[1] })) end)

  it(
    "make numbers of what is none",
    function()
      assert.equal(
        'ratelimit: "minute";r=0;t=0',
        told("draft", { limits[1] }, { { remaining = 0 / 0, reset = 0 / 0 } })[2]
      )
    end
  )
end)
