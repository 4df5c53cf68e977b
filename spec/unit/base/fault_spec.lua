local ffi = require("ffi")
local c = require("support.c")
local host = require("support.host")

local why = ffi.new("char[2048]")

local function set(plan) return c.gw_fault_set(plan, why, ffi.sizeof(why)) or ffi.string(why) end

-- Which of the first `times` passes fail: "2 3 5".
local function failing(point, times)
  local list = {}
  for i = 1, times do
    if c.gw_fault_hit(point) then list[#list + 1] = i end
  end
  return table.concat(list, " ")
end

describe("gw_fault", function()
  after_each(function() set("") end)

  it("fails the n-th time, a range, from one on, or always", function()
    assert.is_true(set("conn.read:2,conn.write:3-4,conn.open:4-,conn.read.short:*"))
    assert.equal("2", failing(c.GW_FAULT_CONN_READ, 5))
    assert.equal("3 4", failing(c.GW_FAULT_CONN_WRITE, 5))
    assert.equal("4 5", failing(c.GW_FAULT_CONN_OPEN, 5))
    assert.equal("1 2 3", failing(c.GW_FAULT_CONN_READ_SHORT, 3))
  end)

  it("takes several rules for one point", function()
    assert.is_true(set("conn.read:1,conn.read:3-4"))
    assert.equal("1 3 4", failing(c.GW_FAULT_CONN_READ, 6))
  end)

  it("fails a share, the same ones for the same seed", function()
    assert.is_true(set("conn.read:20%,seed:7"))
    local once = failing(c.GW_FAULT_CONN_READ, 200)
    local _, count = once:gsub("%d+", "")
    assert.is_true(count > 15 and count < 75, once)
    set("conn.read:20%,seed:7")
    assert.equal(once, failing(c.GW_FAULT_CONN_READ, 200))
    set("conn.read:20%,seed:8")
    assert.not_equal(once, failing(c.GW_FAULT_CONN_READ, 200))
  end)

  it("says with which errno", function()
    assert.is_true(set("conn.read:1,conn.write=ENOBUFS:1"))
    assert.is_true(c.gw_fault_hit(c.GW_FAULT_CONN_READ))
    assert.equal(104, ffi.errno()) -- ECONNRESET, from the table
    assert.is_true(c.gw_fault_hit(c.GW_FAULT_CONN_WRITE))
    assert.equal(105, ffi.errno())
  end)

  it("counts what passed and what failed since the plan", function()
    assert.is_true(set("conn.read:2"))
    failing(c.GW_FAULT_CONN_READ, 5)
    assert.equal(5, tonumber(c.gw_fault_passed(c.GW_FAULT_CONN_READ)))
    assert.equal(1, tonumber(c.gw_fault_fired()))
    set("")
    assert.equal(0, tonumber(c.gw_fault_passed(c.GW_FAULT_CONN_READ)))
    assert.equal("", failing(c.GW_FAULT_CONN_READ, 5))
  end)

  it("shares plan and counts through a file, until it is told to stop", function()
    local path = os.tmpname()
    assert.is_true(c.gw_fault_share(path))
    set("conn.read:2")
    assert.equal("2", failing(c.GW_FAULT_CONN_READ, 2))
    assert.is_true(c.gw_fault_share(path)) -- as another process would
    assert.equal(2, tonumber(c.gw_fault_passed(c.GW_FAULT_CONN_READ)))
    assert.is_true(c.gw_fault_share(nil))
    assert.equal(0, tonumber(c.gw_fault_passed(c.GW_FAULT_CONN_READ)))
    os.remove(path)
  end)

  it("shares no file that is none of this build", function()
    assert.is_false(c.gw_fault_share(host.source_dir .. "/README.md"))
    assert.is_false(c.gw_fault_share("/nowhere/faults"))
  end)

  it("lists the points when one is not known", function()
    local message = set("conn.read:1,conn.raed:1")
    assert.matches("^no fault point 'conn.raed' %(known: .*conn%.read, .*conn%.write", message)
    assert.equal("", failing(c.GW_FAULT_CONN_READ, 3))
  end)

  it("refuses what is no time and no errno", function()
    for _, plan in ipairs {
      "conn.read",
      "conn.read:",
      "conn.read:0",
      "conn.read:5-3",
      "conn.read:x",
      "conn.read:-1",
      "conn.read:101%",
      "conn.read:1 ,conn.write:2",
      "seed:x",
    } do
      assert.equal("string", type(set(plan)), plan)
    end
    assert.equal("no errno 'ENOSUCH'", set("conn.read=ENOSUCH:1"))
  end)

  it("is the plain call, and no code, in a release", function()
    local folder = assert(io.popen("mktemp -d")):read("*l")
    local file = assert(io.open(folder .. "/a.c", "w"))
    file:write([[#include "base/fault.h"
      _Static_assert(!GW_FAULT(CONN_READ), "a constant");
      int f(int x); int f(int x) { return GW_FAULT_SYS(CONN_READ, x) + GW_FAULT_UV(CONN_READ, x); }]])
    file:close()
    local command = "cd %s && cc -c -O0 -I %s/core a.c -o a.o && cc -c -O0 -I %s/core %s/core/base/fault.c -o b.o"
      .. " && nm a.o b.o | grep gw_fault; rm -r %s"
    local pipe =
      assert(io.popen(command:format(folder, host.source_dir, host.source_dir, host.source_dir, folder)))
    assert.equal("", pipe:read("*a"))
    pipe:close()
  end)
end)
