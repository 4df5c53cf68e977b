-- The first Lua that gw-spec runs: sets the paths, then hands over to busted.
local host = ...

local source = host.source_dir
package.path = table.concat({
  source .. "/spec/?.lua",
  source .. "/lua/?.lua",
  source .. "/lua/?/init.lua",
  package.path,
}, ";")
package.loaded["support.host"] = host

-- What specs leave behind goes with this run's folder. An empty file, as from the original.
local names = 0
os.tmpname = function() -- luacheck: ignore
  names = names + 1
  local path = ("%s/lua_%d"):format(host.scratch_dir, names)
  assert(io.open(path, "w")):close()
  return path
end

table.insert(arg, 1, "-e")
table.insert(arg, 2, 'require("moongate.spec.blocks").install()')
require("support.c") -- before busted, which would load it anew for every file

-- The chunk's name is what busted calls itself in its messages.
assert(loadstring('require("busted.runner")({ standalone = false, output = "support.report" })', "@gw-spec"))()
