--- Every block of the documentation does what it says: see support/pages.lua for how they are marked.
local files = require("moongate.config.files")
local host = require("support.host")
local moongate = require("support.moongate")
local pages = require("support.pages")

local function read(path) return assert(files.read(host.source_dir .. "/" .. path)) end

local function names()
  local list = { "README.md" }
  for _, name in ipairs(files.list(host.source_dir .. "/docs")) do
    if name:find("%.md$") then list[#list + 1] = "docs/" .. name end
  end
  return list
end

describe("the documentation", function()
  after_each(moongate.stop_all)

  for _, name in ipairs(names()) do
    it(name .. " does what it says", function()
      local page = pages.open()
      local ok, reason = pcall(page.run, page, name, read(name))
      local stopped, why = pcall(page.stop, page)
      assert(ok, reason)
      assert(stopped, why)
    end)
  end

  it("links to what is there", function()
    for _, name in ipairs(names()) do
      local folder = name:match("^(.*)/") or "."
      for target in read(name):gsub("```.-```", ""):gmatch("%]%(([^)#:%s]+)[^)]*%)") do
        local path = ("%s/%s/%s"):format(host.source_dir, folder, target)
        assert.is_truthy(files.exists(path) or files.is_folder(path), ("%s: there is no %s"):format(name, target))
      end
    end
  end)
end)

describe("a page", function()
  after_each(moongate.stop_all)

  local function run(text)
    local page = pages.open()
    local ok, reason = pcall(page.run, page, "page", text)
    pcall(page.stop, page)
    return ok, reason
  end

  it("writes files, runs commands in their folder and compares what they print", function()
    assert(
      run(
        "```text file=a/b.txt\nhello\n```\n```sh\ncat a/b.txt; echo 12345 bye\n```\n```output\nhello\n… bye\n```\n"
      )
    )
    assert(run("```sh\nprintf 'a\\nb\\nc\\n'\n```\n```output\na\n…\nc\n```\n"))
  end)

  it("fails where a command fails or prints something else, and says where", function()
    local ok, reason = run("\n```sh\nfalse\n```\n")
    assert.is_false(ok)
    assert.matches("page:2: ended with 1 instead of 0", reason)
    ok, reason = run("```sh\necho a\n```\n```output\nb\n```\n")
    assert.is_false(ok)
    assert.matches("page:4: what was printed is:\na", reason)
    assert.is_false((run("```lua\nreturn =\n```\n")))
    assert.is_false((run("```yaml\na: [\n```\n")))
    assert(run("```sh exit=3\nexit 3\n```\n```sh norun\nexit 1\n```\n"))
  end)
end)
