-- docs/security.md says which test proves what: each of them exists, and no number of the list is left out.
local host = require("support.host")

local function read(path)
  local file = io.open(host.source_dir .. "/" .. path)
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end

local page = assert(read("docs/security.md"))

describe("docs/security.md", function()
  for path, name in page:gmatch('`([%w_/]+%.lua)`: "([^"]+)"') do
    it(("names a test that is there: %s: %s"):format(path, name), function()
      local text = assert(read(path), "there is no " .. path)
      -- In a source a quote or a % of the name may be written otherwise; the names we refer to have none but %q.
      assert.is_truthy(text:find(name, 1, true), "nothing in it is called " .. name)
    end)
  end

  for path in page:gmatch("[`(]([%w_/]+%.lua)[`)]") do
    it("names a file that is there: " .. path, function() assert.is_string(read(path)) end)
  end

  it("speaks of each of the 48 attacks", function()
    local seen = {}
    for numbers in page:gmatch("\n| ([%d, ]+) |") do
      for number in numbers:gmatch("%d+") do
        seen[tonumber(number)] = true
      end
    end
    for number = 1, 48 do
      assert.is_true(seen[number], tostring(number))
    end
  end)

  it("leaves none without a test, or a word on what it comes with", function()
    for line in page:gmatch("\n(| [%d, ]+ |[^\n]*)") do
      assert.is_true(line:find("_spec%.lua`: ") ~= nil or line:find("comes? with") ~= nil, line)
    end
  end)
end)
