--- `./dev docs`: writes what is made of the sources, or says what is out of date (`--check`).
---
---     docs/pdk.md, testing-plugins.md,     the parts between <!-- made by ./dev docs --> and <!-- end -->
---     docs/configuration.md
---     plugins/NAME/README.md               the table of its configuration, between the same marks
---     docs/moongate.schema.json            for editors that know YAML
---     lua/moongate/types/                  for lua-language-server
local annotations = require("moongate.docs.annotations")
local configuration = require("moongate.docs.configuration")
local credentials = require("moongate.config.credentials")
local files = require("moongate.config.files")
local json_schema = require("moongate.docs.json_schema")
local modules = require("moongate.docs.modules")
local pdk = require("moongate.docs.pdk")
local plugin_finder = require("moongate.config.plugins")
local types = require("moongate.docs.types")
local words = require("moongate.schema.words")

local M = {}

local BEGIN, END = "<!-- made by ./dev docs -->", "<!-- end -->"

local function read(path)
  local text, reason = files.read(path)
  if not text then error(("%s: %s"):format(path, reason), 0) end
  return text
end

local function source_of(root, name)
  for _, path in ipairs { name .. ".lua", name .. "/init.lua" } do
    local full = root .. "/lua/moongate/" .. path
    if files.exists(full) then return annotations.parse(read(full)) end
  end
end

local function read_sources(root)
  local sources = {}
  for _, part in ipairs(modules.CTX) do
    sources[part.file] = source_of(root, part.file)
  end
  for _, name in ipairs(modules.PUBLIC) do
    sources[name] = source_of(root, name)
  end
  for _, name in ipairs(modules.SPEC) do
    sources[name] = source_of(root, name)
  end
  sources.schema = source_of(root, "schema")
  return sources
end

-- Nothing new stays undocumented because nobody thought of it: how many files nobody has said it of.
local function check_modules(root)
  local known, forgotten = {}, 0
  for _, list in ipairs { modules.PUBLIC, modules.INTERNAL } do
    for _, name in ipairs(list) do
      known[name] = true
    end
  end
  for _, entry in ipairs(files.list(root .. "/lua/moongate")) do
    local name = entry:gsub("%.lua$", "")
    if not known[name] then
      print(("lua/moongate/%s: is it for plugins? say so in lua/moongate/docs/modules.lua"):format(entry))
      forgotten = forgotten + 1
    end
  end
  return forgotten
end

local function read_plugins(root)
  local find, list = plugin_finder.finder { paths = {}, bundled = root .. "/plugins" }, {}
  for _, name in ipairs(files.list(root .. "/plugins")) do
    local info, reason = find(name)
    if not info then error(reason, 0) end
    info.credentials = info.credentials or credentials.BUILT_IN[name]
    list[#list + 1] = info
  end
  return list
end

local function between_marks(path, text, part)
  local _, from = text:find(BEGIN, 1, true)
  local to = from and text:find(END, from, true)
  if not to then error(("%s: needs %s and %s, where the table of its fields goes"):format(path, BEGIN, END), 0) end
  return text:sub(1, from) .. "\n" .. part .. text:sub(to)
end

--- Every made file with its text, by path.
---@param root string  the checkout
---@return table<string, string>
function M.make(root)
  local sources, plugins, made = read_sources(root), read_plugins(root), {}
  local function fill(path, part) made[path] = between_marks(path, read(root .. "/" .. path), part) end
  fill("docs/pdk.md", pdk.text(sources))
  fill("docs/testing-plugins.md", pdk.spec_text(sources))
  fill("docs/configuration.md", configuration.text(plugins))
  for _, info in ipairs(plugins) do
    fill(("plugins/%s/README.md"):format(info.name), configuration.plugin(info))
  end
  made["docs/moongate.schema.json"] = json_schema.text(plugins)
  for path, text in pairs(types.files(sources)) do
    made["lua/moongate/types/" .. path] = text
  end
  return made
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

--- Writes what changed, or only says so.
---@param root string
---@param only_check boolean
---@return integer code  1: something is out of date
function M.run(root, only_check)
  local made, stale, forgotten = M.make(root), 0, check_modules(root)
  for _, path in ipairs(words.keys(made)) do
    if files.read(root .. "/" .. path) ~= made[path] then
      stale = stale + 1
      print((only_check and "%s is out of date" or "docs: wrote %s"):format(path))
      if not only_check then write(root .. "/" .. path, made[path]) end
    end
  end
  if only_check and stale > 0 then
    print("run ./dev docs")
    return 1
  end
  return forgotten > 0 and 1 or 0
end

return M
