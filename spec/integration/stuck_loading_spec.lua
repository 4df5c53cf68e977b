-- Plugins that do not come to an end while they are loaded: the load fails, and nobody else notices.
local moongate = require("support.moongate")

local SCHEMA = "return require('moongate.schema').record {}"
local GOOD = "return { version = '1.0.0', priority = 1000, access = function() end }"
local BOMB = "('a'):rep(40):find(('a*'):rep(40) .. 'b')"

local function options(limit)
  return {
    yaml = ("workers: 1\nplugin_paths: [./plugins]\nlua: { load_limit: %s }\n"):format(limit)
      .. "routes: [{ name: r, paths: [/], plugins: [{ name: slow }, { name: echo }] }]\n",
    files = { ["plugins/slow/handler.lua"] = GOOD, ["plugins/slow/schema.lua"] = SCHEMA },
  }
end

local function init(body)
  return "local M = { version = '1.0.0', priority = 1000 }\nfunction M.access() end\nfunction M.init()\n"
    .. body
    .. "\nend\nreturn M\n"
end

-- What is loaded, and who is named for it.
local ENDLESS = {
  ["at the top of handler.lua"] = {
    "handler.lua",
    "while true do end\n" .. GOOD,
    "plugin slow, handler.lua: computed for more than 200 ms %(lua.load_limit%), at last in %S*slow/handler.lua:1:",
  },
  ["at the top of schema.lua"] = {
    "schema.lua",
    "local n = 0\nrepeat n = n + 1 until false",
    "plugin slow, schema.lua: computed for more than 200 ms %(lua.load_limit%), at last in %S*slow/schema.lua:2:",
  },
  ["in init, inside pcall"] = {
    "handler.lua",
    init("while true do pcall(function()\nwhile true do end end) end"),
    "plugin slow, init: computed for more than 200 ms %(lua.load_limit%), at last in %S*slow/handler.lua:%d+:",
  },
  ["in init, in the error handler of an xpcall"] = {
    "handler.lua",
    init("xpcall(error, function() while true do end end)"),
    "plugin slow, init: computed for more than 200 ms %(lua.load_limit%), at last in %S*slow/handler.lua:%d+:",
  },
}

describe("a plugin that is loaded without end", function()
  after_each(moongate.stop_all)

  it("fails the reload, which says who it was; the next one is as good as any", function()
    local gw = moongate.start(options("200ms"))
    for where, case in pairs(ENDLESS) do
      gw:write("plugins/slow/" .. case[1], case[2])
      local status, answer = gw:reload()
      assert.equal(422, status, where)
      assert.matches(case[3], answer.errors[1], nil, nil, where)
      assert.equal(200, gw:get("/").status, where)
      gw:write("plugins/slow/" .. case[1], case[1] == "schema.lua" and SCHEMA or GOOD)
      assert.equal(200, (gw:reload()), where)
    end
    gw:stop()
  end)

  it("ends the start with 1", function()
    local opts = options("200ms")
    opts.files["plugins/slow/handler.lua"] = init("while true do end")
    local folder = moongate.folder(opts.files)
    moongate.write(folder .. "/moongate.yaml", moongate.yaml(opts.yaml))
    local ended = moongate.command({ "run", "-c", "moongate.yaml" }, folder)
    assert.equal(1, ended.code)
    assert.matches("plugin slow, init: computed for more than 200 ms", ended.stderr)
  end)

  it("that nothing stops is named and takes reloads with it, but nobody who is served", function()
    local gw = moongate.start(options("100ms"))
    gw:write("plugins/slow/handler.lua", init(BOMB))
    gw.process:kill("HUP")
    assert.is_truthy(gw:wait_log("plugin slow, init: has kept its thread for %d+ ms.-What serves goes on", 10))
    assert.equal(200, gw:get("/").status)
    gw.process:kill("TERM")
    assert.is_truthy(gw:wait_log("stopping"))
    gw.process:kill("TERM")
    assert.equal(1, gw.process:wait(10))
    assert.matches("a configuration is still being loaded and does not end", gw:stderr())
  end)

  it("that nothing stops ends the start with 1, too", function()
    local opts = options("100ms")
    opts.files["plugins/slow/handler.lua"] = init(BOMB)
    local folder = moongate.folder(opts.files)
    moongate.write(folder .. "/moongate.yaml", moongate.yaml(opts.yaml))
    local ended = moongate.command({ "run", "-c", "moongate.yaml" }, folder)
    assert.equal(1, ended.code)
    assert.matches("plugin slow, init: has kept its thread for %d+ ms.-The process ends", ended.stderr)
  end)
end)
