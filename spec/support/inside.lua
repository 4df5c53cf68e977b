--- Runs pieces of Lua where plugins run: in a hook of a script with its own state, clock and core.
---
---     local inside = require("support.inside")
---     assert.equal("4", inside [[return 2 + 2]])
---
--- `m.NAME` is the module `moongate.NAME`; what the piece returns comes back as texts. An error comes as "error: …".
--- With options: `init` (a text that runs as the plugin's `init`), `advance` (seconds, before it runs), `script` (what
--- scripts.new() takes besides).
local scripts = require("support.scripts")

local PLUGIN = [[
  local m = setmetatable({}, { __index = function(_, name) return require("moongate." .. name) end })
  local M, shared = {}, {}
  function M.init(configs) %s end
  function M.log(conf, ctx)
    local function run() %s end
    local results = { pcall(run) }
    if not results[1] then results = { true, "error: " .. tostring(results[2]) } end
    for i = 2, math.max(2, table.maxn(results)) do ctx.log:notice("says ", i, " ", tostring(results[i])) end
  end
  return M]]

local function said()
  local results = {}
  for i, text in scripts.caught():gmatch("says (%d+) ([^\n]*)") do results[tonumber(i) - 1] = text end
  return unpack(results, 1, table.maxn(results))
end

return function(body, options)
  options = options or {}
  local settings = {
    plugins = { p = PLUGIN:format(options.init or "", body) },
    uses = { { plugin = "p", conf = options.conf or {}, on_error = "reply" } }, plans = { {}, { { use = 1 } } },
  }
  for key, value in pairs(options.script or {}) do settings[key] = value end
  scripts.catch()
  local s = scripts.new(settings)
  if s.why then
    local why = s.why
    s:free()
    scripts.release()
    return "refused: " .. why
  end
  if options.advance then s:advance(options.advance) end
  local x = s:exchange()
  x:run_all()
  local results = { said() }
  x:free()
  s:free()
  scripts.release()
  return unpack(results, 1, table.maxn(results))
end
