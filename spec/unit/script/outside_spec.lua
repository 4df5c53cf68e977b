local inside = require("support.inside")

describe("moongate.outside", function()
  it(
    "collects garbage when what Lua holds outside has doubled",
    function()
      assert.equal(
        "true",
        inside [[
      local collected = false
      local ffi = require("ffi")
      for i = 1, 100 do
        m.outside.take(1024 * 1024, "x")
        ffi.gc(ffi.new("char[1]"), function() collected = true m.outside.give(1024 * 1024) end)
      end
      return collected]]
      )
    end
  )

  it(
    "has an end for what is kept",
    function()
      assert.matches(
        "^error: .*handler.lua:%d+: x: objects of this worker hold 209715200 bytes outside of Lua already",
        inside [[
        local function make() m.outside.take(100 * 1024 * 1024, "x") end
        for _ = 1, 3 do make() end]]
      )
    end
  )
end)
