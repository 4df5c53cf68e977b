local ffi = require("ffi")
local c = require("support.c")

ffi.cdef([[unsigned gw_spec_sink_race(struct gw_sink_queue *queue, unsigned lines);]])

describe("a sink's queue", function()
  local queue

  local function new(entries, bytes, wake_at)
    queue = c.gw_sink_queue_new(entries or 100, bytes or 1000, wake_at or 0)
  end

  after_each(function() c.gw_sink_queue_free(queue) end)

  local function put(text, newline)
    local outcome = c.gw_sink_queue_put(queue, c.slice(text), newline or false)
    return outcome == c.GW_SINK_FULL and "full" or outcome == c.GW_SINK_PUT and "put" or "wake"
  end

  -- Texts, and the entries to be released.
  local function take(sleeps)
    local texts, entries = {}, {}
    local entry = c.gw_sink_queue_take(queue, sleeps ~= false)
    while entry ~= nil do
      texts[#texts + 1], entries[#entries + 1] = ffi.string(entry.text, entry.len), entry
      entry = entry.next
    end
    return texts, entries
  end

  local function release(entries)
    for _, entry in ipairs(entries) do
      c.gw_sink_queue_release(queue, entry)
    end
  end

  it("gives the lines in the order they were put", function()
    new()
    put("one")
    put("two")
    put("")
    local texts, entries = take()
    assert.same({ "one", "two", "" }, texts)
    release(entries)
    assert.same({}, (take()))
  end)

  it("wakes the other thread only when that sleeps", function()
    new()
    assert.equal("wake", put("one"))
    assert.equal("put", put("two"))
    release(select(2, take()))
    assert.equal("put", put("three"))
    release(select(2, take()))
    take(false)
    assert.equal("put", put("four"))
    release(select(2, take()))
    take(true)
    assert.equal("wake", put("five"))
  end)

  it("wakes it, asleep or not, when a batch is full", function()
    new(100, 1000, 3)
    put("one")
    release(select(2, take()))
    assert.equal("put", put("two"))
    assert.equal("put", put("three"))
    assert.equal("wake", put("four"))
    assert.equal("put", put("five"))
  end)

  it("drops what is over the number of lines, until some are released", function()
    new(2)
    put("one")
    put("two")
    assert.equal("full", put("three"))
    local _, entries = take()
    assert.equal("full", put("three"))
    release { entries[1] }
    assert.equal("put", put("three"))
    release { entries[2] }
    assert.equal(2, tonumber(c.gw_sink_queue_dropped(queue)))
    assert.equal(1, c.gw_sink_queue_entries(queue))
  end)

  it("drops what is over the number of bytes", function()
    new(100, 10)
    put("12345")
    assert.equal("full", put("123456"))
    assert.equal("put", put("12345"))
    assert.equal("full", put("1"))
    assert.equal(10, tonumber(c.gw_sink_queue_bytes(queue)))
    assert.equal(2, tonumber(c.gw_sink_queue_dropped(queue)))
  end)

  it("keeps a line one line", function()
    new()
    put("a\r\nforged: true\n", true)
    put("plain", true)
    put("kept\nas it is")
    local texts, entries = take()
    assert.same({ "a  forged: true \n", "plain\n", "kept\nas it is" }, texts)
    release(entries)
  end)

  it("makes of everything what every reader can read", function()
    new()
    put("caf\195\169 \255\254 long enough \195 and \237\160\128 and \226\130\172")
    local texts, entries = take()
    assert.same({ "caf\195\169 ?? long enough ? and ??? and \226\130\172" }, texts)
    release(entries)
  end)

  it("frees what nobody took", function()
    new()
    put("one")
    put("two")
  end)

  it("loses nothing and no wake-up among threads, also when it is full", function()
    new(100, 100000)
    assert.equal(3 * 50000, ffi.C.gw_spec_sink_race(queue, 50000))
    assert.equal(0, c.gw_sink_queue_entries(queue))
    assert.equal(0, tonumber(c.gw_sink_queue_bytes(queue)))
  end)
end)
