-- gRPC through the real binary: @grpc/grpc-js on both sides.
local cjson = require("cjson")
local grpc = require("support.grpc")
local moongate = require("support.moongate")
local wire = require("support.wire")

local YAML = [[
workers: 1
listeners:
  - address: 127.0.0.1:0
    http2: true
consumers:
  - username: ada
    credentials: { key-auth: [{ key: secret }] }
services:
  - name: calls
    url: grpc://127.0.0.1:{{up}}
    routes:
      - { name: calls, protocols: [grpc], paths: [/spec.Calls, /late.Calls] }
      - name: short
        protocols: [grpc]
        paths: [/short.Calls]
        limits: { total_timeout: 200ms }
      - name: closed
        protocols: [grpc]
        paths: [/closed.Calls]
        plugins: [{ name: key-auth }]
      - name: small
        protocols: [grpc]
        paths: [/small.Calls]
        limits: { body: 100b }
      - name: told
        protocols: [grpc]
        paths: [/told.Calls]
        plugins:
          - name: pre-function
            config:
              access:
                - |
                  local ctx = ...
                  local how = ctx.request:get_header("x-how")
                  if how == "text" then return ctx.response:exit(403, "no: 100 %") end
                  if how == "table" then return ctx.response:exit(429, { message = "slow down" }) end
                  if how == "problem" then return ctx.response:error(401, "who are you?") end
                  if how == "own" then
                    return ctx.response:exit(200, nil, { ["grpc-status"] = "9", ["grpc-message"] = "mine" })
                  end
                  error("broken")
      - { name: any, paths: [/any.Calls], strip_path: false }
  - name: quiet
    url: grpc://127.0.0.1:{{up}}
    grpc_idle_timeout: 300ms
    routes: [{ name: quiet, protocols: [grpc], paths: [/quiet.Calls] }]
  - name: seen
    url: http://127.0.0.1:{{seen}}
    http2: true
    routes: [{ name: seen, paths: [/seen.Calls], strip_path: false }]
  - name: nobody
    url: grpc://127.0.0.1:1
    retries: 0
    routes: [{ name: nobody, protocols: [grpc], paths: [/nobody.Calls] }]
]]

local gw, service, hanging

local ready, why = grpc.ready()
local describe_grpc = ready and describe or pending

local function ask(calls) return grpc.ask(gw.port, calls) end
local function one(call) return ask({ call })[1] end

-- The last line of a method, once there are so many of it.
local function logged(path, count)
  local found
  wire.wait(function()
    found = {}
    for _, line in ipairs(gw:access_log()) do
      if line.path == path then found[#found + 1] = line end
    end
    return #found >= (count or 1)
  end, 10)
  return found[#found]
end

describe_grpc("gRPC" .. (why and (" (" .. why .. ")") or ""), function()
  setup(function()
    service, hanging = grpc.service(), grpc.service("h2.js")
    gw = moongate.start { yaml = YAML, vars = { up = service.port, seen = hanging.port } }
  end)

  teardown(function()
    gw:stop()
    service:stop()
    hanging:stop()
    moongate.stop_all()
  end)

  before_each(function() service:forget() end)

  it("carries calls of all kinds, with their metadata and trailers", function()
    local plan = { messages = 3, size = 1000 }
    for i, got in
      ipairs(ask {
        { kind = "unary", plan = plan },
        { kind = "produce", plan = plan },
        { kind = "consume", plan = plan, messages = 5 },
        { kind = "both", plan = plan, messages = 4 },
      })
    do
      assert.equal(0, got.code, got.details)
      assert.equal("yes", got.last)
      assert.equal("0001ff", got.raw)
      assert.equal(({ 1, 3, 1, 7 })[i], got.messages)
    end
  end)

  it("tells the service what is left of the client's time", function()
    assert.equal(
      0,
      one({ kind = "unary", plan = { size = 5 }, deadline = 5000, metadata = { ["x-a"] = "b" } }).code
    )
    local seen = service:saw(1)[1]
    assert.equal("b", seen.metadata["x-a"])
    assert.is_true(seen.timeout > 1000 and seen.timeout <= 5000, seen.timeout)
    local line = logged("/spec.Calls/unary")
    assert.equal(0, line.grpcStatus)
    assert.equal(200, line.statusCode)
  end)

  it("gives every code, message and trailer of the service on, also where they are all there is", function()
    local calls = {}
    for code = 1, 16 do
      calls[code] = {
        kind = code % 2 == 0 and "unary" or "produce",
        plan = { code = code, details = "no. " .. code .. ": ü, 100 %" },
      }
    end
    for code, got in ipairs(ask(calls)) do
      assert.equal(code, got.code)
      assert.equal("no. " .. code .. ": ü, 100 %", got.details)
      assert.equal("yes", got.last)
    end
  end)

  it("answers with a status of its own what never reaches a service", function()
    local expected = {
      { "/nowhere.Calls/unary", 12, "no route matches this request" },
      { "/closed.Calls/unary", 16 },
      { "/small.Calls/unary", 8, "the request body is larger than allowed" },
      { "/nobody.Calls/unary", 14, "cannot connect to the upstream" },
    }
    for _, case in ipairs(expected) do
      local got = one { kind = "unary", method = case[1], plan = { pad = ("x"):rep(200) } }
      assert.equal(case[2], got.code, case[1] .. ": " .. got.details)
      if case[3] then assert.equal(case[3], got.details) end
    end
    assert.equal("no_route", logged("/nowhere.Calls/unary").error)
    for _, case in ipairs(expected) do
      assert.equal(case[2], logged(case[1]).grpcStatus)
    end
    assert.is_truthy(
      gw:ask("GET", "/metrics").body
        :find('moongate_grpc_requests_total{service="calls",route="closed",status="16"} 1', 1, true)
    )
  end)

  it("makes statuses of what plugins answer", function()
    local function told(how)
      local got = one { kind = "unary", method = "/told.Calls/unary", metadata = { ["x-how"] = how } }
      return got.code .. " " .. got.details
    end
    assert.equal("7 no: 100 %", told("text"))
    assert.equal("14 slow down", told("table"))
    assert.equal("16 who are you?", told("problem"))
    assert.equal("9 mine", told("own"))
    assert.equal("2 a plugin failed", told("error"))
  end)

  it("answers over 200, in the head alone", function()
    local answer = grpc.run(
      "h2.js",
      "ask",
      tostring(gw.port),
      cjson.encode {
        {
          headers = {
            [":method"] = "POST",
            [":path"] = "/nowhere.Calls/x",
            ["content-type"] = "application/grpc+proto",
            te = "trailers",
          },
          body = "",
        },
      }
    )[1]
    assert.equal(200, answer.status)
    assert.equal("application/grpc", answer.headers["content-type"])
    assert.equal("12", answer.headers["grpc-status"])
    assert.equal("no route matches this request", answer.headers["grpc-message"])
    assert.is_nil(answer.headers["content-length"])
    assert.equal("", answer.body)
    assert.is_nil(answer.trailers)
  end)

  describe("a deadline", function()
    -- What a client says that has no timer of its own.
    local function raw(path, timeout, body)
      return grpc.run(
        "h2.js",
        "ask",
        tostring(gw.port),
        cjson.encode {
          {
            headers = {
              [":method"] = "POST",
              [":path"] = path,
              ["content-type"] = "application/grpc",
              te = "trailers",
              ["grpc-timeout"] = timeout,
            },
            body = body,
          },
        }
      )[1]
    end
    local function message(plan) return "\0\0\0\0" .. string.char(#cjson.encode(plan)) .. cjson.encode(plan) end

    it("ends a call that has not been answered, with status 4", function()
      local answer = raw("/seen.Calls/hang", "100m", "x")
      assert.equal(200, answer.status)
      assert.equal("4", answer.headers["grpc-status"])
      assert.equal("the call took longer than its client allows", answer.headers["grpc-message"])
      local line = logged("/seen.Calls/hang")
      assert.equal("deadline", line.error)
      assert.equal(4, line.grpcStatus)
      assert.same({ closed = 8 }, hanging:saw(2)[2]) -- CANCEL, behind the line of the connection
    end)

    it("ends a call in the middle of its answer, with trailers", function()
      local answer = raw("/spec.Calls/produce", "200m", message { slow = true, messages = 2 })
      assert.is_nil(answer.headers["grpc-status"])
      assert.equal("4", answer.trailers["grpc-status"])
      assert.equal(30, answer.length)
      assert.equal(0, answer.code)
    end)

    it("is also what limits.total_timeout says", function()
      assert.equal("4", raw("/short.Calls/unary", nil, message { slow = true }).headers["grpc-status"])
      assert.equal("4", raw("/short.Calls/unary", "10S", message { slow = true }).headers["grpc-status"])
    end)

    it("is refused where it is malformed", function()
      for _, timeout in ipairs { "", "1", "S", "123456789S", "-1S", "1.5S", "1s", "1 S" } do
        local answer = raw("/spec.Calls/unary", timeout, message { size = 1 })
        assert.equal("13", answer.headers["grpc-status"], timeout)
        assert.equal("grpc-timeout is malformed", answer.headers["grpc-message"])
      end
      assert.equal(0, #service:saw(0))
    end)
  end)

  it("takes cancellations to the service", function()
    for _, kind in ipairs { "unary", "produce", "consume", "both" } do
      local method = "/late.Calls/" .. kind
      local client = grpc.begin(gw.port, {
        { kind = kind, method = method, plan = { slow = true, messages = 1 }, cancel = "told" },
      })
      assert.equal(kind, service:saw(1)[1].call)
      client:kill("USR1")
      assert.equal(1, grpc.await_lines(client, 1)[1][1].code)
      assert.equal(kind, service:saw(1)[1].cancelled)
      local line = logged(method)
      assert.equal("client_gone", line.error)
      assert.equal(1, line.grpcStatus)
    end
  end)

  it("says to the service that trailers are welcome, and that alone", function()
    local function te(headers)
      headers[":method"], headers[":path"] = "POST", "/seen.Calls/x"
      local text = cjson.encode { { headers = headers, body = "x" } }
      return cjson.decode(grpc.run("h2.js", "ask", tostring(gw.port), text)[1].body).headers.te
    end
    assert.equal("trailers", te { ["content-type"] = "application/grpc" })
    assert.equal("trailers", te { ["content-type"] = "application/grpc", te = "trailers" })
    assert.is_nil(te { ["content-type"] = "application/json", te = "trailers" })
  end)

  it("may be silent both ways for grpc_idle_timeout, whoever could speak", function()
    for _, kind in ipairs { "produce", "consume", "both" } do
      local got = one { kind = kind, method = "/quiet.Calls/" .. kind, plan = { slow = true }, open = true }
      assert.equal(14, got.code, kind)
      assert.equal(
        "the upstream " .. (kind == "produce" and "took too long to answer" or "paused for too long"),
        got.details
      )
    end
  end)

  it("has routes that take nothing else", function()
    local response =
      gw:request("POST", "/spec.Calls/unary", { body = "x", headers = { ["content-type"] = "application/grpc" } })
    assert.equal(415, response.status)
    assert.equal("not_grpc", cjson.decode(response.body).reason)
  end)

  it("goes over routes of HTTP too", function()
    local got = one { kind = "unary", method = "/any.Calls/unary", plan = {} }
    assert.equal(12, got.code)
    assert.is_truthy(got.details:find("/any.Calls/unary", 1, true))
  end)
end)
