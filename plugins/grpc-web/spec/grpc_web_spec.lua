local gateway = require("moongate.spec")

local function new(config) return gateway.new { plugins = { { name = "grpc-web", config = config } } } end

-- A message as gRPC frames it.
local function message(text) return "\0\0\0\0" .. string.char(#text) .. text end

local function call(gw, options)
  options = options or {}
  return gw:post(options.path or "/pkg.Service/Method", {
    headers = { ["Content-Type"] = options.type or "application/grpc-web+proto", ["X-Grpc-Web"] = "1" },
    body = options.body or message("hello"),
  })
end

describe("grpc-web", function()
  local gw = new()
  local frames = gw:module("grpc-web.frames")

  local function reply(more)
    local answer = {
      headers = { ["Content-Type"] = "application/grpc" },
      chunks = { message("a"), message("bc") },
      trailers = { ["grpc-status"] = "0", ["x-more"] = "1" },
    }
    for key, value in pairs(more or {}) do
      answer[key] = value
    end
    gw.upstream:reply(answer)
  end

  it("makes a call of gRPC of it, and gRPC-Web of the answer", function()
    reply()
    local res = call(gw)
    local request = gw.upstream.last_request
    assert.equal("application/grpc", request.headers["content-type"])
    assert.is_nil(request.headers["x-grpc-web"])
    assert.equal("/pkg.Service/Method", request.path)
    assert.equal(message("hello"), request.body)
    assert.equal(200, res.status)
    assert.equal("application/grpc-web+proto", res.headers["content-type"])
    assert.equal("*", res.headers["access-control-allow-origin"])
    assert.equal(message("a") .. message("bc") .. "\128\0\0\0\25grpc-status:0\r\nx-more:1\r\n", res.body)
  end)

  it("speaks base64, in pieces of its own", function()
    reply()
    local body = message("hello")
    for at = 1, #body - 1 do
      local text = frames.encode(body:sub(1, at)) .. frames.encode(body:sub(at + 1))
      local res = call(gw, { type = "application/grpc-web-text", body = text })
      assert.equal(body, gw.upstream.last_request.body)
      assert.equal("application/grpc-web-text+proto", res.headers["content-type"])
      local bytes = assert(frames.decode(res.body))
      assert.equal(message("a") .. message("bc"), bytes:sub(1, 13))
      assert.is_truthy(bytes:find("\128\0\0\0\25grpc-status:0\r\nx-more:1\r\n", 1, true))
    end
  end)

  it("refuses what is no base64", function()
    local count = #gw.upstream.requests
    for _, text in ipairs { "!!!!", "AAA", "AA=A", "AAAA=" } do
      local res = call(gw, { type = "application/grpc-web-text", body = text })
      assert.equal(200, res.status)
      assert.is_truthy(frames.decode(res.body):find("grpc%-status:13\r\n"), text)
    end
    assert.equal(count, #gw.upstream.requests)
  end)

  it("puts the status of an answer without messages into its body", function()
    reply {
      headers = {
        ["Content-Type"] = "application/grpc",
        ["grpc-status"] = "5",
        ["grpc-message"] = "no such%20thing",
      },
      chunks = {},
      trailers = false,
      body = "",
    }
    local res = call(gw)
    assert.is_nil(res.headers["grpc-status"])
    assert.equal("\128\0\0\0\45grpc-message:no such%20thing\r\ngrpc-status:5\r\n", res.body)
  end)

  it("says so where the service says no status", function()
    reply { trailers = false }
    assert.is_truthy(call(gw).body:find("grpc%-status:2\r\n"))
  end)

  it("leaves answers alone that are none of gRPC's", function()
    gw.upstream:reply { status = 404, headers = { ["Content-Type"] = "text/html" }, body = "<h1>" }
    local res = call(gw)
    assert.equal(404, res.status)
    assert.equal("<h1>", res.body)
  end)

  it("answers preflights", function()
    local count = #gw.upstream.requests
    local res = gw:request(
      "OPTIONS",
      "/pkg.Service/Method",
      { headers = { Origin = "https://a.test", ["Access-Control-Request-Method"] = "POST" } }
    )
    assert.equal(200, res.status)
    assert.equal("*", res.headers["access-control-allow-origin"])
    assert.equal("POST", res.headers["access-control-allow-methods"])
    assert.equal("content-type,x-grpc-web,x-user-agent,grpc-timeout", res.headers["access-control-allow-headers"])
    assert.equal(count, #gw.upstream.requests)
  end)

  it("refuses everything else, but calls of gRPC", function()
    assert.equal(400, gw:post("/x", { headers = { ["Content-Type"] = "application/json" }, body = "{}" }).status)
    assert.equal(400, gw:get("/x").status)
    assert.equal(
      400,
      gw:post("/x", { headers = { ["Content-Type"] = "application/grpc-websocket" }, body = "" }).status
    )
    assert.equal(
      400,
      gw:post("/x", { headers = { ["Content-Type"] = "application/grpc-web+json" }, body = "" }).status
    )
    reply()
    local res = call(gw, { type = "application/grpc" })
    assert.equal("application/grpc", res.headers["content-type"])
    assert.equal(message("a") .. message("bc"), res.body)
  end)

  it("tells of refusals as calls do", function()
    local own = gateway.new {
      plugins = {
        { name = "grpc-web" },
        { name = "request-termination", config = { status_code = 403, message = "not ü" } },
      },
    }
    local res = call(own)
    assert.equal(200, res.status)
    assert.equal("\128\0\0\0\40grpc-message:not %C3%BC\r\ngrpc-status:7\r\n", res.body)
    assert.equal("application/grpc-web+proto", res.headers["content-type"])
  end)

  it("names the pages that may read, and leaves that to who said it before", function()
    local own = new { allow_origin_header = "https://a.test" }
    own.upstream:reply { headers = { ["Content-Type"] = "application/grpc" }, body = "" }
    assert.equal("https://a.test", call(own).headers["access-control-allow-origin"])
    own.upstream:reply {
      headers = { ["Content-Type"] = "application/grpc", ["Access-Control-Allow-Origin"] = "https://b.test" },
      body = "",
    }
    assert.equal("https://b.test", call(own).headers["access-control-allow-origin"])
  end)

  it("knows proto, and does not have it", function()
    assert.error_matches(function() new { proto = "a.proto" } end, "proto.-not in this version")
  end)
end)
