-- The examples in the READMEs of the bundled plugins load as they stand.
local files = require("moongate.config.files")
local host = require("support.host")
local moongate = require("support.moongate")

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

local function examples(name)
  local found = {}
  for yaml in read(host.source_dir .. "/plugins/" .. name .. "/README.md"):gmatch("```yaml\n(.-)```") do
    found[#found + 1] = yaml
  end
  return found
end

describe("the README of", function()
  teardown(moongate.stop_all)

  local names = files.list(host.source_dir .. "/plugins")
  table.sort(names)
  for _, name in ipairs(names) do
    it(name .. " has an example that loads", function()
      local found = examples(name)
      assert.is_true(#found > 0)
      for _, yaml in ipairs(found) do
        if not yaml:find("listeners:", 1, true) then
          yaml = "listeners: [{ address: 127.0.0.1:8000 }]\n" .. yaml
        end
        local folder = moongate.folder { ["moongate.yaml"] = yaml }
        local check = moongate.command({ "check", "-c", "moongate.yaml" }, folder, { ALICE_KEY = "k" })
        assert.equal(0, check.code, check.stderr)
      end
    end)
  end
end)
