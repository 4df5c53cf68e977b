local gateway = require("moongate.spec")

-- `cost` is what the service says of each request; a function of the request, or a text.
local function open(config, cost, more)
  local gw = gateway.new {
    plugins = { { name = "response-ratelimiting", config = config }, more },
  }
  gw.upstream:reply(function(req)
    local text = type(cost) == "function" and cost(req) or cost
    return { body = "made", headers = { ["x-kong-limit"] = text } }
  end)
  return gw
end

local function remaining(res, name, period) return res.headers["x-ratelimit-remaining-" .. name .. "-" .. period] end

describe("response-ratelimiting", function()
  it("counts what the service says, and refuses its answer when nothing is left", function()
    local gw = open({ limits = { video = { minute = 5 }, image = { minute = 2, hour = 3 } } }, "video=2, image=1")
    local res = gw:get("/")
    assert.equal(200, res.status)
    assert.is_nil(res.headers["x-kong-limit"])
    assert.equal("5", res.headers["x-ratelimit-limit-video-minute"])
    assert.same({ "3", "1", "2" }, {
      remaining(res, "video", "minute"),
      remaining(res, "image", "minute"),
      remaining(res, "image", "hour"),
    })
    assert.equal(200, gw:get("/").status)
    res = gw:get("/")
    assert.equal(429, res.status)
    assert.equal("application/problem+json", res.headers["content-type"])
    assert.equal("API rate limit exceeded for 'image'", res:json().detail)
    assert.same({ "image" }, res:json()["violated-policies"])
    assert.equal("60", res.headers["retry-after"])
    assert.equal("1", remaining(res, "video", "minute")) -- a refusal takes nothing
    assert.is_nil(res.headers["x-kong-limit"])
    gw.clock:advance(60)
    res = gw:get("/")
    assert.equal(200, res.status)
    assert.same({ "1", "0" }, { remaining(res, "image", "minute"), remaining(res, "image", "hour") })
  end)

  it("lets pass what costs nothing though nothing is left", function()
    local gw = open(
      { limits = { video = { minute = 1 } } },
      function(req) return req.path == "/costly" and "video=1" or nil end
    )
    assert.equal(200, gw:get("/costly").status)
    assert.equal(429, gw:get("/costly").status)
    assert.equal(200, gw:get("/free").status)
    assert.equal(3, #gw.upstream.requests)
  end)

  it("asks no service any more with block_on_first_violation", function()
    local gw = open({ limits = { video = { minute = 1 } }, block_on_first_violation = true }, "video=1")
    assert.equal(200, gw:get("/").status)
    local res = gw:get("/")
    assert.equal(429, res.status)
    assert.equal("0", remaining(res, "video", "minute"))
    assert.equal(1, #gw.upstream.requests)
  end)

  it("tells the service what is left", function()
    local gw = open({ limits = { video = { minute = 5, hour = 100 } } }, "video=2")
    gw:get("/")
    gw:get("/", { headers = { ["X-RateLimit-Remaining-video"] = "1000" } })
    assert.equal("3", gw.upstream.last_request.headers["x-ratelimit-remaining-video"])
  end)

  it("hides all of it from clients where it should", function()
    local gw = open({ limits = { video = { minute = 1 } }, hide_client_headers = true }, "video=1")
    for _, status in ipairs { 200, 429 } do
      local res = gw:get("/")
      assert.equal(status, res.status)
      assert.is_nil(remaining(res, "video", "minute"))
      assert.is_nil(res.headers["x-kong-limit"])
    end
  end)

  it("gives back what a service says, and takes more than there is only once", function()
    local gw = open({ limits = { video = { minute = 5 } } }, function(req) return "video=" .. req.path:sub(2) end)
    assert.equal("0", remaining(gw:get("/9"), "video", "minute"))
    assert.equal(429, gw:get("/1").status)
    assert.equal("1", remaining(gw:get("/-5"), "video", "minute"))
    assert.equal(200, gw:get("/1").status)
  end)

  it("counts each client for itself", function()
    local gw = open({ limits = { video = { minute = 1 } } }, "video=1")
    assert.equal(200, gw:get("/", { from = "192.0.2.1" }).status)
    assert.equal(429, gw:get("/", { from = "192.0.2.1" }).status)
    assert.equal(200, gw:get("/", { from = "192.0.2.2" }).status)
    assert.equal(200, gw:get("/", { from = "2001:db8::1" }).status)
    assert.equal(429, gw:get("/", { from = "2001:db8::2" }).status)
  end)

  it("passes over what is no cost", function()
    local texts = {
      "video=",
      "video=1e999",
      "video=nan",
      "video=1=1",
      "other=3",
      "=3",
      ",,,",
      "video",
      ("x=1,"):rep(100) .. "video=3",
      "video=" .. ("9"):rep(400),
      'video="1"',
    }
    for _, text in ipairs(texts) do
      local res = open({ limits = { video = { minute = 5 } } }, text):get("/")
      assert.same({ 200, "5" }, { res.status, remaining(res, "video", "minute") }, text)
    end
  end)

  it("adds up headers that stand there twice, the last of a name counts", function()
    local gw = gateway.new {
      plugins = {
        { name = "response-ratelimiting", config = { limits = { a = { minute = 9 }, b = { minute = 9 } } } },
      },
    }
    gw.upstream:reply { headers = { ["X-Kong-Limit"] = { "a=1", "b=2, a=3" } } }
    local res = gw:get("/")
    assert.same({ "6", "7" }, { remaining(res, "a", "minute"), remaining(res, "b", "minute") })
  end)

  it("says what is wrong with its configuration", function()
    local function problem(config)
      local ok, why = pcall(open, config, "")
      assert.is_false(ok)
      return tostring(why)
    end
    assert.matches("limits.- is required", problem {})
    assert.matches(
      "minute.- %(5%) must not be below second %(10%)",
      problem { limits = { a = { second = 10, minute = 5 } } }
    )
    assert.matches("needs at least one of second", problem { limits = { a = {} } })
    assert.matches('did you mean "minute"', problem { limits = { a = { minutes = 5 } } })
    assert.matches(
      '"redis" is known, not in this version',
      problem { limits = { a = { minute = 5 } }, policy = "redis" }
    )
  end)
end)
