local files = require("moongate.config.files")
local plugins = require("moongate.config.plugins")

local SCHEMA = 'local t = require("moongate.schema")\nreturn t.record { status = t.integer { default = 200 } }\n'

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

describe("the plugin finder", function()
  local root

  before_each(function()
    root = os.tmpname()
    os.remove(root)
    for _, name in ipairs { "own/mine", "bundled/mine", "bundled/echo" } do
      assert.equal(0, os.execute(("mkdir -p %s/%s"):format(root, name)))
      write(
        ("%s/%s/handler.lua"):format(root, name),
        ("return { priority = %d, access = function() end }"):format(name:find("own") and 7 or 5)
      )
      write(("%s/%s/schema.lua"):format(root, name), SCHEMA)
    end
  end)

  after_each(function() os.execute("rm -r " .. root) end)

  local function find(name)
    return plugins.finder { paths = { root .. "/own" }, bundled = root .. "/bundled" }(name)
  end

  local function handler(text)
    write(root .. "/own/mine/handler.lua", text)
    return find("mine")
  end

  it("prefers a plugin of one's own to the bundled one of the same name", function()
    local info = find("mine")
    assert.equal(7, info.priority)
    assert.is_false(info.bundled)
    assert.is_true(find("echo").bundled)
  end)

  it("says which hooks there are and whether it authenticates", function()
    local info = handler('return { version = "1.2.3", authenticates = true, access = print, log = print }')
    assert.same({ access = true, log = true }, info.hooks)
    assert.is_true(info.authenticates)
    assert.is_nil(info.priority)
    assert.equal("record", info.schema.kind)
  end)

  it("suggests a name", function()
    local _, reason = find("mien")
    assert.equal('no plugin named "mien" (did you mean "mine"?)', reason)
    _, reason = find("rate-limiting")
    assert.equal('"rate-limiting" is known, not in this version', reason)
  end)

  it("lets a plugin require its own modules, and nobody else's", function()
    write(root .. "/own/mine/helper.lua", "return { n = 42 }")
    local info = handler('local h = require("mine.helper")\nreturn { priority = h.n, access = print }')
    assert.equal(42, info.priority)
    assert.is_nil(package.loaded["mine.helper"])
  end)

  it("looks at a handler without a gateway behind it", function()
    local info = handler(
      'local uuid = require("moongate.uuid")\nlocal made = uuid.v4():sub(1) .. "x"\n'
        .. "return { priority = 3, access = function() return made end }"
    )
    assert.equal(3, info.priority)
    assert.is_nil(package.loaded["moongate.uuid"])
  end)

  it("keeps a plugin's globals to itself", function()
    handler("leaked = 1\nreturn { access = print }")
    assert.is_nil(rawget(_G, "leaked"))
  end)

  it("reads what a credential is made of", function()
    write(
      root .. "/own/mine/credentials.lua",
      'local t = require("moongate.schema")\nreturn t.record { token = t.string { required = true } }'
    )
    assert.is_truthy(find("mine").credentials.fields.token)
  end)

  local BAD = {
    { "return 5", "handler.lua: must return a table of hooks, returned the number 5" },
    { "return {", "unexpected symbol near '<eof>'" },
    { "error('boom')", "boom" },
    { "return { acces = print }", '"acces" is no hook (did you mean "access"?)' },
    { "return { helper = print }", '"helper" is no hook (known: init, rewrite' },
    { "return { header_filter = 5 }", "header_filter must be a function, got the number 5" },
    { "return { PRIORITY = 'high' }", 'PRIORITY must be a whole number, got the string "high"' },
    { "return { PRIORITY = 5, certificate = print }", "the hook certificate of Kong's is not in this version" },
    {
      "return { VERSION = '1.0.0', access = require('resty.redis') }",
      'not in this version: require "resty.redis"',
    },
    { "return { prioriti = 5 }", '"prioriti" means nothing (did you mean "priority"?)' },
    { "return { priority = 'high' }", 'priority must be a whole number, got the string "high"' },
    { "return { priority = 1/0 }", "priority must be a whole number" },
    { "return { version = '1' }", 'version must be of the form "1.0.0"' },
    { "return { authenticates = 1 }", "authenticates must be true or false, got the number 1" },
    { "return { access = 5 }", "access must be a function, got the number 5" },
    { "return { access = require('mine.nope') }", "module 'mine.nope' not found (no /" },
    {
      "return { access = require('moongate.jsn') }",
      "module 'moongate.jsn' not found (did you mean 'moongate.json'?)",
    },
    { "return { access = require('socket_of_nobody') }", "module 'socket_of_nobody' not found" },
    {
      "local M = {} function M:access(conf, ctx) end return M",
      "access is written with a colon, hooks have a dot: function M.access(conf, ctx)",
    },
    { "local M = {}", "returned nothing (its last line is: return M)" },
  }

  for _, case in ipairs(BAD) do
    it("refuses the handler " .. case[1], function()
      local info, reason = handler(case[1])
      assert.is_nil(info)
      assert.is_truthy(reason:find('the plugin "mine" cannot be loaded', 1, true), reason)
      assert.is_truthy(reason:find(case[2], 1, true), reason)
    end)
  end

  it("names a file in a deep folder wholly, though Lua shortens it", function()
    local deep = root .. ("/deep"):rep(20)
    assert.equal(0, os.execute(("mkdir -p %s && cp -r %s/own/mine %s"):format(deep, root, deep)))
    write(deep .. "/mine/handler.lua", "return {")
    local _, reason = plugins.finder { paths = { deep }, bundled = root .. "/bundled" }("mine")
    assert.is_truthy(reason:find(("loaded: %s/mine/handler.lua:1: "):format(deep), 1, true), reason)
  end)

  it("refuses a schema that is none, or has a mistake", function()
    write(root .. "/own/mine/schema.lua", "return {}")
    local _, reason = find("mine")
    assert.is_truthy(reason:find("schema.lua must return t.record { … }", 1, true), reason)
    write(
      root .. "/own/mine/schema.lua",
      'local t = require("moongate.schema")\nreturn t.record {\n  a = t.string { defualt = 1 },\n}'
    )
    _, reason = find("mine")
    assert.is_truthy(reason:find("own/mine/schema.lua:3: a: string has no attribute", 1, true), reason)
  end)

  it("says which file is missing", function()
    os.remove(root .. "/own/mine/schema.lua")
    local _, reason = find("mine")
    assert.is_truthy(reason:find('the plugin "mine" has no schema.lua', 1, true), reason)
  end)

  it("lists folders in order", function()
    assert.same({ "echo", "mine" }, files.list(root .. "/bundled"))
    assert.is_nil(files.list(root .. "/nope"))
  end)
end)
