-- Bodies that come over HTTP/2: in how many pieces they are told, and what windows the peer gets for them.
local h2 = require("support.h2")
local net = require("support.net")
local streams = require("support.streams")

local WINDOW, RESERVE = 64 * 1024, 1024 * 1024

describe("a body over HTTP/2", function()
  local place, server, wire

  before_each(function()
    place = streams.place()
    local near, far = net.memory_pair(place.loop)
    wire = place:keep(net.bind(far))
    server = place:keep(streams.accept_h2(near))
    wire:write(h2.hello())
    place:turn()
  end)
  after_each(function() place:free() end)

  local function say(...)
    wire:write(...)
    place:turn()
  end

  --- A body in frames of 16 KiB.
  local function frames(stream, len, stop)
    local out = {}
    while len > 0 do
      local piece = math.min(len, 16384)
      len = len - piece
      out[#out + 1] = h2.data(stream, ("x"):rep(piece), stop and len == 0)
    end
    return table.concat(out)
  end

  --- How much a stream (0: the connection) may send more, by what it was told.
  local function opened(stream)
    local sum = 0
    for _, frame in ipairs(h2.read(wire:text())) do
      if frame.kind == h2.WINDOW_UPDATE and frame.stream == stream then
        local a, b, d, e = frame.payload:byte(1, 4)
        sum = sum + ((a * 256 + b) * 256 + d) * 256 + e
      end
    end
    return sum
  end

  it("is one piece a read, with its end", function()
    say(h2.ask_with_body(1) .. frames(1, 50000, true))
    assert.equal("request POST /\nbody 50000 end\n", server:last():log())
  end)

  it("is one piece a stream, however its frames lie", function()
    local one, two = h2.data(1, "a"), h2.data(3, "b")
    say(h2.ask_with_body(1) .. h2.ask_with_body(3) .. one .. two .. one .. two .. h2.data(1, "c", true) .. two)
    assert.equal("request POST /\nbody 3 end\n", server.probes[1]:log())
    assert.equal("aac", server.probes[1]:body())
    assert.equal("request POST /\nbody 3\n", server.probes[2]:log())
  end)

  it("keeps its order, in frames without number", function()
    local out, all = {}, {}
    for i = 1, 300 do
      out[i] = h2.data(1, ("%d "):format(i), i == 300)
      all[i] = ("%d "):format(i)
    end
    say(h2.ask_with_body(1) .. table.concat(out))
    assert.equal(table.concat(all), server:last():body())
    assert.equal(1, server:last().c.ends)
  end)

  it("is in order behind what was kept", function()
    server.on_request = function(probe) probe:hold(true) end
    say(h2.ask_with_body(1), h2.data(1, "a"))
    server:last():hold(false)
    wire:write(h2.data(1, "b") .. h2.data(1, "c", true))
    place:turn()
    assert.equal("abc", server:last():body())
    assert.equal(1, server:last().c.ends)
  end)

  it("has its end before trailers", function()
    say(h2.ask_with_body(1) .. h2.data(1, "a") .. h2.headers(1, { { "x-sum", "1" } }, true))
    assert.equal("request POST /\nbody 1\ntrailers x-sum=1\n", server:last():log())
  end)

  it("is not told to who stopped it in the same read", function()
    server.on_request = function(probe)
      probe.on.body = function() probe:hold(true) end
    end
    say(h2.ask_with_body(1), h2.data(1, "a"))
    say(h2.data(1, "b") .. h2.data(1, "c"))
    assert.equal("a", server:last():body())
    server:last().on.body = nil
    server:last():hold(false)
    place:turn()
    assert.equal("abc", server:last():body())
  end)

  it("does not outlive an owner who closes at its first piece", function()
    server.on_request = function(probe)
      probe.on.body = function() probe:close("cancelled") end
    end
    local out = h2.ask_with_body(1) .. h2.ask_with_body(3)
    for _ = 1, 100 do -- more than one read takes apart
      out = out .. h2.data(1, ("x"):rep(600)) .. h2.data(3, ("y"):rep(600))
    end
    say(out)
    assert.is_false(server.probes[1]:is_open())
    assert.is_false(server.probes[2]:is_open())
    -- all of it went back to the connection's window
    for i = 1, 160 do
      say(h2.ask_with_body(3 + 2 * i), frames(3 + 2 * i, WINDOW))
    end
    assert.is_nil(h2.describe(wire:text(), 0):find("goaway"))
  end)

  -- attacks.md 22: what services do not take must not stop others
  it("waits for nobody: as many as may be open can be held at once", function()
    server.on_request = function(probe) probe:hold(true) end
    for i = 1, 127 do
      say(h2.ask_with_body(2 * i - 1), frames(2 * i - 1, WINDOW))
    end
    for _, probe in ipairs(server.probes) do
      assert.equal("", probe:body())
    end
    server.on_request = nil
    say(h2.ask_with_body(255), frames(255, WINDOW, true))
    assert.equal(WINDOW, #server:last():body())
    assert.equal("", h2.describe(wire:text(), 0))
  end)

  it("that nobody takes is bounded: more than the window ends the stream", function()
    server.on_request = function(probe)
      probe:hold(true)
      probe.on["end"] = function() probe:close("cancelled") end
    end
    say(h2.ask_with_body(1), frames(1, WINDOW), h2.data(1, "x"))
    assert.equal("reset FLOW_CONTROL_ERROR", h2.describe(wire:text(), 1))
    assert.equal(0, opened(1))
    assert.is_false(server:last():is_open())
  end)

  describe("gets a window", function()
    it("of its size again, and a larger one when all of it was taken", function()
      say(h2.ask_with_body(1), frames(1, WINDOW))
      assert.equal(2 * WINDOW, opened(1)) -- given back, and as much on top
      say(frames(1, 2 * WINDOW))
      assert.equal(2 * WINDOW + 2 * WINDOW + 2 * WINDOW, opened(1))
    end)

    it("that does not grow while it is held", function()
      say(h2.ask_with_body(1), frames(1, WINDOW / 2))
      server:last():hold(true)
      say(frames(1, WINDOW))
      assert.is_true(opened(1) <= WINDOW / 2)
      server:last():hold(false)
      place:turn()
      assert.equal(WINDOW + WINDOW / 2, #server:last():body())
    end)

    it("that grows out of one reserve, which others have when it ends", function()
      local function extra(stream, megabytes)
        say(h2.ask_with_body(stream))
        for _ = 1, megabytes * 16 do
          say(frames(stream, WINDOW))
        end
        return opened(stream) - megabytes * 16 * WINDOW
      end
      local first, second = extra(1, 4), extra(3, 4)
      assert.is_true(first > 800 * 1024, "a stream alone grows to a megabyte: " .. first)
      assert.is_true(first + second <= RESERVE, first .. " and " .. second)
      say(h2.data(1, "", true))
      server.probes[1]:respond({}, true)
      server.probes[1]:close()
      place:turn()
      local third = extra(5, 4)
      assert.is_true(third > 400 * 1024, "the first one's is free again: " .. third)
    end)
  end)
end)
