local bit = require("bit")
local ffi = require("ffi")
local c = require("support.c")

local TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

-- A frame. over: { fin = false, rsv = 4, mask = "…" (false: none), length = N (as written), long = 2 | 8 (form of the length) }
local function frame(opcode, payload, over)
  over = over or {}
  local length, long = over.length or #payload, over.long
  long = long or length < 126 and 0 or length < 65536 and 2 or 8
  local mask = over.mask == nil and "\1\2\3\4" or over.mask
  local out = { string.char((over.fin == false and 0 or 128) + (over.rsv or 0) * 16 + opcode) }
  out[2] = string.char((mask and 128 or 0) + (long == 0 and length or long == 2 and 126 or 127))
  for i = long - 1, 0, -1 do
    out[#out + 1] = string.char(math.floor(length / 256 ^ i) % 256)
  end
  if mask then
    out[#out + 1] = mask
    payload = payload:gsub(
      "()(.)",
      function(at, byte) return string.char(bit.bxor(byte:byte(), mask:byte((at - 1) % 4 + 1))) end
    )
  end
  return table.concat(out) .. payload
end

describe("frames of a WebSocket", function()
  local reader, rules

  local function begin(over, masked, compressed)
    rules = ffi.new("struct gw_websocket_rules", over or {})
    reader = ffi.new("struct gw_websocket_reader")
    c.gw_websocket_reader_init(reader, rules, masked ~= false, compressed or false)
  end

  local function read(bytes)
    local slice = c.slice(bytes)
    local passed = c.gw_websocket_read(reader, slice)
    return c.str(passed.held) .. bytes:sub(1, tonumber(passed.len)), tonumber(passed.code)
  end

  local function code_of(...)
    local _, code = read(table.concat { ... })
    return code
  end

  before_each(function() begin() end)

  it("pass as they are, wherever they are cut", function()
    local bytes = frame(TEXT, "hello", { fin = false })
      .. frame(PING, "?")
      .. frame(0, ("x"):rep(300))
      .. frame(BINARY, ("y"):rep(70000))
      .. frame(CLOSE, "\3\232bye")
    for _, size in ipairs { 1, 2, 3, 7, 64, #bytes } do
      begin { max_frame = 70000, max_message = 70000 }
      local out = {}
      for at = 1, #bytes, size do
        local text, code = read(bytes:sub(at, at + size - 1))
        assert.equal(0, code)
        out[#out + 1] = text
      end
      assert.is_true(bytes == table.concat(out), size)
    end
  end)

  it("are not given on before their header is whole and good", function()
    assert.equal("", (read(frame(BINARY, ("x"):rep(200)):sub(1, 7))))
    assert.equal("", (read("")))
    local text = read("\4xy")
    assert.equal(10, #text)
    begin { max_frame = 10 }
    assert.equal(frame(TEXT, "one"), (read(frame(TEXT, "one") .. frame(TEXT, ("x"):rep(11)))))
  end)

  it("are masked by clients, and by nobody else", function()
    assert.equal(1002, code_of(frame(TEXT, "a", { mask = false })))
    begin({}, false)
    assert.equal(1002, code_of(frame(TEXT, "a")))
    begin({}, false)
    assert.equal(0, code_of(frame(TEXT, "a", { mask = false })))
  end)

  it("have the length that is written shortest, below 2^63", function()
    for _, case in ipairs { { 5, 2 }, { 125, 2 }, { 126, 8 }, { 65535, 8 }, { 2 ^ 63, 8 } } do
      begin()
      assert.equal(1002, code_of(frame(BINARY, "", { length = case[1], long = case[2] })), case[1])
    end
    begin()
    assert.equal(0, code_of(frame(BINARY, "", { length = 2 ^ 62, long = 8 })))
    begin { max_frame = 1000 }
    assert.equal(1009, code_of(frame(BINARY, "", { length = 2 ^ 62, long = 8 })))
    begin { max_message = 1000 }
    assert.equal(1009, code_of(frame(BINARY, "", { length = 2 ^ 62, long = 8 })))
  end)

  it("of control are short, whole and known", function()
    for _, bad in ipairs {
      frame(PING, ("x"):rep(126)),
      frame(PING, "", { fin = false }),
      frame(11, ""),
      frame(15, ""),
      frame(3, ""),
      frame(7, ""),
      frame(PONG, "", { rsv = 4 }),
      frame(TEXT, "", { rsv = 4 }),
      frame(TEXT, "", { rsv = 2 }),
    } do
      begin()
      assert.equal(1002, code_of(bad))
    end
    begin()
    assert.equal(0, code_of(frame(PING, ("x"):rep(125)), frame(PONG, "")))
  end)

  it("may be compressed where that was agreed on, the first of a message alone", function()
    begin({ utf8 = true }, true, true)
    assert.equal(0, code_of(frame(TEXT, "\255\255", { rsv = 4, fin = false }), frame(0, "\255")))
    begin({}, true, true)
    assert.equal(1002, code_of(frame(TEXT, "a", { rsv = 4, fin = false }), frame(0, "a", { rsv = 4 })))
    begin({}, true, true)
    assert.equal(1002, code_of(frame(TEXT, "a", { rsv = 1 })))
  end)

  it("are in the order of messages", function()
    assert.equal(1002, code_of(frame(0, "a")))
    begin()
    assert.equal(1002, code_of(frame(TEXT, "a", { fin = false }), frame(TEXT, "b")))
    begin()
    assert.equal(1002, code_of(frame(TEXT, "a"), frame(0, "b")))
  end)

  it("are counted: each, and all of a message", function()
    begin { max_frame = 10, max_message = 25 }
    assert.equal(
      0,
      code_of(
        frame(TEXT, ("x"):rep(10), { fin = false }),
        frame(0, ("x"):rep(10), { fin = false }),
        frame(0, ("x"):rep(5))
      )
    )
    assert.equal(0, code_of(frame(TEXT, ("x"):rep(10))))
    assert.equal(1009, code_of(frame(TEXT, ("x"):rep(11))))
    begin { max_message = 25 }
    assert.equal(
      1009,
      code_of(
        frame(TEXT, ("x"):rep(10), { fin = false }),
        frame(PING, ("p"):rep(100)),
        frame(0, ("x"):rep(16), { fin = false })
      )
    )
  end)

  it("may be a million fragments, and pings without end", function()
    begin { max_frame = 10, max_message = 1000000 }
    local piece = frame(0, "x", { fin = false })
    assert.equal(0, code_of(frame(TEXT, "", { fin = false })))
    for _ = 1, 1000 do
      assert.equal(0, code_of(piece:rep(1000)))
    end
    assert.equal(1009, code_of(piece))
    begin { max_frame = 10, max_message = 10 }
    for _ = 1, 100 do
      assert.equal(0, code_of(frame(PING, "flood"):rep(1000)))
    end
  end)

  it("of text are UTF-8 where that is asked for, across all cuts", function()
    local good = "ü€😀\0\127\239\191\191"
    for at = 0, #good do
      begin { utf8 = true }
      assert.equal(
        0,
        code_of(frame(TEXT, good:sub(1, at), { fin = false }), frame(PING, "\255"), frame(0, good:sub(at + 1)))
      )
    end
    for _, bad in ipairs {
      "\255",
      "\192\175",
      "\224\128\128",
      "\237\160\128",
      "\240\128\128\128",
      "\244\144\128\128",
      "\128",
      "\226\130",
      "a\195",
    } do
      begin { utf8 = true }
      assert.equal(1007, code_of(frame(TEXT, bad)), bad)
      begin()
      assert.equal(0, code_of(frame(TEXT, bad)))
      begin { utf8 = true }
      assert.equal(0, code_of(frame(BINARY, bad)))
    end
  end)

  it("that close say why in the words there are, and end everything", function()
    for _, good in ipairs { "", "\3\232", "\3\235x", "\15\160ü", "\19\135" } do
      begin()
      local text, code = read(frame(CLOSE, good) .. "anything")
      assert.equal(0, code)
      assert.equal(frame(CLOSE, good), text)
      assert.equal("", (read("more")))
    end
    for _, bad in ipairs { "\3", "\3\231", "\3\236", "\3\237", "\3\247", "\11\183", "\19\136", "\0\0" } do
      begin()
      assert.equal(1002, code_of(frame(CLOSE, bad)))
    end
    begin()
    assert.equal(1007, code_of(frame(CLOSE, "\3\232\255")))
  end)

  it("are made here to close", function()
    local out = ffi.new("char[8]")
    local size = c.gw_websocket_close(1009, nil, out)
    assert.equal(frame(CLOSE, "\3\241", { mask = false }), ffi.string(out, size))
    size = c.gw_websocket_close(1001, ffi.new("unsigned char[4]", 1, 2, 3, 4), out)
    assert.equal(frame(CLOSE, "\3\233"), ffi.string(out, size))
  end)
end)
