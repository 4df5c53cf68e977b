local moongate = require("support.moongate")

local ALL = "init,rewrite,access,request_body,response,body,log,event"

local function read(path)
  local file = io.open(path)
  local text = file and file:read("*a")
  if file then file:close() end
  return text
end

-- Arguments after `new`, exit code, and what must be shown.
local ROWS = {
  { { "plugin", "a", "--hooks", "access,nonsense" }, 2, err = 'moongate: new: "nonsense" is no hook' },
  { { "plugin", "a", "--hooks", "acess" }, 2, err = '(did you mean "access"?)' },
  { { "plugin", "a", "--hooks", "," }, 2, err = "--hooks names none" },
  { { "plugin", "A" }, 2, err = "a plugin's name is made of a-z, 0-9 and -" },
  { { "plugin", "../a" }, 2, err = "a plugin's name is made of" },
  { { "plugin", "a-" }, 2, err = "a plugin's name is made of" },
  { { "plugin", "" }, 2, err = "1 to 64 characters" },
  { { "plugin", ("a"):rep(65) }, 2, err = "1 to 64 characters" },
  { { "service", "a" }, 2, err = '"service" cannot be made (usage: moongate new plugin NAME)' },
  { { "plugin" }, 2, err = "something is missing (usage: moongate new plugin NAME" },
  { { "plugin", "a", "--dir", "/proc" }, 1, err = "moongate: new: /proc/a/README.md: No such file or directory" },
}

describe("moongate new plugin", function()
  local folder

  before_each(function() folder = moongate.folder() end)
  after_each(moongate.stop_all)

  local function new(...) return moongate.command({ "new", ... }, folder) end

  it("makes a handler, a schema, a README and a spec, and says what to do next", function()
    local result = new("plugin", "tenant-header")
    assert.equal(0, result.code, result.stderr)
    for _, name in ipairs { "handler.lua", "schema.lua", "README.md", "spec/tenant-header_spec.lua" } do
      local text = read(folder .. "/plugins/tenant-header/" .. name)
      assert.is_truthy(text, name)
      assert.is_nil(text:find("NAME", 1, true), name)
    end
    assert.is_truthy(result.stdout:find("made plugins/tenant-header: ", 1, true), result.stdout)
    assert.is_truthy(result.stdout:find("next: `moongate test`", 1, true), result.stdout)
    assert.is_truthy(select(2, result.stdout:gsub("\n", "")) <= 4, result.stdout)
  end)

  it("makes what the gateway loads, whatever the hooks", function()
    assert.equal(0, new("plugin", "usual").code)
    for hook in ALL:gmatch("[^,]+") do
      assert.equal(0, new("plugin", "only-" .. hook:gsub("_", "-"), "--hooks", hook).code)
      local handler = read(folder .. "/plugins/only-" .. hook:gsub("_", "-") .. "/handler.lua")
      assert.is_truthy(handler:find("function M." .. hook .. "(", 1, true), handler)
      assert.equal(1, select(2, handler:gsub("function M%.", "")))
    end
    moongate.write(
      folder .. "/moongate.yaml",
      [[
listeners: [{ address: 127.0.0.1:0 }]
routes:
  - { name: a, paths: [/], public: true, plugins: [{ name: usual, config: { message: hi } }, { name: only-access }] }
]]
    )
    local check = moongate.command({ "check" }, folder)
    assert.equal(0, check.code, check.stderr)
  end)

  it("makes specs that pass", function()
    assert.equal(0, new("plugin", "usual").code)
    for hook in ALL:gmatch("[^,]+") do
      new("plugin", "only-" .. hook:gsub("_", "-"), "--hooks", hook)
    end
    new("plugin", "every", "--hooks", ALL)
    local result = moongate.command({ "test", "-o", "TAP" }, folder)
    assert.equal(0, result.code, result.stdout .. result.stderr)
    assert.is_truthy(result.stdout:find("1..16", 1, true), result.stdout)
  end)

  it("takes a folder for plugins, and says how to name it", function()
    local result = new("plugin", "x", "--dir", "my/own/")
    assert.equal(0, result.code, result.stderr)
    assert.is_truthy(read(folder .. "/my/own/x/handler.lua"))
    assert.is_truthy(result.stdout:find("`moongate test my/own/x`", 1, true), result.stdout)
    assert.is_truthy(result.stdout:find("plugin_paths: [my/own]", 1, true), result.stdout)
  end)

  it("never touches what is there", function()
    moongate.write(folder .. "/plugins/x/notes.txt", "mine")
    moongate.write(folder .. "/.luarc.json", "{}")
    local result = new("plugin", "x")
    assert.equal(1, result.code)
    assert.equal("moongate: new: plugins/x is there already (nothing was changed)\n", result.stderr)
    assert.is_nil(read(folder .. "/plugins/x/handler.lua"))
    assert.equal(0, new("plugin", "y").code)
    assert.equal("{}", read(folder .. "/.luarc.json"))
  end)

  it(
    "says when a bundled plugin has the name",
    function()
      assert.is_truthy(new("plugin", "echo").stdout:find("note: a bundled plugin is called echo, too", 1, true))
    end
  )

  it("points lua-language-server at the types", function()
    new("plugin", "x")
    local library = read(folder .. "/.luarc.json"):match('"workspace.library": %["([^"]+)"')
    assert.matches("/lua/moongate/types$", library)
  end)

  for _, row in ipairs(ROWS) do
    it(("refuses %s"):format(table.concat(row[1], " ")), function()
      local result = new(unpack(row[1]))
      assert.equal(row[2], result.code, result.stderr)
      assert.is_truthy(result.stderr:find(row.err, 1, true), result.stderr)
      assert.equal("", result.stdout)
    end)
  end

  describe("--from", function()
    local host = require("support.host")

    it("moves a plugin that was written for Kong, and the gateway loads it", function()
      local result = new("plugin", "canary", "--from", host.source_dir .. "/spec/kong/original/canary-routing/")
      assert.equal(0, result.code, result.stderr)
      assert.equal(
        "made plugins/canary: handler.lua, schema.lua\n"
          .. "next: `moongate check` loads it, once moongate.yaml uses it\n",
        result.stdout
      )
      assert.equal(
        read(host.source_dir .. "/spec/kong/moved/canary-routing/handler.lua"),
        read(folder .. "/plugins/canary/handler.lua")
      )
      moongate.write(
        folder .. "/moongate.yaml",
        "listeners: [{ address: 127.0.0.1:0 }]\nplugin_paths: [./plugins]\n"
          .. "default_access: allow\nplugins: [{ name: canary, config: { host: a, port: 1 } }]\n"
      )
      local checked = moongate.command({ "check" }, folder)
      assert.equal(0, checked.code, checked.stderr)
    end)

    it("says what is left to do, and where", function()
      moongate.write(
        folder .. "/old/handler.lua",
        "local own = require 'kong.plugins.old.own'\nlocal H = {}\n"
          .. "function H:access(conf)\n  own.go(kong.cache)\nend\nreturn H\n"
      )
      moongate.write(folder .. "/old/own.lua", "return { go = function() ngx.exit(1) end }\n")
      moongate.write(folder .. "/old/schema.lua", "return { name = 'old', fields = {} }\n")
      moongate.write(folder .. "/old/daos.lua", "return {}\n")
      local result = new("plugin", "other", "--from", "old")
      assert.equal(0, result.code, result.stderr)
      for _, line in ipairs {
        "by hand: old/handler.lua:4: kong.cache: not in this version",
        "by hand: old/own.lua:1: ngx.exit: use ctx.response:exit",
        "by hand: old/daos.lua: was left out",
      } do
        assert.truthy(result.stdout:find(line, 1, true), result.stdout)
      end
      assert.truthy(read(folder .. "/plugins/other/handler.lua"):find("require 'other.own'", 1, true))
    end)

    it("refuses what is no plugin", function()
      local result = new("plugin", "a", "--from", "/nowhere")
      assert.equal(1, result.code)
      assert.truthy(
        result.stderr:find("/nowhere has no handler.lua: it is no plugin for Kong", 1, true),
        result.stderr
      )
      assert.equal(2, new("plugin", "a", "--from", "/nowhere", "--hooks", "log").code)
      assert.is_nil(read(folder .. "/plugins/a/handler.lua"))
    end)
  end)
end)
