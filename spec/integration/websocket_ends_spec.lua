-- How WebSockets begin and end, byte by byte, through the real binary; with npm's ws: websocket_spec.lua.
local cjson = require("cjson")
local http = require("support.http")
local moongate = require("support.moongate")
local wire = require("support.wire")

local KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
local ASK =
  "GET /%s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n%s\r\n"
local AGREED = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
local AWAY = "\3\233" -- 1001

describe("a WebSocket", function()
  local gw, up

  before_each(function()
    up = wire.listen()
    gw = moongate.start {
      vars = { up = up.port },
      yaml = [[
workers: 1
drain_timeout: 100ms
services:
  - name: up
    url: "http://127.0.0.1:{{up}}"
    routes:
      - { name: raw, paths: [/raw] }
      - { name: judged, paths: [/judged], websocket: { max_frame: 1k } }
      - { name: text, paths: [/text], websocket: { validate_utf8: true } }
]],
    }
  end)

  after_each(function()
    up:close()
    moongate.stop_all()
  end)

  local function open(path, fields, answer)
    local client = gw:connect()
    client:send(ASK:format(path, KEY .. (fields or "")))
    local service = assert(up:accept(5))
    local head = service:read_until("\r\n\r\n", 5)
    service:send(AGREED .. (answer or "") .. "\r\n")
    assert.equal(101, http.read_response(client).status)
    return client, service, head
  end

  local function unmask(frame)
    local text = {}
    for i = 7, #frame do
      text[#text + 1] = string.char(bit.bxor(frame:byte(i), frame:byte(3 + (i - 7) % 4)))
    end
    return table.concat(text)
  end

  it("needs one key of 16 bytes, and no service hears of what has none", function()
    for _, key in ipairs {
      "",
      "Sec-WebSocket-Key: \r\n",
      "Sec-WebSocket-Key: SGVsbG8=\r\n",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ-=\r\n",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSEh\r\n", -- 18
      KEY .. KEY,
    } do
      local client = gw:connect()
      client:send(ASK:format("raw", key))
      local response = http.read_response(client)
      assert.equal(400, response.status, key)
      assert.equal("websocket_key", cjson.decode(response.body).reason)
      client:close()
    end
    assert.is_nil(up:accept(0))
  end)

  it("may not be compressed by a service that nobody asked for it", function()
    local offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
    for path, fields in pairs { text = offer, judged = "" } do
      local client, service, head = open(path, fields, offer)
      assert.is_nil(head:find("xtensions", 1, true))
      service:send("\193\2\255\254") -- a text, with the first reserved bit
      local told = client:read(4, 5)
      assert.equal("\136\2\3\243", told) -- 1011
      local close = service:read(8, 5)
      assert.equal("\3\234", unmask(close)) -- 1002
      client:close()
      service:close()
    end
    assert.equal("upstream_protocol", gw:access_log(2)[1].error)
  end)

  it("ends with 1001 on both sides when the gateway has drained", function()
    local client, service = open("judged")
    service:send("\129\2hi")
    assert.equal("\129\2hi", client:read(4, 5))
    gw.process:kill("TERM")
    assert.equal("\136\2" .. AWAY, client:read(4, 5))
    local close = service:read(8, 5)
    assert.equal("\136\130", close:sub(1, 2))
    assert.equal(AWAY, unmask(close))
    client:close()
    service:close()
    gw:stop()
    assert.equal("shutdown", gw:access_log(1)[1].error)
  end)

  it("gets no Close in the middle of a frame, nor where nobody looks into frames", function()
    local client, service = open("judged")
    local other, far = open("raw")
    service:send("\129\5hi")
    far:send("\129\2hi")
    assert.equal("\129\5hi", client:read(4, 5))
    assert.equal("\129\2hi", other:read(4, 5))
    gw.process:kill("TERM")
    assert.equal("", (client:read_all(5)))
    assert.equal("", (other:read_all(5)))
    for _, conn in ipairs { client, other, service, far } do
      conn:close()
    end
    gw:stop()
  end)
end)
