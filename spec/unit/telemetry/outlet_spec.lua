local ffi = require("ffi")
local c = require("support.c")
local moongate = require("support.moongate")
local pipes = require("support.pipes")
local wire = require("support.wire")

describe("an outlet", function()
  local outlet, folder

  before_each(function()
    folder = moongate.folder()
    outlet = ffi.new("struct gw_outlet[1]")
    c.gw_outlet_init(outlet)
  end)

  after_each(function()
    c.gw_outlet_close(outlet)
    moongate.stop_all()
  end)

  local function open(name) return c.gw_outlet_open(outlet, c.slice(name)) end

  -- How many of the lines were taken.
  local function write(lines, now)
    local list = ffi.new("struct gw_slice[?]", #lines)
    for i, line in ipairs(lines) do
      list[i - 1] = c.slice(line)
    end
    return c.gw_outlet_write(outlet, list, #lines, now or 0)
  end

  local function read(name)
    local file = assert(io.open(folder .. "/" .. name))
    local text = file:read("*a")
    file:close()
    return text
  end

  it("takes everything and writes nothing while it is off", function()
    assert.equal(2, write { "a\n", "b\n" })
    assert.is_true(open("off"))
    assert.equal(2, write { "a\n", "b\n" })
  end)

  it("appends to a file", function()
    moongate.write(folder .. "/log", "first\n")
    assert.is_true(open(folder .. "/log"))
    assert.equal(2, write { "a\n", "b\n" })
    assert.equal("first\na\nb\n", read("log"))
  end)

  it("takes more lines than one call of the kernel does", function()
    local lines = {}
    for i = 1, 200 do
      lines[i] = i .. "\n"
    end
    open(folder .. "/log")
    assert.equal(200, write(lines))
    assert.equal(table.concat(lines), read("log"))
  end)

  it("cannot be opened where there is no folder", function()
    assert.is_false(open(folder .. "/nowhere/log"))
    assert.equal(1, write { "a\n" })
  end)

  it("goes on in the new file after a rotation", function()
    open(folder .. "/log")
    write { "a\n" }
    assert(os.rename(folder .. "/log", folder .. "/old"))
    write { "b\n" }
    assert.is_true(c.gw_outlet_reopen(outlet))
    write { "c\n" }
    assert.equal("a\nb\n", read("old"))
    assert.equal("c\n", read("log"))
  end)

  it("keeps the old file when the new one cannot be opened", function()
    os.execute("mkdir " .. folder .. "/logs")
    open(folder .. "/logs/log")
    assert(os.rename(folder .. "/logs", folder .. "/old"))
    assert.is_false(c.gw_outlet_reopen(outlet))
    assert.equal(1, write { "a\n" })
    assert.equal("a\n", read("old/log"))
  end)

  it("leaves standard output alone in a rotation", function()
    open("stdout")
    local fd = outlet[0].fd
    assert.is_true(c.gw_outlet_reopen(outlet))
    assert.equal(fd, outlet[0].fd)
  end)

  it("tries a full disk again after a second, not before", function()
    open("/dev/full")
    assert.equal(0, write({ "a\n" }, 5000000))
    assert.equal(
      "GW_OUTLET_FAILED",
      tonumber(outlet[0].state) == tonumber(c.GW_OUTLET_FAILED) and "GW_OUTLET_FAILED"
    )
    assert.equal(28, outlet[0].error) -- ENOSPC
    assert.equal(6000000, tonumber(outlet[0].retry_us))
    assert.equal(0, write({ "a\n" }, 5999999))
  end)

  describe("to a pipe", function()
    local pipe

    before_each(function()
      pipe = pipes.new(folder .. "/pipe")
      assert.is_true(open(pipe.path))
    end)

    after_each(function() pipe:close() end)

    it("does not wait for the reader, and ends a line that it began", function()
      local long = ("x"):rep(6000) .. "\n"
      assert.equal(1, write { long, "b\n" }) -- a page went
      assert.equal(tonumber(c.GW_OUTLET_STALLED), tonumber(outlet[0].state))
      assert.equal(0, write { "b\n" })
      pipe:read()
      assert.is_truthy(wire.wait(function() return c.gw_outlet_finish(outlet, 0) end))
      assert.equal(1, write { "b\n" })
      assert.is_truthy(wire.wait(function() return pipe:text() == long .. "b\n" end))
    end)

    it("writes a line that was begun whole where it goes on", function()
      local long = ("x"):rep(6000) .. "\n"
      local fresh = ffi.new("struct gw_outlet[1]")
      write { long }
      assert.is_true(c.gw_outlet_open(fresh, c.slice(folder .. "/log")))
      c.gw_outlet_replace(outlet, fresh)
      assert.is_true(c.gw_outlet_finish(outlet, 0))
      write { "b\n" }
      assert.equal(long .. "b\n", read("log"))
    end)

    it("drops a line that was begun when it is switched off", function()
      local fresh = ffi.new("struct gw_outlet[1]")
      write { ("x"):rep(6000) .. "\n" }
      assert.is_true(c.gw_outlet_open(fresh, c.slice("off")))
      c.gw_outlet_replace(outlet, fresh)
      assert.is_true(c.gw_outlet_finish(outlet, 0))
    end)

    it("fails when the reader is gone, and goes on when there is one again", function()
      pipe:close()
      assert.equal(0, write({ "a\n" }, 0))
      assert.equal(32, outlet[0].error) -- EPIPE
      pipe:open()
      assert.equal(1, write({ "a\n" }, 1000000))
      assert.equal(tonumber(c.GW_OUTLET_GOOD), tonumber(outlet[0].state))
    end)
  end)
end)
