local ffi = require("ffi")
local c = require("support.c")

describe("gw_fields", function()
  local arena, fields, kept

  before_each(function()
    arena = c.gw_arena_new()
    fields = ffi.new("struct gw_fields")
    kept = {}
  end)

  after_each(function() c.gw_arena_free(arena) end)

  local function s(text)
    local slice = c.slice(text)
    kept[#kept + 1] = slice
    return slice
  end

  local function add(name, value) c.gw_fields_add(fields, arena, s(name), s(value)) end
  local function set(name, value) c.gw_fields_set(fields, arena, s(name), s(value)) end

  local function get(name)
    local value = c.gw_fields_get(fields, s(name))
    return value ~= nil and c.str(value[0]) or nil
  end

  local function all(of)
    of = of or fields
    local out = {}
    for i = 0, of.count - 1 do
      out[#out + 1] = c.str(of.items[i].name) .. "=" .. c.str(of.items[i].value)
    end
    return table.concat(out, " ")
  end

  it("keep order and duplicates", function()
    add("b", "1")
    add("a", "2")
    add("b", "3")
    assert.equal("b=1 a=2 b=3", all())
    assert.equal("1", get("b"))
    assert.is_nil(get("c"))
    assert.equal(2, c.gw_fields_count(fields, s("b")))
    assert.equal("3", c.str(c.gw_fields_nth(fields, s("b"), 1)[0]))
    assert.is_true(c.gw_fields_nth(fields, s("b"), 2) == nil)
  end)

  it("replace all of a name at the place of the first", function()
    add("a", "1")
    add("b", "2")
    add("c", "3")
    add("b", "4")
    set("b", "5")
    assert.equal("a=1 b=5 c=3", all())
    set("d", "6")
    assert.equal("a=1 b=5 c=3 d=6", all())
  end)

  it("remove all of a name", function()
    add("a", "1")
    add("b", "2")
    add("a", "3")
    assert.equal(2, c.gw_fields_remove(fields, s("a")))
    assert.equal("b=2", all())
    assert.equal(0, c.gw_fields_remove(fields, s("a")))
  end)

  it("grow", function()
    local expected = {}
    for i = 1, 200 do
      add("n" .. i, tostring(i))
      expected[i] = "n" .. i .. "=" .. i
    end
    assert.equal(table.concat(expected, " "), all())
    assert.equal("177", get("n177"))
  end)

  it("tell names with equal hashes apart", function()
    assert.equal(c.gw_fields_hash(s("abxcd")), c.gw_fields_hash(s("aqxrd")))
    add("abxcd", "1")
    assert.is_nil(get("aqxrd"))
  end)

  it("find tokens in lists over several lines, whatever their case", function()
    add("connection", "keep-alive,  Upgrade")
    add("connection", "x")
    for _, token in ipairs({ "upgrade", "keep-alive", "X" }) do
      assert.is_true(c.gw_fields_has_token(fields, s("connection"), s(token)), token)
    end
    for _, token in ipairs({ "keep", "alive", "grade", "close" }) do
      assert.is_false(c.gw_fields_has_token(fields, s("connection"), s(token)), token)
    end
  end)

  it("copy the items, so that changes stay apart", function()
    add("a", "1")
    local copy = ffi.new("struct gw_fields")
    c.gw_fields_copy(copy, arena, fields)
    c.gw_fields_set(copy, arena, s("a"), s("2"))
    c.gw_fields_add(copy, arena, s("b"), s("3"))
    assert.equal("a=1", all())
    assert.equal("a=2 b=3", all(copy))
  end)
end)
