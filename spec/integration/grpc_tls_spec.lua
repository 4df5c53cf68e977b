-- gRPC with and without TLS on either side of the gateway, @grpc/grpc-js at both ends: every kind of call, with more in them than
-- anybody buffers.
local certs = require("support.certs")
local grpc = require("support.grpc")
local moongate = require("support.moongate")

local YAML = [[
workers: 1
limits: { body: 64m }
ca_certificates: [{ name: ca, cert: %s }]
listeners:
  - { address: 127.0.0.1:0, http2: true }
  - { address: 127.0.0.1:0, tls: { cert: %s, key: %s } }
services:
  - name: %s
    url: %s
    %s
    routes: [{ name: calls, protocols: [grpc, grpcs], paths: [/spec.Calls] }]
]]

local ready, why = grpc.ready()
local describe_grpc = ready and describe or pending

local PLAN = { messages = 40, size = 100000 }
local CALLS = {
  { kind = "unary", plan = { size = 3000000 } },
  { kind = "produce", plan = PLAN },
  { kind = "consume", plan = PLAN, messages = 2000 },
  { kind = "both", plan = PLAN, messages = 500 },
  { kind = "unary", plan = { code = 9, details = "not like this" } },
  { kind = "produce", plan = { code = 16, messages = 2, details = "who?" } },
}

describe_grpc("gRPC" .. (why and (" (" .. why .. ")") or ""), function()
  local folder

  setup(function()
    folder = certs.folder()
    folder:authority("ca")
    folder:sign("localhost", { by = "ca", san = "DNS:localhost" })
  end)

  teardown(function() folder:remove() end)

  local ca, cert, key

  before_each(function()
    ca, cert, key = folder:file("ca.pem"), folder:file("localhost.pem"), folder:file("localhost.key")
  end)

  for scheme, of_service in pairs { grpc = "tags: [clear]", grpcs = "ca_certificates: [ca]" } do
    it("goes to services of " .. scheme .. " from clients with and without TLS", function()
      local service = scheme == "grpcs" and grpc.service("grpc.js", key, cert) or grpc.service()
      local gw = moongate.start {
        yaml = YAML:format(ca, cert, key, scheme, ("%s://localhost:%d"):format(scheme, service.port), of_service),
      }
      for port, with in pairs { [gw.ports[1]] = false, [gw.ports[2]] = ca } do
        local got = grpc.ask(port, CALLS, with or nil)
        local codes, messages, bytes = {}, {}, {}
        for i, one in ipairs(got) do
          codes[i], messages[i], bytes[i] = one.code, one.messages, one.bytes
        end
        assert.same({ 0, 0, 0, 0, 9, 16 }, codes, got[1].details)
        messages[6] = nil -- grpc-js gives up what it has not told yet when a call fails
        assert.same({ 1, 40, 1, 540, 0 }, messages)
        assert.same({ 3000000, 4000000, 4 }, { bytes[1], bytes[2], bytes[3] })
        assert.equal("who?", got[6].details)
      end
      service:stop()
      gw:stop()
    end)
  end
end)
