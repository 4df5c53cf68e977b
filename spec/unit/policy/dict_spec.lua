local c = require("support.c")
local ffi = require("ffi")

local RESULTS = { [0] = "fine", "missing", "exists", "wrong type", "too large", "bad key" }

describe("a shared dictionary", function()
  local dict, now

  before_each(function()
    dict = c.gw_dict_new(65536)
    now = 1000
  end)

  after_each(function() c.gw_dict_free(dict) end)

  local function value_of(lua)
    local kind = type(lua)
    if kind == "string" then return ffi.new("struct gw_dict_value", { c.GW_DICT_STRING, 0, lua, #lua }) end
    if kind == "boolean" then return ffi.new("struct gw_dict_value", { c.GW_DICT_BOOLEAN, lua and 1 or 0 }) end
    return ffi.new("struct gw_dict_value", { c.GW_DICT_NUMBER, lua })
  end

  local function take(result, got)
    if result ~= c.GW_DICT_FINE then return nil, RESULTS[tonumber(result)] end
    local value = got.number
    if got.type == c.GW_DICT_STRING then value = ffi.string(got.ptr, got.len) end
    if got.type == c.GW_DICT_BOOLEAN then value = value == 1 end
    c.gw_dict_got_release(got)
    return value
  end

  local function put(when, key, value, ttl)
    return RESULTS[tonumber(c.gw_dict_set(dict, when, c.slice(key), value_of(value), ttl or 0, now))]
  end

  local function set(key, value, ttl) return put(c.GW_DICT_ALWAYS, key, value, ttl) end

  local function get(key)
    local got = ffi.new("struct gw_dict_got")
    return take(c.gw_dict_get(dict, c.slice(key), now, got), got)
  end

  local function incr(key, by, first, ttl)
    local out = ffi.new("double[1]")
    local result =
      c.gw_dict_incr(dict, c.slice(key), by, first and ffi.new("double[1]", first), ttl or 0, now, out)
    if result ~= c.GW_DICT_FINE then return nil, RESULTS[tonumber(result)] end
    return out[0]
  end

  local function push(key, first, value)
    local length = ffi.new("uint32_t[1]")
    local result = c.gw_dict_push(dict, c.slice(key), first, value_of(value), now, length)
    if result ~= c.GW_DICT_FINE then return nil, RESULTS[tonumber(result)] end
    return length[0]
  end

  local function pop(key, first)
    local got = ffi.new("struct gw_dict_got")
    return take(c.gw_dict_pop(dict, c.slice(key), first, now, got), got)
  end

  local function stats()
    local out = ffi.new("struct gw_zone_stats")
    c.gw_dict_stats(dict, out)
    return {
      bytes = tonumber(out.bytes),
      max = tonumber(out.max_bytes),
      entries = tonumber(out.entries),
      evicted = tonumber(out.evicted),
    }
  end

  local function keys(max)
    local buf = ffi.new("struct gw_buf")
    c.gw_buf_init(buf, 1024 * 1024)
    local count = tonumber(c.gw_dict_keys(dict, max or 1000, now, buf))
    local found, at = {}, 0
    for i = 1, count do
      local len = ffi.cast("uint32_t *", buf.data + at)[0]
      found[i] = ffi.string(buf.data + at + 4, len)
      at = at + 4 + len
    end
    assert.equal(tonumber(buf.len), at)
    c.gw_buf_deinit(buf)
    table.sort(found)
    return found
  end

  it("gives back what was put, of every type", function()
    for _, value in ipairs {
      "text",
      "",
      "a\0b",
      1.5,
      -7,
      true,
      false,
      ("x"):rep(1024),
      ("y"):rep(1025),
      ("z"):rep(9000),
    } do
      assert.equal("fine", set("k", value))
      assert.equal(value, get("k"))
    end
    assert.same({ nil, "missing" }, { get("other") })
  end)

  it("lets what is read live on after it was replaced", function()
    set("k", ("a"):rep(5000))
    local got = ffi.new("struct gw_dict_got")
    c.gw_dict_get(dict, c.slice("k"), now, got)
    set("k", 1)
    assert.equal(("a"):rep(5000), ffi.string(got.ptr, got.len))
    c.gw_dict_got_release(got)
  end)

  it("adds only what is not there and replaces only what is", function()
    assert.equal("missing", put(c.GW_DICT_IF_THERE, "k", 1))
    assert.equal("fine", put(c.GW_DICT_IF_MISSING, "k", 1))
    assert.equal("exists", put(c.GW_DICT_IF_MISSING, "k", 2))
    assert.equal("fine", put(c.GW_DICT_IF_THERE, "k", 3))
    assert.equal(3, get("k"))
  end)

  it("forgets after the time to live", function()
    set("k", 1, 100)
    now = 1099
    assert.equal(1, get("k"))
    now = 1100
    assert.is_nil(get("k"))
    assert.equal(0, stats().entries)
    assert.equal("fine", put(c.GW_DICT_IF_MISSING, "k", 2))
  end)

  it("tells and changes the time to live", function()
    local left = ffi.new("uint64_t[1]")
    local function ttl(key) return tonumber(c.gw_dict_ttl(dict, c.slice(key), now, left)), tonumber(left[0]) end
    set("k", 1, 100)
    assert.same({ 0, 100 }, { ttl("k") })
    assert.equal(c.GW_DICT_FINE, c.gw_dict_expire(dict, c.slice("k"), 500, now))
    now = now + 300
    assert.same({ 0, 200 }, { ttl("k") })
    c.gw_dict_expire(dict, c.slice("k"), 0, now)
    assert.same({ 0, 0 }, { ttl("k") })
    assert.equal(c.GW_DICT_MISSING, ttl("other"))
    assert.equal(c.GW_DICT_MISSING, c.gw_dict_expire(dict, c.slice("other"), 5, now))
  end)

  it("adds to numbers", function()
    assert.same({ nil, "missing" }, { incr("k", 1) })
    assert.equal(11, incr("k", 1, 10, 100))
    assert.equal(13.5, incr("k", 2.5, 0, 9999))
    now = now + 100 -- what was there keeps its time to live
    assert.equal(1, incr("k", 1, 0))
    set("text", "1")
    assert.same({ nil, "wrong type" }, { incr("text", 1, 0) })
  end)

  it("removes", function()
    set("k", 1)
    assert.equal(c.GW_DICT_FINE, c.gw_dict_remove(dict, c.slice("k"), now))
    assert.equal(c.GW_DICT_MISSING, c.gw_dict_remove(dict, c.slice("k"), now))
    assert.is_nil(get("k"))
  end)

  it("keeps lists, open at both ends", function()
    assert.same({ nil, "missing" }, { pop("l", true) })
    assert.equal(1, push("l", false, "b"))
    assert.equal(2, push("l", true, "a"))
    assert.equal(3, push("l", false, ("c"):rep(2000)))
    assert.equal("a", pop("l", true))
    assert.equal(("c"):rep(2000), pop("l", false))
    assert.equal("b", pop("l", false))
    assert.is_nil(pop("l", false))
    assert.equal(0, stats().entries)
  end)

  it("does not take lists for values or values for lists", function()
    set("v", 1)
    push("l", true, 1)
    assert.same({ nil, "wrong type" }, { push("v", true, 1) })
    assert.same({ nil, "wrong type" }, { pop("v", true) })
    assert.same({ nil, "wrong type" }, { get("l") })
    assert.same({ nil, "wrong type" }, { incr("l", 1, 0) })
    assert.equal("fine", set("l", 5))
    assert.equal(5, get("l"))
  end)

  it("refuses keys without bytes and keys that are too long", function()
    assert.equal("bad key", set("", 1))
    assert.equal("bad key", set(("k"):rep(1025), 1))
    assert.equal("fine", set(("k"):rep(1024), 1))
    assert.same({ nil, "bad key" }, { get("") })
  end)

  it("never holds more than its budget, and lets go what was used the longest time ago", function()
    for i = 1, 2000 do
      now = now + 1
      assert.equal("fine", set("key" .. i, ("v"):rep(i % 300)))
      get("key1") -- stays young
      assert.is_true(stats().bytes <= 65536)
    end
    assert.equal("", get("key1"):sub(2))
    assert.is_nil(get("key2"))
    local left = stats()
    assert.is_true(left.evicted > 1500 and left.evicted + left.entries == 2000)
    for i = 2000 - left.entries + 2, 2000 do
      assert.is_string(get("key" .. i), "key" .. i)
    end
  end)

  it("refuses what is larger than a quarter of it", function()
    assert.equal("too large", set("k", ("x"):rep(20000)))
    assert.is_nil(get("k"))
    assert.equal("fine", set("k", ("x"):rep(10000)))
    local length
    repeat
      local now_long, why = push("l", true, ("x"):rep(500))
      length = now_long or length
    until why
    assert.is_true(length > 10 and length < 40)
    assert.same({ nil, "too large" }, { push("l", true, ("x"):rep(500)) })
    assert.is_true(stats().bytes <= 65536)
  end)

  it("gives every byte back", function()
    local empty = stats().bytes
    for i = 1, 30 do
      set("k" .. i, ("v"):rep(i * 50), 5)
      push("l" .. i % 3, i % 2 == 0, ("v"):rep(i * 40))
      put(c.GW_DICT_IF_MISSING, "k1", 1)
      incr("n", 1, 0)
      push("k2", true, 1)
    end
    while pop("l0", true) or pop("l1", true) or pop("l2", false) do
    end -- luacheck: ignore 542
    now = now + 10
    for i = 1, 30 do
      get("k" .. i)
    end
    c.gw_dict_remove(dict, c.slice("n"), now)
    assert.same({ bytes = empty, entries = 0 }, { bytes = stats().bytes, entries = stats().entries })
  end)

  it("lists its keys, but no expired ones", function()
    for i = 1, 300 do
      set("k" .. i, i, i <= 100 and 5 or 0)
    end
    now = now + 5
    local all = keys()
    assert.equal(200, #all)
    assert.equal("k101", all[1])
    assert.equal(7, #keys(7))
  end)

  it("forgets everything when flushed", function()
    local empty = stats().bytes
    for i = 1, 300 do
      set("k" .. i, i)
    end
    push("l", true, 1)
    c.gw_dict_flush(dict)
    assert.same({}, keys())
    assert.equal(empty, stats().bytes)
    assert.equal("fine", set("k", 1))
  end)

  it("keeps what is in it when its size changes", function()
    local zones = c.gw_zones_new()
    local size = ffi.new("size_t[1]", 65536)
    local zone = c.gw_zone_acquire(zones, c.slice("d"), c.gw_dict_kind, size, ffi.new("const char *[1]"))
    local before = dict
    dict = c.gw_dict_of_zone(zone)
    for i = 1, 100 do
      set("k" .. i, i)
    end
    size[0] = 4 * 1024 * 1024
    zone.kind.apply(zone, size)
    assert.equal(4 * 1024 * 1024, stats().max)
    for i = 1, 100 do
      assert.equal(i, get("k" .. i))
    end
    for i = 1, 5000 do
      now = now + 1
      set("more" .. i, ("x"):rep(100))
    end
    assert.equal(5100, stats().entries)
    size[0] = 65536
    zone.kind.apply(zone, size)
    for i = 1, 200 do
      now = now + 1
      set("last" .. i, i)
    end
    assert.is_true(stats().bytes <= 65536)
    for i = 1, 200 do
      assert.equal(i, get("last" .. i))
    end
    dict = before
    c.gw_zone_release(zone)
    c.gw_zones_free(zones)
  end)

  it("counts right when several threads count, evict and resize", function()
    ffi.cdef("double gw_spec_dict_race(struct gw_zones *, unsigned times);")
    local zones = c.gw_zones_new()
    assert.equal(4 * 20000, ffi.C.gw_spec_dict_race(zones, 20000))
    c.gw_zones_free(zones)
  end)
end)
