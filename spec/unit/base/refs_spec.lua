local ffi = require("ffi")
local c = require("support.c")
local child = require("support.child")

describe("gw_refs", function()
  local refs

  before_each(function()
    refs = ffi.new("struct gw_refs")
    c.gw_refs_init(refs)
  end)

  it("starts with one owner", function() assert.is_true(c.gw_refs_drop(refs)) end)

  it("tells only the last owner to free", function()
    c.gw_refs_add(refs)
    c.gw_refs_add(refs)
    assert.is_false(c.gw_refs_drop(refs))
    assert.is_false(c.gw_refs_drop(refs))
    assert.is_true(c.gw_refs_drop(refs))
  end)

  it("aborts when it is dropped once too often", function()
    c.gw_refs_drop(refs)
    assert.matches("before > 0", child.abort(function() c.gw_refs_drop(refs) end))
  end)

  it("aborts when nobody is left to share it", function()
    c.gw_refs_drop(refs)
    assert.matches("before > 0", child.abort(function() c.gw_refs_add(refs) end))
  end)
end)
