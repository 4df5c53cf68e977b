-- The access plugins together, in the real binary: what their own specs say in the harness, byte by byte here.
local http = require("support.http")
local moongate = require("support.moongate")

describe("the access plugins", function()
  local gw, service

  setup(function()
    service = http.service(
      function(request)
        return {
          headers = { ["Content-Type"] = "text/plain", Server = "thing/1.0" },
          body = "a cat, " .. #request.body,
        }
      end
    )
    gw = moongate.start {
      vars = { up = service.port },
      yaml = [[
plugins:
  - { name: cors, config: { origins: ['https://(a|b)\.example'] } }
  - { name: bot-detection }
  - { name: ip-restriction, config: { allow: [127.0.0.0/8] } }
  - { name: request-size-limiting, config: { allowed_payload_size: 8, size_unit: bytes } }
  - { name: stream-replace, config: { replace: [{ find: cat, with: dog }] } }
  - { name: security-headers }
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes:
      - { name: all, paths: [/] }
      - name: moved
        paths: [/moved]
        plugins: [{ name: redirect, config: { location: "https://new.example", keep_incoming_path: true } }]
      - { name: gone, paths: [/gone], plugins: [{ name: request-termination, config: { status_code: 410 } }] }
]],
    }
  end)

  teardown(function()
    gw:stop()
    service:close()
    moongate.stop_all()
  end)

  local function send(lines, body)
    return gw:raw(table.concat(lines, "\r\n") .. "\r\nHost: a\r\nConnection: close\r\n\r\n" .. (body or ""))
  end

  it("let a good request through and change its answer", function()
    local text = send({ "POST / HTTP/1.1", "Origin: https://a.example", "Content-Length: 8" }, "12345678")
    assert.matches("^HTTP/1.1 200 OK\r\n", text)
    assert.matches("\r\naccess%-control%-allow%-origin: https://a.example\r\n", text)
    assert.matches("\r\nvary: Origin\r\n", text)
    assert.matches("\r\nx%-content%-type%-options: nosniff\r\n", text)
    assert.is_nil(text:find("\r\nserver:"))
    assert.is_nil(text:find("\r\ncontent%-length:"))
    assert.matches("a dog, 8", text)
  end)

  it("answer a preflight with headers and nothing else", function()
    local text = send { "OPTIONS / HTTP/1.1", "Origin: https://b.example", "Access-Control-Request-Method: PUT" }
    assert.matches("^HTTP/1.1 200 OK\r\n", text)
    assert.matches("\r\naccess%-control%-allow%-origin: https://b.example\r\n", text)
    assert.matches("\r\n\r\n$", text)
  end)

  it("refuse what each of them is for, with headers that pages may read", function()
    for status, request in pairs {
      [403] = { "GET / HTTP/1.1", "Origin: https://a.example", "User-Agent: Googlebot/2.1" },
      [413] = { "POST / HTTP/1.1", "Origin: https://a.example", "Content-Length: 9" },
      [410] = { "GET /gone HTTP/1.1", "Origin: https://a.example" },
    } do
      local text = send(request, status == 413 and "123456789" or nil)
      assert.matches("^HTTP/1.1 " .. status .. " ", text)
      assert.matches("\r\naccess%-control%-allow%-origin: https://a.example\r\n", text)
      assert.matches("application/problem%+json", text)
    end
  end)

  it("count chunks and cut off what goes beyond", function()
    local before = #service.requests
    local text = send({ "POST / HTTP/1.1", "Transfer-Encoding: chunked" }, "5\r\n12345\r\n5\r\n67890\r\n0\r\n\r\n")
    assert.matches("^HTTP/1.1 413 ", text)
    assert.equal(before, #service.requests)
  end)

  it("send elsewhere without letting a request choose the place", function()
    local text = send { "GET /moved//evil.example/%0d%0ax?y=\\%0a HTTP/1.1" }
    if text:find("^HTTP/1.1 301 ") then
      assert.matches("\r\nlocation: https://new.example/moved[^\\\r]*\r\n", text)
    else
      assert.matches("^HTTP/1.1 400 ", text)
    end
  end)

  it("load from a Kong file in which every field is written", function()
    local folder = moongate.folder {
      ["kong.yaml"] = [[
_format_version: "3.0"
plugins:
  - name: cors
    enabled: true
    protocols: [grpc, grpcs, http, https]
    config:
      allow_origin_absent: true
      credentials: false
      exposed_headers: null
      headers: null
      max_age: null
      methods: [GET, HEAD, PUT, PATCH, POST, DELETE, OPTIONS, TRACE, CONNECT]
      origins: ["https://example.com", '^https:\/\/.*\.example\.org$', '(.*[.])?example\.net']
      preflight_continue: false
      private_network: false
  - { name: bot-detection, config: { allow: [], deny: [] } }
  - { name: ip-restriction, config: { allow: [10.0.0.0/8, "::1"], deny: null, message: null, status: null } }
  - name: request-size-limiting
    config: { allowed_payload_size: 128, require_content_length: false, size_unit: megabytes }
  - { name: redirect, config: { keep_incoming_path: false, location: "https://example.com/", status_code: 301 } }
  - name: request-termination
    config: { body: null, content_type: null, echo: false, message: null, status_code: 503, trigger: null }
]],
    }
    local check = moongate.command({ "check", "-c", "kong.yaml" }, folder)
    assert.equal(0, check.code, check.stderr)
  end)
end)
