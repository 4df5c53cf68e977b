--- What a request costs: numbers, expressions, and what is known afterwards only.
local gateway = require("moongate.spec")

local function open(config)
  config.window = config.window or 60
  return gateway.new { auto_advance = false, plugins = { { name = "rate-limiting", config = config } } }
end

local function remaining(res) return tonumber(res.headers.ratelimit:match(";r=(%d+)")) end

describe("a cost", function()
  it("is a number", function()
    local gw = open { limit = 10, cost = 4 }
    assert.equal(6, remaining(gw:get("/")))
    assert.equal(2, remaining(gw:get("/")))
    local res = gw:get("/")
    assert.equal(429, res.status)
    assert.equal(2, remaining(res))
  end)

  it("may be more than there can ever be: that is refused and takes nothing", function()
    local gw = open { limit = 10, cost = 11 }
    local res = gw:get("/")
    assert.equal(429, res.status)
    assert.equal(10, remaining(res))
    assert.is_truthy(tonumber(res.headers["retry-after"]))
  end)

  it("is an expression over the request", function()
    local gw = open { limit = 10, cost = 'request.method == "POST" and 5 or 1' }
    assert.equal(9, remaining(gw:get("/")))
    assert.equal(4, remaining(gw:post("/", { body = "x" })))
    gw = open { limit = 100, cost = "request.content_length or 1" }
    assert.equal(60, remaining(gw:post("/", { body = ("x"):rep(40) })))
    assert.equal(429, gw:post("/", { body = ("x"):rep(61) }).status)
  end)

  it("is 1 where the expression is no number from 0 on, so that nobody gives themselves something", function()
    local gw = open { limit = 100, cost = "request.headers.x_cost" }
    local left = 100
    for _, cost in ipairs { "-50", "nan", "abc", "-inf", "" } do
      left = left - 1
      assert.equal(left, remaining(gw:get("/", { headers = { ["X-Cost"] = cost } })), cost)
    end
    assert.equal(left - 7, remaining(gw:get("/", { headers = { ["X-Cost"] = "7" } })))
    assert.equal(429, gw:get("/", { headers = { ["X-Cost"] = "1e300" } }).status)
  end)

  it("may be 0", function()
    local gw = open { limit = 1, cost = 'request.method == "OPTIONS" and 0 or 1' }
    for _ = 1, 5 do
      assert.equal(200, gw:request("OPTIONS", "/").status)
    end
    assert.equal(200, gw:get("/").status)
    assert.equal(429, gw:get("/").status)
  end)
end)

describe("a cost of the response", function()
  local function answer(gw, headers, body)
    gw.upstream:reply(function() return { status = 200, headers = headers, body = body } end)
    return gw:get("/")
  end

  it("stands in a header, and puts right what was taken before", function()
    local gw = open { limit = 100, cost = 10, cost_from = { header = "X-Tokens" } }
    assert.equal(90, remaining(answer(gw, { ["X-Tokens"] = "35" }))) -- 65 are left
    assert.equal(55, remaining(answer(gw, { ["X-Tokens"] = "2" }))) -- 63
    assert.equal(53, remaining(answer(gw, {}))) -- 53: without it the estimate stands
    assert.equal(43, remaining(answer(gw, { ["X-Tokens"] = "-5" }))) -- 43, as with nonsense
    assert.equal(33, remaining(answer(gw, { ["X-Tokens"] = "1000" }))) -- more than there was
    local res = gw:get("/")
    assert.equal(429, res.status)
    assert.equal(0, remaining(res))
    gw.clock:advance(60)
    assert.equal(200, gw:get("/").status)
  end)

  it("may be its bytes", function()
    local gw = open { limit = 1000, cost_from = { bytes = "response" } }
    local res = answer(gw, {}, ("x"):rep(400))
    assert.has_header(res, "ratelimit-policy", '"minute";q=1000;qu="content-bytes";w=60')
    assert.equal(999, remaining(res))
    assert.equal(599, remaining(answer(gw, {}, ("x"):rep(700)))) -- 600 were left, now it is less than none
    res = answer(gw, {}, "x")
    assert.equal(429, res.status)
    assert.equal(0, remaining(res))
  end)

  it("may be the bytes of both bodies", function()
    local gw = open { limit = 1000, cost_from = { bytes = "both" } }
    gw.upstream:reply(function() return { status = 200, body = ("x"):rep(100) } end)
    gw:post("/", { body = ("y"):rep(50) })
    assert.equal(849, remaining(gw:get("/")))
  end)

  it("may be that of one limit of several", function()
    local gw = gateway.new {
      auto_advance = false,
      plugins = {
        {
          name = "rate-limiting",
          config = {
            limits = {
              { limit = 10, window = 60 },
              { limit = 1000, window = 3600, cost_from = { bytes = "response" } },
            },
          },
        },
      },
    }
    answer(gw, {}, ("x"):rep(400))
    assert.has_header(answer(gw, {}, "x"), "ratelimit", '"minute";r=8;t=60, "hour";r=599;t=3600')
  end)

  it("is put right when the client went away, too", function()
    local gw = open { limit = 1000, cost_from = { bytes = "response" } }
    gw.upstream:reply(function(_, up)
      up:head(200, { ["content-length"] = "500" })
      up:chunk(("x"):rep(300))
      up.never()
    end)
    local handle = gw:start("GET", "/")
    gw.clock:advance(0.1)
    handle:cancel()
    gw.clock:advance(1)
    gw.upstream:reply { status = 200, body = "" }
    assert.equal(699, remaining(gw:get("/")))
  end)
end)
