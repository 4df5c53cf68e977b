local ffi = require("ffi")
local c = require("support.c")

-- The map borrows its keys: they must stay where they are, one slice a name.
local keys = setmetatable({}, {
  __index = function(self, name)
    self[name] = c.slice(name)
    return self[name]
  end,
})

describe("gw_map", function()
  local map

  before_each(function()
    map = ffi.new("struct gw_map")
    c.gw_map_init(map)
  end)
  after_each(function() c.gw_map_deinit(map) end)

  local function number(pointer) return pointer ~= nil and tonumber(ffi.cast("uintptr_t", pointer)) or nil end
  local function get(name) return number(c.gw_map_get(map, keys[name])) end
  local function put(name, value) return number(c.gw_map_put(map, keys[name], ffi.cast("void *", value))) end
  local function remove(name) return number(c.gw_map_remove(map, keys[name])) end

  local function contents()
    local found, at = {}, ffi.new("size_t[1]")
    while true do
      local entry = c.gw_map_next(map, at)
      if entry == nil then return found end
      assert.is_nil(found[c.str(entry.key)])
      found[c.str(entry.key)] = number(entry.value)
    end
  end

  -- Names whose own place in a map of 16 is `place`.
  local function colliding(place, count)
    local names, i = {}, 0
    while #names < count do
      i = i + 1
      local name = "k" .. i
      if c.gw_hash(map.seed, name, #name) % 16 == place then names[#names + 1] = name end
    end
    return names
  end

  it("finds nothing while it is empty", function()
    assert.is_nil(get("a"))
    assert.is_nil(remove("a"))
    assert.same({}, contents())
  end)

  it("finds what was put", function()
    assert.is_nil(put("a", 1))
    assert.equal(1, get("a"))
    assert.is_nil(get("b"))
  end)

  it("returns what a put replaces", function()
    put("a", 1)
    assert.equal(1, put("a", 2))
    assert.equal(2, get("a"))
    assert.equal(1, tonumber(map.count))
  end)

  it("returns what a remove takes out", function()
    put("a", 1)
    assert.equal(1, remove("a"))
    assert.is_nil(get("a"))
    assert.equal(0, tonumber(map.count))
  end)

  it("has a place for the empty key", function()
    put("", 1)
    assert.equal(1, get(""))
  end)

  it("tells keys with NULs apart", function()
    put("a\0b", 1)
    assert.is_nil(get("a"))
    assert.is_nil(get("a\0c"))
  end)

  for _, place in ipairs { 3, 14 } do -- 14: the row of followers goes on at the start of the table
    it(("keeps the others when one of many at place %d goes"):format(place), function()
      local names = colliding(place, 8)
      for gone = 1, #names do
        local expected = {}
        for i, name in ipairs(names) do
          put(name, i)
          expected[name] = i
        end
        remove(names[gone])
        expected[names[gone]] = nil
        assert.equal(16, tonumber(map.capacity))
        for name, value in pairs(expected) do
          assert.equal(value, get(name))
        end
        assert.is_nil(get(names[gone]))
        assert.same(expected, contents())
      end
    end)
  end

  it("agrees with a Lua table over ten thousand random changes", function()
    local random = ffi.new("struct gw_random")
    c.gw_random_seed(random, 42)
    local function below(n) return tonumber(c.gw_random_below(random, n)) end
    local model, count = {}, 0
    for i = 1, 10000 do
      local name = "key-" .. below(700)
      if below(5) < 3 then
        assert.equal(model[name], put(name, i))
        count = count + (model[name] and 0 or 1)
        model[name] = i
      else
        assert.equal(model[name], remove(name))
        count = count - (model[name] and 1 or 0)
        model[name] = nil
      end
      assert.equal(count, tonumber(map.count))
    end
    assert.same(model, contents())
  end)

  it("hashes the same key differently in another map", function()
    local other = ffi.new("struct gw_map")
    c.gw_map_init(other)
    assert.is_false(c.gw_hash(map.seed, "abc", 3) == c.gw_hash(other.seed, "abc", 3))
    c.gw_map_deinit(other)
  end)
end)

describe("gw_hash", function()
  it(
    "tells keys apart that differ in trailing zeros only",
    function() assert.is_false(c.gw_hash(1, "a", 1) == c.gw_hash(1, "a\0", 2)) end
  )

  it("spreads counted keys evenly over 64 places", function()
    local places = {}
    for i = 0, 6399 do
      local name = "consumer-" .. i
      local place = tonumber(c.gw_hash(7, name, #name) % 64)
      places[place] = (places[place] or 0) + 1
    end
    for place = 0, 63 do
      assert.is_true(
        places[place] > 50 and places[place] < 160,
        ("%d keys at place %d"):format(places[place], place)
      )
    end
  end)
end)
