--- The compatibility layer: what the files of a plugin that was written for Kong see, besides Lua. Made once for each
--- such plugin, in its own environment; other plugins see none of it.
local here = require("kong.here")
local modules = require("kong.modules")

local M = {}

-- Of what was loaded for this plugin, the same each time.
local function requiring(other, untrusted)
  local loaded = {}
  return function(name)
    if modules.has(name) then
      if loaded[name] == nil then loaded[name] = modules.make(name, untrusted) end
      return loaded[name]
    end
    local reason = modules.absent(name)
    if reason then error(reason, 2) end
    return other(name)
  end
end

---@param plugin string
---@param untrusted boolean
---@param other fun(name: string): any  `require` for everything else
---@param env table  whose pcall and coroutine are replaced
---@return fun(name: string): any
---@return table globals
function M.new(plugin, untrusted, other, env)
  local kong = require("kong.pdk").new(plugin, untrusted)
  local globals =
    { kong = kong, ngx = require("kong.nginx").new(plugin, untrusted, kong), coroutine = env.coroutine }
  here.install(globals)
  return requiring(other, untrusted), globals
end

return M
