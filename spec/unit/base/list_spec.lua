local ffi = require("ffi")
local c = require("support.c")
local child = require("support.child")

describe("gw_list", function()
  local list, nodes

  before_each(function()
    list = ffi.new("struct gw_list")
    nodes = ffi.new("struct gw_list_node[4]")
    c.gw_list_init(list)
  end)

  -- Which nodes are linked, first to last; the way back must tell the same.
  local function order()
    local forward, backward = {}, {}
    local node = list.root.next
    while node ~= list.root do
      forward[#forward + 1] = tonumber(node - nodes)
      node = node.next
    end
    node = list.root.prev
    while node ~= list.root do
      table.insert(backward, 1, tonumber(node - nodes))
      node = node.prev
    end
    assert.same(forward, backward)
    return forward
  end

  it("starts empty", function()
    assert.is_true(c.gw_list_empty(list))
    assert.is_true(c.gw_list_first(list) == nil)
    assert.is_true(c.gw_list_last(list) == nil)
  end)

  it("appends at the end and prepends at the front", function()
    c.gw_list_append(list, nodes + 1)
    c.gw_list_append(list, nodes + 2)
    c.gw_list_prepend(list, nodes + 0)
    assert.same({ 0, 1, 2 }, order())
  end)

  it("inserts before a node", function()
    c.gw_list_append(list, nodes + 0)
    c.gw_list_append(list, nodes + 2)
    c.gw_list_insert_before(nodes + 2, nodes + 1)
    assert.same({ 0, 1, 2 }, order())
  end)

  it("knows its first and last node", function()
    for i = 0, 2 do
      c.gw_list_append(list, nodes + i)
    end
    assert.is_true(c.gw_list_first(list) == nodes + 0)
    assert.is_true(c.gw_list_last(list) == nodes + 2)
  end)

  it("removes from anywhere", function()
    for i = 0, 3 do
      c.gw_list_append(list, nodes + i)
    end
    c.gw_list_remove(nodes + 1)
    assert.same({ 0, 2, 3 }, order())
    c.gw_list_remove(nodes + 3)
    c.gw_list_remove(nodes + 0)
    assert.same({ 2 }, order())
  end)

  it("is empty when the last node was removed", function()
    c.gw_list_append(list, nodes + 0)
    c.gw_list_remove(nodes + 0)
    assert.is_true(c.gw_list_empty(list))
  end)

  it("lets a node say whether it is linked", function()
    assert.is_false(c.gw_list_linked(nodes + 0))
    c.gw_list_append(list, nodes + 0)
    assert.is_true(c.gw_list_linked(nodes + 0))
    c.gw_list_remove(nodes + 0)
    assert.is_false(c.gw_list_linked(nodes + 0))
  end)

  it("does nothing when a node in no list is removed", function()
    c.gw_list_append(list, nodes + 0)
    c.gw_list_remove(nodes + 1)
    assert.same({ 0 }, order())
  end)

  it("takes a removed node again", function()
    for i = 0, 1 do
      c.gw_list_append(list, nodes + i)
    end
    c.gw_list_remove(nodes + 0)
    c.gw_list_append(list, nodes + 0)
    assert.same({ 1, 0 }, order())
  end)

  it("aborts when a node is put into a list twice", function()
    c.gw_list_append(list, nodes + 0)
    assert.matches("gw_list_linked", child.abort(function() c.gw_list_append(list, nodes + 0) end))
  end)
end)
