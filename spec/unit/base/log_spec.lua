local ffi = require("ffi")
local c = require("support.c")
local child = require("support.child")

describe("gw_log_write", function()
  local lines, sink

  before_each(function()
    lines = {}
    sink = ffi.cast(
      "gw_log_sink",
      function(level, line) lines[#lines + 1] = c.str(c.gw_log_level_name(level)) .. " " .. c.str(line) end
    )
    c.gw_log_set_sink(sink, nil)
  end)

  after_each(function()
    c.gw_log_set_sink(nil, nil)
    sink:free()
  end)

  it("gives the sink the level and one line", function()
    c.gw_log_write(c.GW_LOG_WARN, "%s has %d", "this", ffi.new("int", 3))
    assert.same({ "warn this has 3" }, lines)
  end)

  it("escapes control bytes, so that nobody can forge a line", function()
    c.gw_log_write(c.GW_LOG_ERROR, "%s", "a\r\n2026 error b\27[0m\127")
    assert.same({ [[error a\x0d\x0a2026 error b\x1b[0m\x7f]] }, lines)
  end)

  it("leaves tabs and UTF-8 as they are", function()
    c.gw_log_write(c.GW_LOG_ERROR, "%s", "ä\t…")
    assert.same({ "error ä\t…" }, lines)
  end)

  it("cuts what is too long", function()
    c.gw_log_write(c.GW_LOG_ERROR, "%s", ("x"):rep(100000))
    assert.is_true(#lines[1] > 1000 and #lines[1] < 10000)
  end)

  it("has room for a long line of control bytes only", function()
    c.gw_log_write(c.GW_LOG_ERROR, "%s", ("\1"):rep(100000))
    assert.matches([[^error [\x01]+$]], lines[1])
  end)

  it("writes to standard error with time and level when there is no sink", function()
    local result = child.run(function()
      c.gw_log_set_sink(nil, nil)
      c.gw_log_write(c.GW_LOG_NOTICE, "%s", "hello")
    end)
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ notice hello\n$", result.stderr)
  end)
end)

describe("gw_log_level", function()
  it(
    "is notice until it is set",
    function() assert.equal(tonumber(c.GW_LOG_NOTICE), tonumber(c.gw_log_level())) end
  )

  it("is what was set", function()
    c.gw_log_set_level(c.GW_LOG_DEBUG)
    assert.equal(tonumber(c.GW_LOG_DEBUG), tonumber(c.gw_log_level()))
    c.gw_log_set_level(c.GW_LOG_NOTICE)
  end)
end)

describe("gw_log_level_parse", function()
  it("knows the name of every level", function()
    for level = 0, 4 do
      assert.equal(level, c.gw_log_level_parse(c.gw_log_level_name(level)))
    end
  end)

  it("knows the other names of warn and error", function()
    assert.equal(tonumber(c.GW_LOG_WARN), c.gw_log_level_parse("warning"))
    assert.equal(tonumber(c.GW_LOG_ERROR), c.gw_log_level_parse("err"))
  end)

  it("is -1 for anything else", function()
    assert.equal(-1, c.gw_log_level_parse("loud"))
    assert.equal(-1, c.gw_log_level_parse(""))
    assert.equal(-1, c.gw_log_level_parse("Debug"))
  end)
end)
