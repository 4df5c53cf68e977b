--- What clients are told, to the byte, and refusals before the body is read.
local gateway = require("moongate.spec")

local function open(config, more)
  local spec = { auto_advance = false, plugins = { { name = "rate-limiting", config = config } } }
  for key, value in pairs(more or {}) do
    spec[key] = value
  end
  return gateway.new(spec)
end

-- The lines of a response that speak of limits, as they came.
local function told(res)
  local lines = {}
  for _, line in ipairs(res.lines) do
    local name = line[1]:lower()
    if name:find("ratelimit") or name == "retry-after" then lines[#lines + 1] = line[1] .. ": " .. line[2] end
  end
  table.sort(lines)
  return lines
end

describe("the headers of a limit", function()
  it("are the draft's where nothing is said", function()
    local gw = open { limit = 2, window = 60 }
    gw.clock:advance(12.5)
    assert.same({ 'ratelimit-policy: "minute";q=2;w=60', 'ratelimit: "minute";r=1;t=48' }, told(gw:get("/")))
    gw:get("/")
    assert.same(
      { 'ratelimit-policy: "minute";q=2;w=60', 'ratelimit: "minute";r=0;t=48', "retry-after: 48" },
      told(gw:get("/"))
    )
  end)

  it("are Kong's where headers says legacy", function()
    local gw = open { minute = 2, hour = 5, headers = "legacy" }
    gw.clock:advance(12)
    assert.same({
      "ratelimit-limit: 2",
      "ratelimit-remaining: 1",
      "ratelimit-reset: 48",
      "x-ratelimit-limit-hour: 5",
      "x-ratelimit-limit-minute: 2",
      "x-ratelimit-remaining-hour: 4",
      "x-ratelimit-remaining-minute: 1",
    }, told(gw:get("/")))
  end)

  it("are both, or none, where they are told to be; a refusal always says when", function()
    local both = told(open({ limit = 2, window = 1, headers = "both" }):get("/"))
    assert.equal(7, #both)
    for _, config in ipairs { { headers = "off" }, { hide_client_headers = true } } do
      config.limit, config.window = 1, 60
      local gw = open(config)
      assert.same({}, told(gw:get("/")))
      assert.same({ "retry-after: 60" }, told(gw:get("/")))
    end
  end)

  it("name several limits in one line, in their order", function()
    local gw = open {
      limits = {
        { limit = 3, window = 10, name = "burst" },
        { limit = 100, window = "day" },
        { limit = 1000, window = "month" },
        { algorithm = "token-bucket", capacity = 10, refill_rate = 4 },
      },
    }
    assert.same({
      'ratelimit-policy: "burst";q=3;w=10, "day";q=100;w=86400, "month";q=1000, "bucket";q=10;w=3',
      'ratelimit: "burst";r=2;t=10, "day";r=99;t=86400, "month";r=999;t=2678400, "bucket";r=9;t=1',
    }, told(gw:get("/")))
  end)

  it("take the place of those that a service sends", function()
    local gw = open { limit = 2, window = 60 }
    gw.upstream:reply(function() return { status = 200, headers = { RateLimit = "x", ["X-Other"] = "y" } } end)
    local res = gw:get("/")
    assert.has_header(res, "ratelimit", '"minute";r=1;t=60')
    assert.has_header(res, "x-other", "y")
  end)

  it("stand on answers of the gateway's own, too", function()
    local gw = open { limit = 2, window = 60 }
    gw.upstream:reply(function(_, up) up:close() end)
    local res = gw:post("/", { body = "x" })
    assert.equal(502, res.status)
    assert.has_header(res, "ratelimit", '"minute";r=1;t=60')
  end)
end)

describe("a refusal", function()
  it("is a problem of the draft's type that names what was exceeded", function()
    local gw =
      open { limits = { { limit = 1, window = 60 }, { limit = 1, window = 3600 }, { limit = 9, window = 1 } } }
    gw:get("/")
    local res = gw:get("/x")
    local problem = res:json()
    assert.equal("application/problem+json", res.headers["content-type"])
    assert.same({
      type = "https://iana.org/assignments/http-problem-types#quota-exceeded",
      title = "Request cannot be satisfied as assigned quota has been exceeded",
      status = 429,
      detail = "API rate limit exceeded",
      instance = "/x",
      correlationId = problem.correlationId,
      reason = "too_many_requests",
      ["violated-policies"] = { "minute", "hour" },
    }, problem)
    assert.has_header(res, "retry-after", "3600") -- when all of them let it pass
  end)

  it("has the status and the words it is given", function()
    local gw = open { limit = 1, window = 60, error_code = 503, error_message = "later" }
    gw:get("/")
    local res = gw:get("/")
    assert.is_problem(res, 503)
    assert.equal("later", res:json().detail)
    assert.has_header(res, "retry-after", "60")
  end)

  it("takes from no limit when one refuses", function()
    local gw =
      open { limits = { { limit = 5, window = 60 }, { limit = 1, window = 10, limit_by = { header = "X-A" } } } }
    local function ask(who) return gw:get("/", { headers = { ["X-A"] = who } }) end
    assert.equal(200, ask("a").status)
    for _ = 1, 10 do
      assert.equal(429, ask("a").status)
    end
    for i = 1, 4 do
      assert.equal(200, ask("b" .. i).status)
    end
    local res = ask("c")
    assert.equal(429, res.status)
    assert.same({ "minute" }, res:json()["violated-policies"])
    gw.clock:advance(50)
    assert.equal(429, ask("c").status) -- c's own limit was not touched …
    gw.clock:advance(10)
    assert.equal(200, ask("c").status)
  end)

  it("never comes when a limit has not been reached, nor passes a request twice", function()
    local gw = open { limit = 10, window = 60 }
    local handles, passed = {}, 0
    for i = 1, 25 do
      handles[i] = gw:start("GET", "/")
    end
    for _, handle in ipairs(handles) do
      if handle:wait().status == 200 then passed = passed + 1 end
    end
    assert.equal(10, passed)
  end)
end)

describe("2.6 (6) a refusal before the body is read", function()
  local function refused(gw, head)
    local conn = gw:connect()
    conn:write(head)
    return conn, conn:response("POST")
  end

  local function used_up()
    local gw = open({ limit = 1, window = 10 }, { wire = true })
    gw:get("/")
    return gw
  end

  it("comes without 100 to who expects one, and the connection serves on", function()
    local gw = used_up()
    local conn, res =
      refused(gw, "POST / HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
    assert.equal(429, res.status)
    assert.has_header(res, "retry-after", "10")
    assert.is_nil(conn:read():find("100 Continue", 1, true))
    conn:close()
    assert.equal(0, gw:counts().requests)
  end)

  it("comes while a large body has hardly begun; the connection then ends", function()
    local gw = used_up()
    local conn, res = refused(gw, "POST / HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 10000000\r\n\r\nsome")
    assert.equal(429, res.status)
    gw.clock:advance(2)
    assert.is_true(conn.ended)
  end)

  it("leaves the connection to the next request when the body is small", function()
    local gw = used_up()
    local conn, res = refused(gw, "POST / HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 4\r\n\r\n")
    assert.equal(429, res.status)
    conn:write("body")
    gw.clock:advance(10)
    conn:write("GET / HTTP/1.1\r\nHost: gateway.test\r\n\r\n")
    assert.equal(200, conn:response("GET").status)
  end)
end)
