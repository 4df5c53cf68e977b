local moongate = require("support.moongate")
local wire = require("support.wire")

local YAML = [[
plugin_paths: [./plugins]
routes:
  - name: say
    paths: [/say]
    plugins: [{ name: say }]
]]

local HANDLER = [[
local words = require("say.words")
local M = { version = "1.0.0", priority = 1000 }
function M.access(_, ctx)
  return ctx.response:exit(200, words.first .. " %s")
end
return M
]]

local SCHEMA = 'local t = require("moongate.schema")\nreturn t.record {}\n'

describe("--watch", function()
  local gw

  local function says(text)
    return wire.wait(function() return gw:get("/say").body == text end, 5)
  end

  before_each(function()
    gw = moongate.start {
      yaml = YAML, args = { "--watch" },
      files = {
        ["plugins/say/handler.lua"] = HANDLER:format("one"), ["plugins/say/schema.lua"] = SCHEMA,
        ["plugins/say/words.lua"] = 'return { first = "say" }',
      },
    }
    assert.equal("say one", gw:get("/say").body)
  end)

  after_each(moongate.stop_all)

  it("sees a plugin saved by rename", function()
    gw:replace("plugins/say/handler.lua", HANDLER:format("two"))
    assert.is_truthy(says("say two"))
    gw:stop()
  end)

  it("sees a plugin saved in place", function()
    gw:write("plugins/say/handler.lua", HANDLER:format("two"))
    assert.is_truthy(says("say two"))
    gw:stop()
  end)

  it("sees a plugin saved in many writes", function()
    local text = HANDLER:format("two")
    local file = assert(io.open(gw:path("plugins/say/handler.lua"), "wb"))
    file:setvbuf("no")
    for i = 1, #text, 16 do
      file:write(text:sub(i, i + 15))
    end
    file:close()
    assert.is_truthy(says("say two"))
    gw:stop()
  end)

  it("sees a module that the plugin requires", function()
    gw:write("plugins/say/words.lua", 'return { first = "tell" }')
    assert.is_truthy(says("tell one"))
    gw:stop()
  end)

  it("sees the configuration", function()
    gw:configure((YAML:gsub("/say%]", "/say, /tell]")))
    assert.is_truthy(wire.wait(function() return gw:get("/tell").status == 200 end, 5))
    gw:stop()
  end)

  it("sees files in a folder made later", function()
    gw:write("plugins/say/more/other.lua", "return 1")
    assert.is_truthy(gw:wait_log("generation 2 serves"))
    gw:write("plugins/say/more/other.lua", "return 2")
    assert.is_truthy(gw:wait_log("generation 3 serves"))
    gw:stop()
  end)

  it("says which file changed and how long the reload took", function()
    gw:write("plugins/say/words.lua", 'return { first = "tell" }')
    assert.is_truthy(gw:wait_log("generation 2 serves after [%d.]+ ms: %S+/plugins/say/words.lua changed"))
    gw:stop()
  end)

  it("changes nothing for a syntax error but a line and the status", function()
    gw:write("plugins/say/handler.lua", "return {")
    assert.is_truthy(gw:wait_log("not reloaded, generation 1 keeps serving: %S+/plugins/say/handler.lua changed"))
    assert.is_truthy(gw:stderr():find("plugins/say/handler.lua:1:", 1, true))
    assert.equal("say one", gw:get("/say").body)
    local last = gw:status().lastReload
    assert.is_false(last.ok)
    assert.is_truthy(last.errors[1]:find("plugins/say/handler.lua:1:", 1, true), last.errors[1])
    gw:write("plugins/say/handler.lua", HANDLER:format("three"))
    assert.is_truthy(says("say three"))
    assert.is_true(gw:status().lastReload.ok)
    gw:stop()
  end)

  it("does not care for what editors put beside a file", function()
    gw:write("plugins/say/.handler.lua.swp", "x")
    gw:write("plugins/say/handler.lua~", "x")
    gw:write("plugins/say/4913", "x")
    gw:write("plugins/say/words.lua", 'return { first = "tell" }')
    assert.is_truthy(says("tell one"))
    assert.equal(2, gw:status().generation)
    gw:stop()
  end)
end)

describe("without --watch", function()
  after_each(moongate.stop_all)

  it("nothing is reloaded by itself", function()
    local gw = moongate.start { yaml = "routes: []\n" }
    gw:configure("routes: [ ]\n")
    wire.pass(0.3)
    assert.equal(1, gw:status().generation)
    gw:stop()
  end)
end)
