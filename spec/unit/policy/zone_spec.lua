local c = require("support.c")
local ffi = require("ffi")

describe("gw_zones", function()
  local zones

  before_each(function() zones = c.gw_zones_new() end)
  after_each(function() c.gw_zones_free(zones) end)

  local other_kind = ffi.new("const char *[1]")

  local function acquire(name, kind, size)
    return c.gw_zone_acquire(
      zones,
      c.slice(name),
      kind or c.gw_dict_kind,
      ffi.new("size_t[1]", size or 65536),
      other_kind
    )
  end

  it("give the same zone for the same name and kind", function()
    local first = acquire("a")
    assert.is_true(first == acquire("a"))
    assert.is_false(first == acquire("b"))
    assert.equal("a", ffi.string(first.name))
    for _, name in ipairs { "a", "a", "b" } do
      local zone = acquire(name)
      c.gw_zone_release(zone)
      c.gw_zone_release(zone)
    end
  end)

  it("keep what is in a zone as long as somebody holds it", function()
    local value = ffi.new("struct gw_dict_value", { c.GW_DICT_NUMBER, 7 })
    local got = ffi.new("struct gw_dict_got")
    local before = acquire("a")
    c.gw_dict_set(c.gw_dict_of_zone(before), c.GW_DICT_ALWAYS, c.slice("k"), value, 0, 1)
    local after = acquire("a")
    c.gw_zone_release(before)
    assert.equal(c.GW_DICT_FINE, c.gw_dict_get(c.gw_dict_of_zone(after), c.slice("k"), 1, got))
    c.gw_zone_release(after)
    local fresh = acquire("a")
    assert.equal(c.GW_DICT_MISSING, c.gw_dict_get(c.gw_dict_of_zone(fresh), c.slice("k"), 1, got))
    c.gw_zone_release(fresh)
  end)

  it("refuse a name that belongs to another kind, and say to which", function()
    local kind = ffi.new("struct gw_zone_kind", c.gw_dict_kind)
    local text = ffi.new("char[8]", "limits")
    kind.name = text
    local zone = acquire("a")
    assert.is_true(acquire("a", kind) == nil)
    assert.equal("dict", ffi.string(other_kind[0]))
    c.gw_zone_release(zone)
  end)

  it("have an end", function()
    local all = {}
    for i = 1, 1024 do
      all[i] = acquire("zone" .. i)
    end
    assert.is_true(acquire("one more") == nil)
    assert.is_true(other_kind[0] == nil)
    for i = 1, 1024 do
      c.gw_zone_release(all[i])
    end
  end)

  it("tell what each holds", function()
    local a, b = acquire("a", nil, 1024 * 1024), acquire("b")
    local found = {}
    local visit = ffi.cast(
      "void (*)(const struct gw_zone *, const struct gw_zone_stats *, void *)",
      function(zone, stats) found[ffi.string(zone.name)] = tonumber(stats.max_bytes) end
    )
    c.gw_zones_each(zones, visit, nil)
    visit:free()
    assert.same({ a = 1024 * 1024, b = 65536 }, found)
    c.gw_zone_release(a)
    c.gw_zone_release(b)
  end)
end)
