local c = require("support.c")
local ffi = require("ffi")

-- A balance over named weights: balance:pick() gives names.
local Balance = {}
Balance.__index = Balance

local function new(names, weights, random)
  local self = setmetatable({ names = names }, Balance)
  self.slots = ffi.new("struct gw_balance_slot[?]", math.max(1, #names))
  for i, weight in ipairs(weights) do
    self.slots[i - 1].weight = weight
  end
  self.balance = ffi.new("struct gw_balance")
  c.gw_balance_init(self.balance, c.gw_balance_find(c.slice("round-robin")), nil, self.slots, #names, random)
  ffi.gc(self.balance, c.gw_balance_deinit)
  return self
end

function Balance:pick(tried)
  local ask
  if tried then
    local flags = ffi.new("bool[?]", #self.names)
    for i, name in ipairs(self.names) do
      flags[i - 1] = tried[name] or false
    end
    ask = ffi.new("struct gw_balance_ask", flags)
    self.keep = flags
  end
  local index = c.gw_balance_pick(self.balance, ask, nil)
  return index >= 0 and self.names[index + 1] or nil
end

function Balance:picks(count)
  local list = {}
  for i = 1, count do
    list[i] = self:pick()
  end
  return table.concat(list)
end

function Balance:down(name, down)
  for i, one in ipairs(self.names) do
    if one == name then self.slots[i - 1].down = down end
  end
  c.gw_balance_changed(self.balance)
end

local function count(text)
  local counts = {}
  for name in text:gmatch(".") do
    counts[name] = (counts[name] or 0) + 1
  end
  return counts
end

local ABC = { "a", "b", "c" }

describe("gw_balance_round_robin (2.2.1)", function()
  it(
    "spreads 5:1:1 as a a b a c a a, again and again",
    function() assert.equal(("aabacaa"):rep(10), new(ABC, { 5, 1, 1 }):picks(70)) end
  )

  it("gives exactly its share to everybody, wherever it starts", function()
    local random = ffi.new("struct gw_random")
    for seed = 1, 50 do
      c.gw_random_seed(random, seed)
      local balance = new(ABC, { 5, 1, 1 }, random)
      for _ = 1, 4 do
        assert.same({ a = 5, b = 1, c = 1 }, count(balance:picks(7)))
      end
    end
  end)

  it("is exact for any weights", function()
    math.randomseed(11)
    for _ = 1, 50 do
      local names, weights, sum, expected = {}, {}, 0, {}
      for i = 1, math.random(1, 8) do
        names[i], weights[i] = string.char(96 + i), math.random(0, 9)
        sum = sum + weights[i]
        expected[names[i]] = weights[i] > 0 and weights[i] or nil
      end
      if sum > 0 then assert.same(expected, count(new(names, weights):picks(sum))) end
    end
  end)

  it("is exact at once after a target went away and came back", function()
    local random = ffi.new("struct gw_random")
    for seed = 1, 20 do
      c.gw_random_seed(random, seed)
      local balance = new(ABC, { 5, 1, 1 }, random)
      balance:picks(seed)
      balance:down("a", true)
      assert.same({ b = 10, c = 10 }, count(balance:picks(20)))
      balance:down("a", false)
      assert.same({ a = 5, b = 1, c = 1 }, count(balance:picks(7)))
      balance:down("c", true)
      assert.same({ a = 10, b = 2 }, count(balance:picks(12)))
      balance:down("c", false)
      assert.same({ a = 10, b = 2, c = 2 }, count(balance:picks(14)))
    end
  end)

  it("starts at different places, so that workers do not all pick the first target (2.2.6)", function()
    local random, first = ffi.new("struct gw_random"), {}
    c.gw_random_seed(random, 3)
    for _ = 1, 400 do
      local name = new({ "a", "b", "c", "d" }, { 100, 100, 100, 100 }, random):pick()
      first[name] = (first[name] or 0) + 1
    end
    for _, name in ipairs { "a", "b", "c", "d" } do
      assert.is_true(first[name] > 60 and first[name] < 140, name .. ": " .. first[name])
    end
  end)

  it("picks another one on a further try, while there is one", function()
    local balance = new(ABC, { 1, 1, 0 })
    assert.equal("b", balance:pick { a = true })
    assert.equal("a", balance:pick { b = true })
    assert.is_not_nil(balance:pick { a = true, b = true })
    assert.is_nil(new(ABC, { 0, 0, 0 }):pick { a = true })
  end)

  it("picks nothing where nothing can be picked", function()
    assert.is_nil(new({}, {}):pick())
    assert.is_nil(new(ABC, { 0, 0, 0 }):pick())
    local balance = new({ "a" }, { 1 })
    balance:down("a", true)
    assert.is_nil(balance:pick())
    balance:down("a", false)
    assert.equal("a", balance:pick())
  end)

  it("stands the largest weights and many targets", function()
    local names, weights = {}, {}
    for i = 1, 2000 do
      names[i], weights[i] = tostring(i), 65535 - i % 3
    end
    local random = ffi.new("struct gw_random")
    c.gw_random_seed(random, 1)
    local balance, seen, different = new(names, weights, random), {}, 0
    for _ = 1, 2000 do
      local name = balance:pick()
      different = different + (seen[name] and 0 or 1)
      seen[name] = true
    end
    assert.is_true(different > 1990)
  end)
end)

describe("gw_balance_find", function()
  it("knows algorithms by name; no name is the default", function()
    assert.equal("round-robin", ffi.string(c.gw_balance_find(c.slice("round-robin")).name))
    assert.equal("round-robin", ffi.string(c.gw_balance_find(c.slice("")).name))
    assert.is_true(c.gw_balance_find(c.slice("roundrobin")) == nil)
  end)
end)
