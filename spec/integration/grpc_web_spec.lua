-- gRPC-Web through the real binary: the client of browsers (npm's grpc-web) in front, @grpc/grpc-js behind.
local cjson = require("cjson")
local moongate = require("support.moongate")
local peers = require("support.grpc")

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
      - { name: calls, paths: [/spec.Calls], plugins: [{ name: grpc-web }] }
      - { name: api, paths: [/api], plugins: [{ name: grpc-web, config: { pass_stripped_path: true } }] }
      - { name: late, paths: [/late.Calls], plugins: [{ name: grpc-web }, { name: key-auth }] }
]]

local gw, service

local ready, why = peers.ready()
local describe_web = ready and describe or pending

local function ask(calls) return peers.run("grpc_web.js", tostring(gw.port), cjson.encode(calls)) end
local function one(call) return ask({ call })[1] end

describe_web("gRPC-Web" .. (why and (" (" .. why .. ")") or ""), function()
  setup(function()
    service = peers.service()
    gw = moongate.start { yaml = YAML, vars = { up = service.port } }
  end)

  teardown(function()
    gw:stop()
    service:stop()
    moongate.stop_all()
  end)

  before_each(function() service:forget() end)

  for _, format in ipairs { "text", "binary" } do
    it("carries calls as " .. format, function()
      local got = ask {
        { method = "/spec.Calls/unary", format = format, plan = { size = 1000 } },
        { method = "/spec.Calls/produce", format = format, stream = true, plan = { messages = 3, size = 5000 } },
        { method = "/spec.Calls/unary", format = format, plan = { code = 9, details = "no. 9: ü" } },
        {
          method = "/spec.Calls/produce",
          format = format,
          stream = true,
          plan = { code = 5, details = "after two", messages = 2 },
        },
        { method = "/api/spec.Calls/unary", format = format, plan = { size = 7 } },
      }
      assert.same({ 1, 1000, 0 }, { got[1].messages, got[1].bytes, got[1].code })
      assert.equal("yes", got[1].metadata["x-last"])
      -- In binary an XMLHttpRequest has the whole only, so its client reads no streams.
      if format == "text" then assert.same({ 3, 15000, 0 }, { got[2].messages, got[2].bytes, got[2].code }) end
      assert.same({ 9, "no. 9: ü" }, { got[3].code, got[3].details })
      if format == "text" then
        assert.same({ 2, 5, "after two" }, { got[4].messages, got[4].code, got[4].details })
      end
      assert.same({ 1, 7, 0 }, { got[5].messages, got[5].bytes, got[5].code })
    end)
  end

  it("takes the client's deadline along, and keeps it", function()
    local line = peers.run(
      "h2.js",
      "ask",
      tostring(gw.port),
      cjson.encode {
        {
          headers = {
            [":method"] = "POST",
            [":path"] = "/spec.Calls/unary",
            ["content-type"] = "application/grpc-web",
            ["grpc-timeout"] = "5S",
          },
          body = "\0\0\0\0\11" .. '{"size": 3}',
        },
      }
    )[1]
    assert.equal(200, line.status)
    local seen = service:saw(1)[1]
    assert.is_true(seen.timeout > 0 and seen.timeout <= 5000)
    assert.equal("application/grpc", seen.metadata["content-type"] or "application/grpc")
  end)

  it("tells of what is answered here as a call would", function()
    for _, format in ipairs { "text", "binary" } do
      local got = one { method = "/late.Calls/unary", format = format, plan = {} }
      assert.equal(16, got.code)
      assert.is_truthy(got.details ~= "", got.details)
      assert.equal(12, one({ method = "/api/nothing.Calls/x", format = format, plan = {} }).code)
    end
  end)

  it("leaves calls of gRPC itself alone", function()
    local got = peers.ask(gw.port, { { kind = "both", plan = { messages = 1 }, messages = 2 } })[1]
    assert.equal(0, got.code, got.details)
    assert.equal(3, got.messages)
    got = peers.ask(gw.port, { { kind = "unary", method = "/spec.Calls/nothing" } })[1]
    assert.equal(12, got.code) -- all in the head, also where body hooks are
    assert.is_truthy(got.details:find("nothing", 1, true))
  end)
end)
