local cjson = require("cjson")
local gateway = require("moongate.spec")

describe("http-log", function()
  local function new(config, more)
    config.http_endpoint = config.http_endpoint or "http://logs.test/in?source=gw"
    local options = { plugins = { { name = "http-log", config = config } } }
    for name, value in pairs(more or {}) do
      options[name] = value
    end
    local gw = gateway.new(options)
    local logs = gw.upstreams["logs.test"]
    return gw,
      logs,
      function(count)
        gw:drive(function() return #logs.requests >= count end, "the log")
        return logs.requests
      end
  end

  it("posts what happened to each request as JSON", function()
    local gw, _, wait = new { headers = { ["X-Team"] = "blue" } }
    gw:get("/orders?page=2", { headers = { authorization = "Bearer secret" } })
    local request = wait(1)[1]
    assert.equal("POST", request.method)
    assert.equal("/in", request.path)
    assert.equal("application/json", request.headers["content-type"])
    assert.equal("logs.test", request.headers.host)
    assert.equal("blue", request.headers["x-team"])
    local line = cjson.decode(request.body)
    assert.equal("/orders?page=2", line.request.uri)
    assert.equal(200, line.response.status)
    assert.equal("REDACTED", line.request.headers.authorization)
  end)

  it("sends a user in the URL as basic authentication", function()
    local gw, _, wait = new { http_endpoint = "http://logger:pa%40ss@logs.test:8080/", method = "PUT" }
    gw:get("/")
    local request = wait(1)[1]
    assert.equal("PUT", request.method)
    assert.equal("Basic bG9nZ2VyOnBhQHNz", request.headers.authorization)
    assert.equal("logs.test:8080", request.headers.host)
  end)

  it("gathers batches as arrays, and does not wait for ever to fill one", function()
    local gw, _, wait = new { queue = { max_batch_size = 3, max_coalescing_delay = 2 } }
    for i = 1, 4 do
      gw:get("/" .. i)
    end
    local began = gw.clock:elapsed()
    local requests = wait(2)
    assert.equal(3, #cjson.decode(requests[1].body))
    local rest = cjson.decode(requests[2].body)
    assert.equal(1, #rest)
    assert.equal("/4", rest[1].request.uri)
    assert.near(2, gw.clock:elapsed() - began, 0.1)
  end)

  it("keeps its connection", function()
    local gw, logs, wait = new {}
    for i = 1, 5 do
      gw:get("/")
      wait(i)
    end
    assert.equal(1, logs.connections)
  end)

  it("tries again, at growing intervals, until the endpoint is back", function()
    local gw, logs, wait = new { queue = { initial_retry_delay = 0.1, max_retry_delay = 5 } }
    logs:refuse()
    for i = 1, 3 do
      gw:get("/" .. i)
    end
    gw.clock:advance(30)
    logs:refuse(false)
    local requests = wait(3)
    for i = 1, 3 do
      assert.equal("/" .. i, cjson.decode(requests[i].body).request.uri)
    end
    assert.is_true(gw.clock:elapsed() <= 36)
  end)

  it("loses a batch after its time, and says so", function()
    local gw, logs, wait = new { queue = { max_retry_time = 10 } }
    local answer = 503
    logs:reply(function() return answer end)
    gw:get("/lost")
    gw.clock:advance(20)
    answer = 200
    logs:forget()
    gw:get("/kept")
    assert.equal("/kept", cjson.decode(wait(1)[1].body).request.uri)
    assert.is_truthy(gw.log:find("it answers 503"))
    assert.is_truthy(gw.log:find("lost meanwhile: 1"))
  end)

  it("costs no request any time while the endpoint hangs, and holds only so much", function()
    local gw, logs = new { queue = { max_entries = 3, max_retry_time = -1 } }
    logs:reply(function(_, up) up:never() end)
    local began = gw.clock:elapsed()
    for i = 1, 10 do
      assert.equal(200, gw:get("/" .. i).status)
    end
    assert.equal(began, gw.clock:elapsed())
    gw.clock:advance(9) -- its timeout is 10 s
    assert.equal(1, #logs.requests)
    logs:reply {}
    gw.clock:advance(60)
    assert.equal(3, #logs.requests) -- what waited; the first was given up
    assert.equal("/2", cjson.decode(logs.requests[2].body).request.uri)
  end)

  it("loses nothing over a reload", function()
    local gw, logs, wait = new { queue = { max_batch_size = 100, max_coalescing_delay = 5 } }
    for i = 1, 3 do
      gw:get("/" .. i)
    end
    gw:reload()
    for i = 4, 6 do
      gw:get("/" .. i)
    end
    assert.equal(6, #cjson.decode(wait(1)[1].body))
    assert.equal(1, #logs.requests)
  end)

  describe("is refused", function()
    local function refused(config, reason)
      config.http_endpoint = config.http_endpoint or "http://logs.test/"
      local ok, why = pcall(gateway.new, { plugins = { { name = "http-log", config = config } } })
      assert.is_false(ok)
      assert.matches(reason, tostring(why))
    end

    it(
      "with what is no HTTP",
      function() refused({ http_endpoint = "ftp://logs.test/" }, "must begin with http:// or https://") end
    )

    it("with headers that the gateway writes", function()
      refused({ headers = { Host = "x" } }, "the gateway writes it itself")
      refused({ headers = { ["Content-Type"] = "x" } }, "the gateway writes it itself")
      refused({ headers = { ["Transfer-Encoding"] = "chunked" } }, "may not stand there")
    end)

    it(
      "with two authorizations",
      function()
        refused({ http_endpoint = "http://a:b@logs.test/", headers = { Authorization = "x" } }, "beside a user")
      end
    )

    it(
      "with Lua in it, by name",
      function()
        refused({ custom_fields_by_lua = { a = "return 1" } }, "custom_fields_by_lua.*not in this version")
      end
    )
  end)
end)
