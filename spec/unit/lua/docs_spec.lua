local annotations = require("moongate.docs.annotations")
local json = require("moongate.docs.json")
local pdk = require("moongate.docs.pdk")
local schema_text = require("moongate.docs.schema_text")
local t = require("moongate.schema")

local SOURCE = [[
--- ctx.thing: what it is for.
---
---     local x = 1
local M = {}

---@class moongate.Thing
---@field name? string  how it is called
---@field json fun(self): any, string?
local Thing = {}

--- Not said to anybody.
---@private
function M:hidden()
end

--- Reads it.
--- Waits.
---@phase rewrite after routing, access
---@param max? integer  most bytes (limits.buffer)
---@param kinds table<string, string|number>
---@return { named: table<string, string>, list: string[] }? found, string? reason  nil, "too large" when it is longer
function M:read(max, kinds)
end

local function helper() end

--- Its size.
---@return integer
function Thing:size()
end
]]

describe("annotations", function()
  local parsed = annotations.parse(SOURCE)

  it(
    "tell what the file is for, with its code",
    function() assert.equal("ctx.thing: what it is for.\n\n    local x = 1", parsed.intro) end
  )

  it("tell the hooks, parameters and results of a function", function()
    local read = parsed.functions[1]
    assert.equal("Reads it.\nWaits.", read.text)
    assert.same({ "rewrite after routing", "access" }, read.phases)
    assert.same({
      { name = "max", optional = true, type = "integer", text = "most bytes (limits.buffer)" },
      { name = "kinds", optional = false, type = "table<string, string|number>", text = "" },
    }, read.params)
    assert.same({
      { type = "{ named: table<string, string>, list: string[] }?", name = "found", text = "" },
      { type = "string?", name = "reason", text = 'nil, "too large" when it is longer' },
    }, read.returns)
  end)

  it("leave out what is private or has no comment", function()
    assert.equal(2, #parsed.functions)
    assert.equal("size", parsed.functions[2].name)
  end)

  it("tell the fields of a class", function()
    local class = parsed.classes[1]
    assert.equal("moongate.Thing", class.name)
    assert.equal("Thing", class.variable)
    assert.same({ name = "name", optional = true, type = "string", text = "how it is called" }, class.fields[1])
    assert.equal("fun(self): any, string?", class.fields[2].type)
  end)
end)

describe("the hooks of a function", function()
  it("are named, or said to be all", function()
    local all = { "rewrite", "access", "request_body", "response", "body", "log" }
    assert.equal("every hook", pdk.hooks(all))
    assert.equal("init and every hook", pdk.hooks { "init", "any" })
    assert.equal("every hook, and in tasks", pdk.hooks { "task", unpack(all) })
    assert.equal("access, response", pdk.hooks { "access", "response" })
    all[1] = "rewrite after routing"
    assert.equal("every hook, rewrite only after routing", pdk.hooks(all))
    assert.equal("rewrite (after routing), access", pdk.hooks { "rewrite after routing", "access" })
  end)
end)

describe("a schema's table", function()
  it("has each field with its type, default and meaning", function()
    local text, bare = schema_text.fields(t.record {
      name = t.string { required = true, about = "Who | what." },
      mode = t.one_of { "a", "b", default = "a", kong_default = "b", about = "How." },
      wait = t.duration { off = true, default = "1s", about = "How long." },
      nested = t.record { size = t.integer { between = { 1, 9 }, default = 3, about = "How large." } },
      list = t.array { t.header_name {}, default = {}, about = "Which." },
      soon = t.any { later = "Something" },
      t.mutually_exclusive { "name", "list" },
    })
    assert.is_nil(bare or nil)
    local rows = {}
    for line in text:gmatch("[^\n]+") do
      rows[line] = true
    end
    assert.is_true(rows["| Field | Type | Default (Kong file) | About |"])
    assert.is_true(rows["| `name` | string | required | Who \\| what. |"])
    assert.is_true(rows["| `mode` | `a`, `b` | `a` (`b`) | How. |"])
    assert.is_true(rows["| `wait` | duration or `off` | `1s` | How long. |"])
    assert.is_true(rows["| `nested.size` | integer, 1 to 9 | `3` | How large. |"])
    assert.is_true(rows["| `list` | list of header names | `[]` | Which. |"])
    assert.is_true(rows["Only one of `name`, `list` may be set."])
    assert.is_true(rows["Known, not in this version: `soon`."])
  end)

  it(
    "names a field that nobody explained",
    function() assert.equal("x", select(2, schema_text.fields(t.record { x = t.string {} }))) end
  )

  it(
    "says so when there is nothing to configure",
    function() assert.equal("It takes no configuration.", (schema_text.fields(t.record {}))) end
  )
end)

describe("JSON in the repository", function()
  it(
    "has its keys in order, and tells an empty list from an empty object",
    function()
      assert.equal(
        '{ "type": "x", "a": 1.5, "b": [ true, {} ], "c": [] }\n',
        json.encode { c = json.EMPTY_LIST, b = { true, {} }, type = "x", a = 1.5 }
      )
    end
  )
end)
