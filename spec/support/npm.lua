--- Packages of npm that specs talk to: real clients and servers of protocols. They are put into build/npm/peers once.
local host = require("support.host")

local M = {}

M.FOLDER = host.source_dir .. "/build/npm/peers"

local PACKAGES = { ["@grpc/grpc-js"] = "1.14.1", ws = "8.23.0", ["grpc-web"] = "2.1.1", xhr2 = "0.2.1" }

local function has(name, version)
  local file = io.open(("%s/node_modules/%s/package.json"):format(M.FOLDER, name))
  if not file then return false end
  local text = file:read("*a")
  file:close()
  return text:find(('"version": "%s"'):format(version), 1, true) ~= nil
end

local function missing()
  local list = {}
  for name, version in pairs(PACKAGES) do
    if not has(name, version) then list[#list + 1] = ("'%s@%s'"):format(name, version) end
  end
  return list
end

-- All of them at once: npm takes away what it is not told of. One process at a time, and the second finds them there.
local INSTALL = [[
mkdir -p '%s' && cd '%s' && flock lock sh -c '
  test -d node_modules && test "$(cat wanted 2>/dev/null)" = "$0" && exit
  echo "{ \"private\": true }" >package.json
  npm install --no-audit --no-fund --ignore-scripts --save-exact $0 >npm.log 2>&1 </dev/null && echo "$0" >wanted' "%s"
]]

local function all()
  local list = {}
  for name, version in pairs(PACKAGES) do
    list[#list + 1] = name .. "@" .. version
  end
  table.sort(list)
  return table.concat(list, " ")
end

--- True when they are there, or could be brought; else why not.
---@return boolean, string?
function M.ready()
  if #missing() == 0 then return true end
  os.execute(INSTALL:format(M.FOLDER, M.FOLDER, all()))
  local list = missing()
  if #list == 0 then return true end
  return false, ("npm did not bring %s (%s/npm.log)"):format(table.concat(list, " "), M.FOLDER)
end

return M
