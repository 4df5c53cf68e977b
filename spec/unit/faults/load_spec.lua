-- Making a Lua state with its plugins, when something is missing on the way: it says what, and nothing is left.
local c = require("support.c")
local faults = require("support.faults")
local scripts = require("support.scripts")

local PLUGIN = [[
local metrics = require("moongate.metrics")
local shared = require("moongate.shared")
local M, zone, count = {}
function M.init()
  zone = shared.dict("z", { size = "1m" })
  count = metrics.counter { name = "seen", about = "How many were seen." }
end
function M.access(_, ctx) zone:set("a", 1) end
return M
]]

-- The reason why it was not made; nil when it was.
local function make(memory)
  local s = scripts.new { plugins = { p = PLUGIN, q = PLUGIN }, memory = memory }
  local why = s.why
  s:free()
  return why
end

describe("a Lua state", function()
  after_each(function() faults.set("") end)

  it("is not made in too little memory, and says so", function()
    for _, kib in ipairs { 1, 4, 6, 8, 10, 12, 16, 30, 64, 300 } do
      assert.matches("not enough memory", make(kib * 1024))
    end
    assert.is_nil(make(8 * 1024 * 1024))
  end)

  for point, step in pairs { ["lua.memory"] = 997, ["lua.open"] = 1 } do
    it("is not made, or is whole, when " .. point .. " fails", function()
      local n, refused = 1, 0
      while true do
        faults.set(point .. ":" .. n)
        local why = make()
        local fired = faults.fired() > 0
        faults.set("")
        if not fired then break end
        if why then refused = refused + 1 end
        n = n + faults.step(step)
      end
      assert.is_true(refused > 0)
      assert.is_nil(make())
      assert.equal(0, c.gw_conn_count())
    end)
  end
end)
