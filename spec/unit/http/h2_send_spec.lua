-- Bodies that go over HTTP/2: large pieces from where they lie, small ones together, and what happens to what the peer does not take.
local h2 = require("support.h2")
local net = require("support.net")
local streams = require("support.streams")

describe("an answer over HTTP/2", function()
  local place, server, wire

  local function begin(settings)
    local near, far = net.memory_pair(place.loop)
    wire = place:keep(net.bind(far))
    server = place:keep(streams.accept_h2(near))
    wire:write(h2.hello(settings), h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.u32(2 ^ 29)))
    place:turn()
  end

  local function say(...)
    wire:write(...)
    place:turn()
  end

  before_each(function() place = streams.place() end)
  after_each(function() place:free() end)

  --- Bytes that tell where they stand.
  local function text_of(len, letter)
    local out = {}
    for i = 1, len / 8 do
      out[i] = ("%s%07d"):format(letter or "x", i)
    end
    return table.concat(out)
  end

  local function body_of(stream)
    local out = {}
    for _, frame in ipairs(h2.read(wire:text())) do
      if frame.kind == h2.DATA and frame.stream == stream then out[#out + 1] = frame.payload end
    end
    return table.concat(out)
  end

  it("goes out at once, head and all, when it is large", function()
    begin({ { 4, 2 ^ 20 } })
    say(h2.ask(1))
    local probe, body = server:last(), text_of(64 * 1024)
    local before = wire.reads
    probe:respond({ length = #body })
    probe:send(body, true)
    place.loop:turn(false)
    assert.equal(body, body_of(1))
    assert.equal(1, wire.reads - before)
    probe:close()
  end)

  it("goes with those of others when it is small", function()
    begin()
    say(h2.ask(1), h2.ask(3), h2.ask(5))
    local before = wire.reads
    for i, probe in ipairs(server.probes) do
      probe:respond({})
      probe:send(("%d"):format(i), true)
      probe:close()
    end
    place:turn()
    assert.equal(1, wire.reads - before)
    assert.equal("123", body_of(1) .. body_of(3) .. body_of(5))
  end)

  it("is whole when the window opens bit by bit", function()
    begin({ { 4, 10000 } })
    say(h2.ask(1))
    local probe, body = server:last(), text_of(80000)
    probe:respond({ length = #body + 6 })
    assert.is_true(probe:send(body))
    probe:send("behind", true)
    probe:close()
    for _ = 1, 40 do
      say(h2.frame(h2.WINDOW_UPDATE, 0, 1, h2.u32(3001)))
    end
    assert.equal(body .. "behind", body_of(1))
    assert.is_truthy(h2.describe(wire:text(), 1):find(" end$"))
  end)

  it("of a blob is whole, too", function()
    begin({ { 4, 10000 } })
    say(h2.ask(1))
    local probe, body = server:last(), text_of(80000)
    probe:respond({ length = #body })
    probe:send_blob(body, true)
    probe:close()
    for _ = 1, 40 do
      say(h2.frame(h2.WINDOW_UPDATE, 0, 1, h2.u32(3001)))
    end
    assert.equal(body, body_of(1))
  end)

  it("asks its owner to wait when the peer opens no window, and tells of room", function()
    begin({ { 4, 0 } })
    say(h2.ask(1))
    local probe = server:last()
    probe:respond({})
    assert.is_true(probe:send(text_of(80000)))
    assert.is_false(probe:send(text_of(80000)))
    assert.is_nil(probe:log():find("room"))
    say(h2.frame(h2.WINDOW_UPDATE, 0, 1, h2.u32(100000)))
    assert.is_truthy(probe:log():find("room"))
    probe:close("cancelled")
  end)

  it("stays with its streams while the connection takes no more", function()
    begin({ { 4, 2 ^ 30 } })
    wire:hold(true)
    for i = 1, 39, 2 do
      say(h2.ask(i))
    end
    local full = 0
    for i, probe in ipairs(server.probes) do
      probe:respond({})
      local room = true
      for _ = 1, 8 do
        room = room and probe:send(text_of(64 * 1024, string.char(96 + i)))
      end
      if not room then full = full + 1 end
    end
    assert.is_true(full > 0)
    wire:hold(false)
    place:turn(20)
    for i, probe in ipairs(server.probes) do
      probe:send("", true)
      probe:close()
      place:turn()
      local body = body_of(2 * i - 1)
      assert.is_true(#body >= 64 * 1024)
      assert.equal(text_of(64 * 1024, string.char(96 + i)), body:sub(1, 64 * 1024))
      assert.equal(body:sub(1, 64 * 1024), body:sub(-64 * 1024))
    end
  end)

  it("that was taken back leaves nothing, also of a large piece", function()
    begin({ { 4, 20000 } })
    say(h2.ask(1), h2.ask(3))
    for _, probe in ipairs(server.probes) do
      probe.on["end"] = function() probe:close("cancelled") end
      probe:respond({})
      probe:send(text_of(80000))
    end
    say(h2.reset(1), h2.frame(h2.WINDOW_UPDATE, 0, 3, h2.u32(10000)))
    assert.equal(20000, #body_of(1))
    assert.is_false(server.probes[1]:is_open())
    assert.equal(text_of(80000):sub(1, 30000), body_of(3))
  end)

  it("goes out while a request is being refused on the same connection", function()
    begin({ { 4, 2 ^ 20 } })
    local malformed = h2.headers(3, { { ":method", "GET" }, { ":scheme", "http" }, { ":path", "" } }, true)
    local refused = 0
    server.on_refused = function(probe)
      refused = refused + 1
      probe:close("bad_request")
    end
    server.on_request = function(probe)
      probe:respond({})
      probe:send(text_of(64 * 1024), true)
      probe:close()
    end
    say(h2.ask(1) .. malformed .. h2.ask(5))
    assert.equal(1, refused)
    assert.equal(64 * 1024, #body_of(1))
    assert.equal(64 * 1024, #body_of(5))
    assert.equal("reset PROTOCOL_ERROR", h2.describe(wire:text(), 3))
  end)
end)
