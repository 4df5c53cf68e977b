local gateway = require("moongate.spec")

describe("security-headers", function()
  local gw = gateway.new {
    config = [[
default_access: allow
trusted_proxies: [192.0.2.0/24]
plugins: [{ name: security-headers }]
services:
  - name: up
    url: http://up.test
    routes:
      - { name: usual, paths: [/usual] }
      - name: own
        paths: [/own]
        plugins:
          - name: security-headers
            config: { frame_options: off, content_security_policy: "default-src 'self'", remove: [x-runtime] }
      - { name: strict, paths: [/strict], plugins: [{ name: security-headers, config: { existing: replace } }] }
]],
  }

  gw.upstream:reply {
    body = "fine",
    headers = {
      ["X-Frame-Options"] = "SAMEORIGIN",
      Server = "thing/1.0",
      ["X-Powered-By"] = "cgi",
      ["X-Runtime"] = "3",
    },
  }

  it("adds what an API should say", function()
    local headers = gw:get("/usual").headers
    assert.equal("nosniff", headers["x-content-type-options"])
    assert.equal("frame-ancestors 'none'", headers["content-security-policy"])
    assert.equal("no-referrer", headers["referrer-policy"])
    assert.equal("camera=(), geolocation=(), microphone=()", headers["permissions-policy"])
    assert.equal("same-origin", headers["cross-origin-opener-policy"])
    assert.equal("same-origin", headers["cross-origin-resource-policy"])
    assert.is_nil(headers["cross-origin-embedder-policy"])
    assert.is_nil(headers["content-security-policy-report-only"])
  end)

  it("takes out what tells how the service is made", function()
    local headers = gw:get("/usual").headers
    assert.is_nil(headers.server)
    assert.is_nil(headers["x-powered-by"])
    assert.equal("3", headers["x-runtime"])
    headers = gw:get("/own").headers
    assert.equal("thing/1.0", headers.server)
    assert.is_nil(headers["x-runtime"])
  end)

  it("leaves alone what the service said itself, unless told to replace it", function()
    assert.equal("SAMEORIGIN", gw:get("/usual").headers["x-frame-options"])
    assert.equal("DENY", gw:get("/strict").headers["x-frame-options"])
  end)

  it("takes other values, and off", function()
    local headers = gw:get("/own").headers
    assert.equal("default-src 'self'", headers["content-security-policy"])
    assert.equal("SAMEORIGIN", headers["x-frame-options"])
  end)

  it("speaks of https on https only", function()
    assert.is_nil(gw:get("/usual").headers["strict-transport-security"])
    local res = gw:get("/usual", { headers = { ["X-Forwarded-Proto"] = "https" } })
    assert.equal("max-age=31536000", res.headers["strict-transport-security"])
  end)

  it("is on the gateway's own answers, too", function()
    local res = gw:get("/nowhere")
    assert.equal(404, res.status)
    assert.equal("nosniff", res.headers["x-content-type-options"])
  end)

  it("is on answers that were made after it was thought of: an error of another plugin", function()
    local own =
      gateway.new { plugins = { "security-headers", { name = "bad", response = function() error("oops") end } } }
    local res = own:get("/")
    assert.equal(500, res.status)
    assert.equal("nosniff", res.headers["x-content-type-options"])
  end)

  it("does not load with a value that is no header value", function()
    assert.error_matches(
      function()
        gateway.new { plugins = { { name = "security-headers", config = { referrer_policy = "a\r\nb: c" } } } }
      end,
      "referrer_policy"
    )
  end)
end)
