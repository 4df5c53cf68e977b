local plan = require("moongate.plan")

local GROUPS = { { name = "gold" }, { name = "staff" } }
local CONSUMERS =
  { { id = "ann", groups = { "staff", "gold" } }, { id = "bob", groups = { "gold" } }, { id = "cy", groups = {} } }

-- uses: { name, priority, service, route, consumer, group }
local function build(uses, routes)
  local plugins = {}
  for i, use in ipairs(uses) do
    plugins[i] = {
      name = use[1],
      priority = use[2],
      enabled = use.enabled ~= false,
      scope = { service = use.service, route = use.route, consumer = use.consumer, consumer_group = use.group },
    }
  end
  routes = routes or { { service = 1 }, { service = 2 }, {} }
  return plan.build { plugins = plugins, consumers = CONSUMERS, consumer_groups = GROUPS, routes = routes }
end

local function names(entries)
  local list = {}
  for i, entry in ipairs(entries) do
    list[i] = entry.name
  end
  return list
end

describe("moongate.plan", function()
  it("runs the higher priority first, ties by name descending", function()
    local p = build { { "a", 5 }, { "b", 5 }, { "c", 9 }, { "d", -1 } }
    assert.same({ "c", "b", "a", "d" }, names(p.global))
  end)

  it("takes the most specific use of each plugin", function()
    local p =
      build { { "x", 1 }, { "x", 1, service = 1 }, { "x", 1, route = 1 }, { "x", 1, service = 1, route = 1 } }
    assert.equal(4, p.routes[1][1].use)
    assert.equal(1, p.routes[2][1].use)
    p = build { { "x", 1 }, { "x", 1, service = 1 }, { "x", 1, route = 1 } }
    assert.equal(3, p.routes[1][1].use)
    p = build { { "x", 1 }, { "x", 1, service = 2 } }
    assert.equal(1, p.routes[1][1].use)
    assert.equal(2, p.routes[2][1].use)
  end)

  it("gives the use of a group to each consumer in it, the first group of theirs winning", function()
    local p = build { { "x", 1 }, { "x", 1, group = 1 }, { "x", 1, group = 2 } }
    assert.same({ use = 1, by_consumer = { ann = 3, bob = 2 } }, {
      use = p.routes[1][1].use,
      by_consumer = p.routes[1][1].by_consumer,
    })
    p = build { { "x", 1, group = 1 } }
    assert.same({ ann = 1, bob = 1 }, p.routes[3][1].by_consumer)
    assert.same({}, names(p.global))
  end)

  it("ranks groups between consumers and what is for everybody, as Kong does", function()
    local order = { -- more specific first
      { service = 1, route = 1, consumer = 2 },
      { service = 1, route = 1, group = 1 },
      { route = 1, consumer = 2 },
      { service = 1, consumer = 2 },
      { route = 1, group = 1 },
      { service = 1, group = 1 },
      { service = 1, route = 1 },
      { consumer = 2 },
      { group = 1 },
      { route = 1 },
      { service = 1 },
      {},
    }
    for i, scope in ipairs(order) do
      for k = i + 1, #order do
        local uses = { { "x", 1 }, { "x", 1 } }
        for key, value in pairs(order[k]) do
          uses[1][key] = value
        end
        for key, value in pairs(scope) do
          uses[2][key] = value
        end
        local entry = build(uses).routes[1][1]
        assert.equal(2, entry.by_consumer and entry.by_consumer.bob or entry.use, i .. " against " .. k)
      end
    end
  end)

  it("leaves out what belongs elsewhere", function()
    local p = build { { "x", 1, service = 2 }, { "y", 1, route = 2 }, { "z", 1, service = 2, route = 1 } }
    assert.same({}, names(p.routes[1]))
    assert.same({ "y", "x" }, names(p.routes[2]))
    assert.same({}, names(p.routes[3]))
    assert.same({}, names(p.global))
  end)

  it("leaves out what is off, so that a wider use shows again", function()
    local p = build { { "x", 1 }, { "x", 1, route = 1, enabled = false } }
    assert.equal(1, p.routes[1][1].use)
  end)

  it("takes priorities as they are used", function()
    local p = build { { "x", 1 }, { "y", 5 }, { "x", 9, route = 1 } }
    assert.same({ "x", "y" }, names(p.routes[1]))
    assert.same({ "y", "x" }, names(p.routes[2]))
  end)

  -- Each pair: the use that wins over the one before it, for ann on route 1 of service 1.
  local ORDER = {
    {},
    { service = 1 },
    { route = 1 },
    { consumer = 1 },
    { route = 1, service = 1 },
    { service = 1, consumer = 1 },
    { route = 1, consumer = 1 },
    { route = 1, service = 1, consumer = 1 },
  }

  local function chosen(entry, consumer)
    return entry and (entry.by_consumer and entry.by_consumer[consumer] or entry.use)
  end

  it("has Kong's order of scopes for a consumer", function()
    for i = 2, #ORDER do
      for j = 1, i - 1 do
        local uses = {}
        for at, scope in ipairs { ORDER[i], ORDER[j] } do
          uses[at] = { "x", 1, service = scope.service, route = scope.route, consumer = scope.consumer }
        end
        local p = build(uses)
        assert.equal(1, chosen(p.routes[1][1], "ann"), ("scope %d against %d"):format(i, j))
      end
    end
  end)

  it("keeps a consumer's use to that consumer", function()
    local p = build { { "x", 1 }, { "x", 1, consumer = 1 }, { "x", 1, consumer = 2, route = 1 } }
    assert.same({ ann = 2, bob = 3 }, p.routes[1][1].by_consumer)
    assert.same({ ann = 2 }, p.routes[2][1].by_consumer)
    assert.equal(1, p.routes[2][1].use)
    assert.is_nil(p.global[1].by_consumer)
  end)

  it("has an entry for what only a consumer uses", function()
    local p = build { { "x", 7, consumer = 1 } }
    assert.same({ { name = "x", priority = 7, by_consumer = { ann = 1 } } }, p.routes[1])
  end)

  it("shares the plans of routes that share their uses", function()
    local p = build(
      { { "x", 1, service = 1 }, { "y", 1, route = 3 } },
      { { service = 1 }, { service = 1 }, { service = 1 }, { service = 2 }, {} }
    )
    assert.equal(p.routes[1], p.routes[2])
    assert.are_not.equal(p.routes[1], p.routes[3])
    assert.equal(p.routes[4], p.routes[5])
  end)
end)
