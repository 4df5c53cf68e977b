-- Every input that a fuzz target ever tripped over, and the seeds it starts from, as plain tests: see spec/fuzz/README.md.
local ffi = require("ffi")
local host = require("support.host")

local FUZZ = host.source_dir .. "/spec/fuzz"

local function list(pattern)
  local pipe = assert(io.popen("ls -d " .. FUZZ .. "/" .. pattern .. " 2>/dev/null"))
  local names = {}
  for path in pipe:lines() do
    names[#names + 1] = path:match("[^/]+$")
  end
  pipe:close()
  return names
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("*a")
  file:close()
  return bytes
end

local function contains(path, text) return read(path):find(text, 1, true) ~= nil end

-- A file is a target when it says so; the others help.
local function targets()
  local found = {}
  for _, file in ipairs(list("*.c")) do
    local name = file:match("^(.*)%.c$")
    if contains(FUZZ .. "/" .. file, "GW_FUZZ_TARGET(" .. name .. ")") then found[#found + 1] = name end
  end
  return found
end

for _, target in ipairs(targets()) do
  describe("the corpus of " .. target, function()
    local inputs = list("corpus/" .. target .. "/*")
    ffi.cdef(("int gw_fuzz_%s(const char *data, size_t size);"):format(target))
    local run = ffi.C["gw_fuzz_" .. target]

    it("is not empty", function() assert.is_true(#inputs >= 5, "seeds are missing") end)

    for _, name in ipairs(inputs) do
      it("passes: " .. name, function()
        local bytes = read(FUZZ .. "/corpus/" .. target .. "/" .. name)
        assert.equal(0, run(bytes, #bytes))
      end)
    end
  end)
end

describe("the fuzz targets", function()
  it("are there", function() assert.is_true(#targets() > 0) end)

  it("have no corpus without a target", function()
    local known = {}
    for _, name in ipairs(targets()) do
      known[name] = true
    end
    for _, name in ipairs(list("corpus/*")) do
      assert.is_true(known[name], name)
    end
  end)
end)
