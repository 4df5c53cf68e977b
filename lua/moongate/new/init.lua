--- `moongate new plugin NAME`: the files of a plugin whose spec passes, and what to do next.
local ffi = require("ffi")
local files = require("moongate.config.files")
local from_kong = require("moongate.new.from_kong")
local hooks = require("moongate.new.hooks")
local words = require("moongate.schema.words")

pcall(
  ffi.cdef,
  [[
int gw_lua_mkdir(const char *path, unsigned mode) __asm__("mkdir");
]]
)

local M = {}

local GOOD, BAD, USAGE = 0, 1, 2
local NAME_MAX = 64

local SCHEMA = [[
local t = require("moongate.schema")

return t.record {
  message = t.string { default = "hello", len_min = 1, about = "What NAME says." },
}
]]

local README = [[
# NAME

Say here in a sentence what it is for. Now it does this:

HOOKS

```yaml
routes:
  - name: everything
    paths: [/]
    public: true # or a plugin that authenticates
    plugins:
      - name: NAME
        config: { message: hello }
```

| Field | Type | Default | About |
|---|---|---|---|
| `message` | string | `hello` | What NAME says. |
]]

local HANDLER = [[
--- NAME: say here in a sentence what it does.
local M = { version = "0.1.0", priority = 1000 }

%s
return M
]]

local SPEC = [[
local gateway = require("moongate.spec")

describe("NAME", function()
  local gw = gateway.new { plugins = { { name = "NAME", config = { message = "hello" } } } }

%send)
]]

local SPEC_WITHOUT_HOOKS = [[
  it("lets requests pass", function()
    assert.equal(200, gw:get("/").status)
  end)
]]

-- So that lua-language-server completes what plugins and specs can call.
local LUARC = [[
{
  "runtime.version": "LuaJIT",
  "workspace.library": ["%s/lua/moongate/types", "${3rd}/busted/library", "${3rd}/luassert/library"],
  "workspace.checkThirdParty": false
}
]]

local function complain(code, text, ...)
  io.stderr:write("moongate: new: ", text:format(...), "\n")
  return code
end

local function name_problem(name)
  if name == "" or #name > NAME_MAX then
    return ("the name of a plugin has 1 to %d characters"):format(NAME_MAX)
  elseif not name:find("^[a-z][a-z0-9-]*$") or name:find("-$") then
    return "a plugin's name is made of a-z, 0-9 and -, begins with a letter and does not end with -"
  end
end

-- "response,access" → { "access", "response" }, or nil and what is wrong.
local function read_hooks(text)
  if not text then return hooks.USUAL end
  local wanted = {}
  for name in text:gmatch("[^,%s]+") do
    if not hooks[name] or name:find("%u") then
      return nil, ("%s is no hook%s"):format(words.quote(name), words.did_you_mean(name, hooks.ORDER))
    end
    wanted[name] = true
  end
  local list = {}
  for _, name in ipairs(hooks.ORDER) do
    if wanted[name] then list[#list + 1] = name end
  end
  if #list == 0 then return nil, "--hooks names none (known: " .. table.concat(hooks.ORDER, ", ") .. ")" end
  return list
end

local function collect(list, field, between)
  local parts = {}
  for _, name in ipairs(list) do
    parts[#parts + 1] = hooks[name][field]
  end
  return table.concat(parts, between)
end

local function fill(text, name) return (text:gsub("NAME", name)) end

-- What stands where, by path below the plugin's folder.
local function contents(name, list)
  local abouts = collect(list, "about", "\n- ")
  local specs = collect(list, "spec", "\n")
  return {
    ["handler.lua"] = fill(HANDLER:format(collect(list, "code", "\n")), name),
    ["schema.lua"] = fill(SCHEMA, name),
    ["README.md"] = fill((README:gsub("HOOKS", abouts ~= "" and "- " .. abouts or "- nothing yet")), name),
    ["spec/" .. name .. "_spec.lua"] = fill(SPEC:format(specs ~= "" and specs or SPEC_WITHOUT_HOOKS), name),
  }
end

local function make_folders(path)
  for at in (path .. "/"):gmatch("()/") do
    if at > 1 then
      ffi.C.gw_lua_mkdir(path:sub(1, at - 1), 511) -- 0777, as the umask allows
    end
  end
end

local function write(path, text)
  local file, reason = io.open(path, "wb")
  if not file then return nil, reason end
  local ok, problem = file:write(text)
  local closed, other = file:close()
  if ok and closed then return true end
  return nil, problem or other
end

local function write_all(folder, texts)
  make_folders(texts["README.md"] and folder .. "/spec" or folder)
  for _, path in ipairs(words.keys(texts)) do
    local ok, reason = write(folder .. "/" .. path, texts[path])
    if not ok then return nil, reason end
  end
  return true
end

-- One for the folder people stand in, because that is what they open in their editor.
local function write_luarc(home)
  if files.exists(".luarc.json") then return false end
  return write(".luarc.json", LUARC:format((home:gsub('[\\"]', "\\%0")))) == true
end

local function tell(opts, dir, folder, luarc)
  print(
    ("made %s: handler.lua, schema.lua, README.md, spec/%s_spec.lua%s"):format(
      folder,
      opts.name,
      luarc and "; .luarc.json for your editor" or ""
    )
  )
  local bundled = opts.home .. "/plugins"
  if files.is_folder(bundled .. "/" .. opts.name) and files.absolute(bundled) ~= files.absolute(dir) then
    print(("note: a bundled plugin is called %s, too; yours comes before it"):format(opts.name))
  end
  local usual = dir == "./plugins"
  print(("next: `moongate test%s` runs its spec"):format(usual and "" or " " .. folder))
  print(
    ("      `- name: %s` under the `plugins:` of a route in moongate.yaml puts it to work%s"):format(
      opts.name,
      usual and "" or (" (with `plugin_paths: [%s]` at the top)"):format(dir)
    )
  )
  print("      `moongate run --watch` serves, and every save is live")
end

---@param opts { home: string, kind: string, name: string, hooks: string?, dir: string?, from: string? }
---@return integer code
function M.run(opts)
  if opts.kind ~= "plugin" then
    return complain(USAGE, "%s cannot be made (usage: moongate new plugin NAME)", words.quote(opts.kind))
  end
  local problem = name_problem(opts.name)
  if problem then return complain(USAGE, "%s: %s", words.quote(opts.name), problem) end
  local list, reason = read_hooks(opts.hooks)
  if not list then
    return complain(USAGE, "%s", reason)
  elseif opts.from and opts.hooks then
    return complain(USAGE, "--from brings the hooks along: leave --hooks out")
  end
  local dir = (opts.dir or "./plugins"):gsub("(.)/+$", "%1")
  local folder = dir:gsub("^%./", "") .. "/" .. opts.name
  if files.exists(folder) or files.is_folder(folder) then
    return complain(BAD, "%s is there already (nothing was changed)", folder)
  end
  local moved, problem_of_it
  if opts.from then
    moved, problem_of_it = from_kong.read(opts.from:gsub("(.)/+$", "%1"), opts.name, opts.home)
    if not moved then return complain(BAD, "%s", problem_of_it) end
  end
  local ok, why = write_all(folder, moved and moved.texts or contents(opts.name, list))
  if not ok then return complain(BAD, "%s", why) end
  if moved then
    from_kong.tell(moved, folder)
  else
    tell(opts, dir, folder, write_luarc(opts.home))
  end
  return GOOD
end

return M
