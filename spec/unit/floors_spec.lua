-- Every floor of core/ includes only floors below it (core/README.md, "Floors").
local host = require("support.host")

local BASE = "base"
local MIDDLE = "telemetry net base"
local UPPER = "http policy config telemetry net base"

local below = {
  base = "",
  net = BASE,
  supervisor = "net base",
  policy = BASE,
  config = BASE,
  telemetry = BASE,
  http = MIDDLE,
  upstream = UPPER,
  sink = "upstream " .. UPPER,
  store = "upstream " .. UPPER,
  script = "store sink upstream " .. UPPER,
  proxy = "script store sink upstream " .. UPPER,
  server = "supervisor proxy script store sink upstream " .. UPPER,
  harness = "server supervisor proxy script store sink upstream " .. UPPER,
  cli = "harness server supervisor proxy script store sink upstream " .. UPPER,
}

local height = {
  base = 0,
  net = 1,
  policy = 1,
  config = 1,
  supervisor = 2,
  telemetry = 1,
  http = 2,
  upstream = 3,
  sink = 4,
  store = 4,
  script = 5,
  proxy = 6,
  server = 7,
  harness = 8,
  cli = 9,
}

-- What is wrong with the includes of one file: { "core/net/conn.c:2 reaches up to http", … }.
local function faults(path, lines)
  local floor = path:match("^core/(%w+)/")
  local found, number = {}, 0
  if not below[floor] then return { path .. " stands on no floor that core/README.md knows" } end
  for line in lines do
    number = number + 1
    local other = line:match('^%s*#%s*include%s*"([^"/]+)/')
    if other and other ~= floor and not (" " .. below[floor] .. " "):find(" " .. other .. " ", 1, true) then
      local way = not height[other] and "to an unknown floor:"
        or height[other] > height[floor] and "up to"
        or "across to"
      found[#found + 1] = ("%s:%d reaches %s %s"):format(path, number, way, other)
    end
  end
  return found
end

local function check(path, text) return faults(path, text:gmatch("([^\n]*)\n?")) end

-- Files below a folder whose names match, relative to the tree.
local function files(folder, ...)
  local names = {}
  for _, pattern in ipairs { ... } do
    names[#names + 1] = ("-name '%s'"):format(pattern)
  end
  local list = {}
  local pipe = assert(
    io.popen(
      ("cd '%s' && find %s -type f \\( %s \\) 2>/dev/null | sort"):format(
        host.source_dir,
        folder,
        table.concat(names, " -o ")
      )
    )
  )
  for path in pipe:lines() do
    list[#list + 1] = path
  end
  pipe:close()
  return list
end

describe("the floors", function()
  it("reach only down", function()
    local found = {}
    local sources = files("core", "*.c", "*.h")
    assert.is_true(#sources > 10)
    for _, path in ipairs(sources) do
      for _, fault in ipairs(faults(path, io.lines(host.source_dir .. "/" .. path))) do
        found[#found + 1] = fault
      end
    end
    assert.equal("", table.concat(found, "\n"))
  end)

  it("declare C to Lua in the headers made for it only, never by hand", function()
    local found = {}
    for _, path in ipairs(files("lua", "*.lua")) do
      local number = 0
      for line in io.lines(host.source_dir .. "/" .. path) do
        number = number + 1
        local by_hand = line:find("ffi%.cdef%s*%(?%s*[%[\"']") and path ~= "lua/moongate/cdef.lua"
        if by_hand then found[#found + 1] = ("%s:%d"):format(path, number) end
      end
    end
    assert.equal("", table.concat(found, "\n"))
  end)
end)

describe("the check of the floors", function()
  it(
    "names the file, the line and the floor reached up to",
    function()
      assert.same(
        { "core/net/conn.c:2 reaches up to http" },
        check("core/net/conn.c", '#include "net/conn.h"\n#include "http/h1.h"\n')
      )
    end
  )

  it(
    "sees a step aside",
    function()
      assert.same(
        { "core/config/router.c:1 reaches across to policy" },
        check("core/config/router.c", '#include "policy/bucket.h"\n')
      )
    end
  )

  it(
    "keeps http from config, which lies below it",
    function()
      assert.same(
        { "core/http/h1.c:1 reaches across to config" },
        check("core/http/h1.c", '#include "config/config.h"\n')
      )
    end
  )

  it(
    "lets the own floor, base and system headers be",
    function()
      assert.same({}, check("core/net/conn.c", '#include "net/loop.h"\n#include "base/list.h"\n#include <uv.h>\n'))
    end
  )

  it("refuses a folder that is no floor", function() assert.equal(1, #check("core/util/misc.c", "")) end)
end)
