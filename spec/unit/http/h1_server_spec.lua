local streams = require("support.streams")

describe("gw_h1_server", function()
  local place, server, wire

  before_each(function()
    place = streams.place()
    server, wire = place:server()
  end)

  after_each(function() place:free() end)

  local function send(text)
    wire:write(text)
    place:turn()
  end

  it("tells a request and writes its response", function()
    send("GET /a?b=c HTTP/1.1\r\nHost: Example.com\r\nX-Y:  z \r\n\r\n")
    local probe = server:last()
    assert.equal("request GET /a x-y=z end\n", probe:log())
    probe:respond({ length = 5, fields = { { "date", "now" }, { "a", "b" } } })
    probe:send("hello", true)
    probe:close()
    place:turn()
    assert.equal("HTTP/1.1 200 OK\r\ndate: now\r\na: b\r\ncontent-length: 5\r\n\r\nhello", wire:text())
    assert.equal(1, wire.reads)
  end)
end)
