local gateway = require("moongate.spec")

describe("request-size-limiting", function()
  local gw = gateway.new {
    config = [[
default_access: allow
limits: { body: 1m }
services:
  - name: up
    url: http://up.test
    routes:
      - name: bytes
        paths: [/bytes]
        plugins: [{ name: request-size-limiting, config: { allowed_payload_size: 10, size_unit: bytes } }]
      - name: kilo
        paths: [/kilo]
        plugins: [{ name: request-size-limiting, config: { allowed_payload_size: 2, size_unit: kilobytes } }]
      - { name: mega, paths: [/mega], plugins: [{ name: request-size-limiting }] }
      - name: length
        paths: [/length]
        plugins: [{ name: request-size-limiting, config: { require_content_length: true } }]
      - name: read
        paths: [/read]
        plugins:
          - { name: key-auth, config: { key_in_body: true, key_in_header: false, anonymous: guest } }
          - { name: request-size-limiting, config: { allowed_payload_size: 10, size_unit: bytes } }
consumers: [{ username: guest }]
]],
  }

  local function post(path, size, headers) return gw:post(path, { headers = headers, body = ("x"):rep(size) }) end

  --- A body in chunks of four bytes.
  local function stream(path, size)
    local chunks = {}
    for i = 1, size / 4 do
      chunks[i] = "abcd"
    end
    return gw:post(path, { chunks = chunks }).status
  end

  it("lets a body of the limit pass, and not one byte more", function()
    assert.equal(200, post("/bytes", 10).status)
    local res = post("/bytes", 11)
    assert.equal(413, res.status)
    assert.equal("the body is larger than 10 bytes", res:json().detail)
  end)

  it("counts in kilobytes and megabytes", function()
    assert.equal(200, post("/kilo", 2048).status)
    assert.equal(413, post("/kilo", 2049).status)
    assert.equal(200, post("/mega", 1048576).status)
  end)

  it("counts a body whose length nobody told", function()
    assert.equal(200, stream("/bytes", 8))
    assert.equal("abcdabcd", gw.upstream.last_request.body)
    assert.equal(413, stream("/bytes", 12))
    assert.is_nil(gw.upstream.last_request.body) -- it never saw the end
  end)

  it("counts a body that an earlier plugin has read", function()
    assert.equal(413, post("/read", 11, { ["Content-Type"] = "application/x-www-form-urlencoded" }).status)
    assert.equal(200, post("/read", 10, { ["Content-Type"] = "application/x-www-form-urlencoded" }).status)
  end)

  it("asks for no body that it will not take", function()
    local res = gw:post("/bytes", { headers = { ["Content-Length"] = "11", Expect = "100-continue" } })
    assert.equal(413, res.status)
    assert.same({}, res.interim)
  end)

  it("asks for a length where it is told to, of requests that have a body", function()
    assert.equal(200, gw:get("/length").status)
    assert.equal(200, post("/length", 5).status)
    assert.equal(411, stream("/length", 4))
  end)

  it("never raises limits.body", function() assert.equal(413, post("/mega", 1048577).status) end)
end)
