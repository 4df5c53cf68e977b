--- Runs pieces of Lua where plugins run: in a hook of a script with its own state, clock and core.
---
---     local inside = require("support.inside")
---     assert.equal("4", inside [[return 2 + 2]])
---
--- `m.NAME` is the module `moongate.NAME`; what the piece returns comes back as texts. An error comes as "error: …".
--- Where it waits, the clock moves on by itself. With options: `init` (a text that runs as the plugin's `init`; both may
--- keep things in `own`), `conf`, `script` (what scripts.new() takes besides).
local scripts = require("support.scripts")

local PLUGIN = [[
  local m = setmetatable({}, { __index = function(_, name) return require("moongate." .. name) end })
  local M, own = {}, {}
  function M.init(configs) %s end
  function M.log(conf, ctx)
    local function run() %s end
    local function say(ok, ...)
      if not ok then return ctx.log:notice("says 1 error: ", (...)) end
      for i = 1, math.max(1, select("#", ...)) do ctx.log:notice("says ", i, " ", tostring((select(i, ...)))) end
    end
    say(pcall(run))
  end
  return M]]

local function said()
  local results = {}
  for i, text in scripts.caught():gmatch("says (%d+) ([^\n]*)") do
    results[tonumber(i)] = text
  end
  return results
end

local function run(s)
  local x = s:exchange()
  for _, phase in ipairs { "rewrite", "access", "response", "log" } do
    local before = x:finished()
    if x:run(phase) == "waits" then
      repeat
        s:advance(1)
      until x:finished() > before
    end
  end
  x:free()
end

return function(body, options)
  options = options or {}
  local settings = {
    plugins = { p = PLUGIN:format(options.init or "", body) },
    uses = { { plugin = "p", conf = options.conf or {}, on_error = "reply" } },
    plans = { {}, { { use = 1 } } },
  }
  for key, value in pairs(options.script or {}) do
    settings[key] = value
  end
  scripts.catch()
  local s = scripts.new(settings)
  if s.why then
    local why = s.why
    s:free()
    scripts.release()
    return "refused: " .. why
  end
  run(s)
  local results = said()
  s:free()
  scripts.release()
  return unpack(results)
end
