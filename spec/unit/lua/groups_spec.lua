local config = require("moongate.config")

local function load(text)
  return config.load("moongate.yaml", {
    text = "listeners: [{ address: '127.0.0.1:0' }]\n" .. text,
    bundled = "plugins",
    env = function() end,
  })
end

-- The groups of each consumer by name.
local function groups(text)
  local normal, errors = load(text)
  assert(normal, errors and config.format(errors[1]))
  local result = {}
  for _, consumer in ipairs(normal.consumers) do
    result[consumer.username] = consumer.groups
  end
  return result, normal
end

describe("consumer groups", function()
  it(
    "are written at consumers, as names or as decK writes them",
    function()
      assert.same(
        { ann = { "gold", "staff" }, bob = { "gold" }, cy = {} },
        groups([[
consumer_groups: [{ name: gold }, { name: staff, tags: [inside] }]
consumers:
  - { username: ann, groups: [gold, staff] }
  - { username: bob, groups: [{ name: gold }] }
  - { username: cy }
]])
      )
    end
  )

  it(
    "need not be declared",
    function() assert.same({ ann = { "gold" } }, groups("consumers: [{ username: ann, groups: [gold] }]\n")) end
  )

  it("are written as Kong's own files do: consumer_groups, the group's consumers, pairs of both", function()
    local found, normal = groups([[
_format_version: "3.0"
consumer_groups:
  - name: gold
    id: 9b2a4d6e-1111-4000-8000-00000000000a
    consumers: [{ username: bob }, cy]
  - { name: staff }
consumers:
  - { username: ann, consumer_groups: [{ name: staff }, 9b2a4d6e-1111-4000-8000-00000000000a] }
  - { username: bob, groups: [staff] }
  - { username: cy }
consumer_group_consumers:
  - { consumer: cy, consumer_group: gold }
  - { consumer: cy, consumer_group: staff }
]])
    assert.same({ ann = { "staff", "gold" }, bob = { "staff", "gold" }, cy = { "gold", "staff" } }, found)
    assert.same({ "gold", "staff" }, { normal.consumer_groups[1].name, normal.consumer_groups[2].name })
  end)

  it("carry uses of plugins, nested or by name", function()
    local _, normal = groups([[
consumer_groups:
  - name: gold
    plugins: [{ name: correlation-id }]
  - name: staff
plugins: [{ name: correlation-id, consumer_group: staff }]
]])
    assert.same({ { consumer_group = 1 }, { consumer_group = 2 } }, {
      normal.plugins[1].scope,
      normal.plugins[2].scope,
    })
    assert.not_equal(normal.plugins[1].id, normal.plugins[2].id)
  end)
end)
