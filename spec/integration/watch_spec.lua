local host = require("support.host")
local moongate = require("support.moongate")
local process = require("support.process")
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
      yaml = YAML,
      args = { "--watch" },
      files = {
        ["plugins/say/handler.lua"] = HANDLER:format("one"),
        ["plugins/say/schema.lua"] = SCHEMA,
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

  it("says everything of a failed reload in one line", function()
    gw:write("plugins/say/handler.lua", "return {")
    local line = gw:wait_log("[^\n]*not reloaded[^\n]*")
    assert.matches(
      'handler.lua changed: %S+/moongate.yaml:%d+: routes%[0%]%S* the plugin "say" cannot be loaded: '
        .. "%S+/plugins/say/handler.lua:1: ",
      line
    )
    assert.equal(1, select(2, gw:stderr():gsub("handler.lua:1:", "")))
    gw:stop()
  end)

  it("counts the errors when there are several, after naming each", function()
    gw:configure(YAML .. "rutes: []\nrautes: []\n")
    assert.is_truthy(gw:wait_log("keeps serving: %S+/moongate.yaml changed: 2 errors\n"))
    assert.is_truthy(gw:stderr():find("moongate.yaml:%d+: rutes: "))
    assert.is_truthy(gw:stderr():find("moongate.yaml:%d+: rautes: "))
    gw:stop()
  end)

  it("says that more than one file changed", function()
    gw:write("plugins/say/words.lua", 'return { first = "tell" }')
    gw:write("plugins/say/other.lua", "return 1")
    assert.is_truthy(gw:wait_log("plugins/say/words.lua and others changed"))
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

describe("on a terminal", function()
  local folder

  before_each(
    function()
      folder = moongate.folder {
        ["moongate.yaml"] = moongate.yaml(YAML:gsub("/say", "/")),
        ["plugins/say/handler.lua"] = HANDLER:format("one"),
        ["plugins/say/schema.lua"] = SCHEMA,
        ["plugins/say/words.lua"] = "return {}",
      }
    end
  )
  after_each(moongate.stop_all)

  -- What a terminal gets to see of a start, a good reload, a bad one, and the end.
  local function lines(env)
    env.RUNTIME_DIRECTORY, env.MOONGATE_HOME = folder .. "/run", host.source_dir
    local seen = process.start({
      "/usr/bin/env",
      "-C",
      folder,
      "/usr/bin/script",
      "-qefc",
      "exec '" .. moongate.binary .. "' run --watch",
      "/dev/null",
    }, folder, env)
    local function wait(pattern)
      assert.is_truthy(wire.wait(function() return seen:stdout():find(pattern) end, 20), seen:stdout())
    end
    wait("serves: generation 1")
    moongate.write(folder .. "/plugins/say/words.lua", "return { }")
    wait("generation 2 serves")
    moongate.write(folder .. "/plugins/say/words.lua", "return {")
    wait("not reloaded")
    seen:kill("TERM")
    seen:wait()
    return seen:stdout():gsub("\r", "")
  end

  it("lines are short, and files are called as they are there", function()
    local text = lines { TERM = "xterm", NO_COLOR = "1" }
    assert.matches("\n%d%d:%d%d:%d%d generation 2 serves after [%d.]+ ms: plugins/say/words.lua changed\n", text)
    assert.matches(
      "\n%d%d:%d%d:%d%d error not reloaded, generation 2 keeps serving: plugins/say/words.lua changed: ",
      text
    )
    assert.is_nil(text:find("\27", 1, true))
  end)

  it("has colours", function()
    local text = lines { TERM = "xterm", NO_COLOR = false }
    assert.matches("\27%[2m%d%d:%d%d:%d%d\27%[0m generation 2 serves", text)
    assert.matches("\27%[31merror\27%[0m not reloaded", text)
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
