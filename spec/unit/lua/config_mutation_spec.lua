-- Every value of a good file is replaced by wrong ones, several kinds each: loading may refuse, and never breaks.
local config = require("moongate.config")
local document = require("moongate.config.document")
local plugins = dofile("spec/support/fake_plugins.lua")
local yaml = require("moongate.config.yaml")

local NATIVE = [[
listeners: [{ address: "127.0.0.1:0", limits: { body: 1m } }]
admin: { address: "unix:x", token: t }
status: { address: "127.0.0.1:0" }
workers: 2
plugin_paths: []
limits: { headers: 5, idle_timeout: off }
lua: { memory: 64m }
log: { access: off, error: x.log, level: debug }
trusted_proxies: [10.0.0.0/8]
fetch: { allow: [a] }
strict: false
services:
  - name: s
    url: http://a:1/b
    keepalive: { connections: 1, idle: 1s }
    limits: { body: 1m }
    routes:
      - { paths: ["~/a", "=/b", "/{c}"], hosts: ["*.a"], headers: { x: [y] }, query: { q: ["1"] }, methods: [GET] }
routes: [{ name: r, paths: [/r], service: s, limits: { buffer: 1k }, public: true }]
upstreams: [{ name: u, targets: [{ target: "a:1", weight: 1 }] }]
targets: [{ upstream: { name: u }, target: b }]
consumers:
  - { username: ann, custom_id: c, groups: [g], credentials: { key-auth: [{ key: k }] }, plugins: [{ name: echo }] }
consumer_groups: [{ name: g, consumers: [ann], plugins: [{ name: echo }] }]
consumer_group_consumers: [{ consumer: ann, consumer_group: g }]
plugins: [{ name: key-auth, instance_name: i, route: r, consumer: ann, tags: [t], config: { key_names: [a] } }]
]]

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

local function encode(value)
  if value == document.null then
    return "null"
  elseif type(value) ~= "table" then
    return type(value) == "string" and ("%q"):format(value):gsub("\\\n", "\\n") or tostring(value)
  end
  local parts = {}
  if value.list then
    for i, inner in ipairs(value.list) do
      parts[i] = encode(inner)
    end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for i, pair in ipairs(value.pairs) do
    parts[i] = ("%q:%s"):format(pair[1], encode(pair[2]))
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

-- A tree that keeps arrays and maps apart, and a list of every place in it.
local function tree(doc, value, places)
  if type(value) ~= "table" then return value end
  local mark = doc.marks[value]
  local node = mark.kind == "array" and { list = {} } or { pairs = {} }
  if node.list then
    for i, inner in ipairs(value) do
      node.list[i] = tree(doc, inner, places)
      places[#places + 1] = { node.list, i }
    end
  else
    for i, key in ipairs(mark.keys) do
      local pair = { key, value[key] == nil and document.null or tree(doc, value[key], places) }
      node.pairs[i] = pair
      places[#places + 1] = { pair, 2 }
      places[#places + 1] = { pair, 1, is_key = true }
    end
  end
  return node
end

local WRONG = {
  document.null,
  true,
  -1.5,
  "",
  "a b\1",
  { list = {} },
  { pairs = {} },
  { list = { document.null } },
  { list = { { pairs = {} }, "x", 5 } },
  { pairs = { { "name", "x" }, { "id", 5 }, { "x", { list = {} } } } },
}

local function mutate(text)
  local doc = yaml.read(text, os.getenv)
  assert.equal(0, #doc.errors)
  local places = {}
  local root = tree(doc, doc.root, places)
  local count = 0
  for at, place in ipairs(places) do
    local holder, key = place[1], place[2]
    local before = holder[key]
    for turn = 1, 4 do
      local wrong = WRONG[(at + turn * 3) % #WRONG + 1]
      if type(wrong) == "string" or not place.is_key then
        holder[key] = wrong
        local json = encode(root)
        local ok, result, errors = pcall(config.load, "moongate.json", {
          text = json,
          folder = "/nowhere",
          plugins = plugins,
          env = os.getenv,
        })
        assert(ok, ("%s\n%s"):format(tostring(result), json))
        assert(result or #errors > 0)
        for _, err in ipairs(errors or {}) do
          assert(config.format(err):find("^moongate.json"), "every error can be written")
        end
        count = count + 1
      end
    end
    holder[key] = before
  end
  return count
end

describe("loading a configuration with one wrong value", function()
  it("never breaks: a native file", function() assert.is_true(mutate(NATIVE) > 300) end)

  it("never breaks: a Kong file", function() assert.is_true(mutate(read("spec/support/kong.yaml")) > 300) end)
end)
