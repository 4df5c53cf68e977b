local cjson = require("cjson")
local http = require("support.http")
local moongate = require("support.moongate")

describe("request-size-limiting", function()
  local gw, service

  setup(function()
    service = http.service()
    gw = moongate.start { vars = { up = service.port }, yaml = [[
limits: { body: 1m }
services:
  - name: up
    url: http://127.0.0.1:{{up}}
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
]] }
  end)

  teardown(function()
    gw:stop()
    service:close()
    moongate.stop_all()
  end)

  local function post(path, size, headers)
    return gw:request("POST", path, { headers = headers, body = ("x"):rep(size) })
  end

  --- A body in chunks of four bytes; everything that comes back.
  local function stream(path, size)
    local chunks = {}
    for _ = 1, size / 4 do chunks[#chunks + 1] = "4\r\nabcd\r\n" end
    return gw:raw("POST " .. path .. " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
      .. table.concat(chunks) .. "0\r\n\r\n")
  end

  it("lets a body of the limit pass, and not one byte more", function()
    assert.equal(200, post("/bytes", 10).status)
    local res = post("/bytes", 11)
    assert.equal(413, res.status)
    assert.equal("the body is larger than 10 bytes", cjson.decode(res.body).detail)
  end)

  it("counts in kilobytes and megabytes", function()
    assert.equal(200, post("/kilo", 2048).status)
    assert.equal(413, post("/kilo", 2049).status)
    assert.equal(200, post("/mega", 1048576).status)
  end)

  it("counts a body whose length nobody told", function()
    assert.matches("^HTTP/1.1 200 ", stream("/bytes", 8))
    local before = #service.requests
    assert.matches("^HTTP/1.1 413 ", stream("/bytes", 12))
    assert.equal(before, #service.requests)
  end)

  it("counts a body that an earlier plugin has read", function()
    assert.equal(413, post("/read", 11, { ["Content-Type"] = "application/x-www-form-urlencoded" }).status)
    assert.equal(200, post("/read", 10, { ["Content-Type"] = "application/x-www-form-urlencoded" }).status)
  end)

  it("asks for no body that it will not take", function()
    local text = gw:raw("POST /bytes HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
    assert.matches("^HTTP/1.1 413 ", text)
  end)

  it("asks for a length where it is told to, of requests that have a body", function()
    assert.equal(200, gw:get("/length").status)
    assert.equal(200, post("/length", 5).status)
    assert.matches("^HTTP/1.1 411 ", stream("/length", 4))
  end)

  it("never raises limits.body", function()
    assert.equal(413, post("/mega", 1048577).status)
  end)
end)
