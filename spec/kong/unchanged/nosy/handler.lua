-- Looks for what a plugin that is not trusted may not have.
local Nosy = { PRIORITY = 1, VERSION = "1.0.0" }

function Nosy:init_worker()
  local can_require_ffi = pcall(require, "ffi")
  local knows_kong = getmetatable(kong) ~= nil and getmetatable(kong) ~= false
  error(("nothing of the machine: %s, %s, %s, %s, %s"):format(
    tostring(io), tostring(debug), tostring(os.execute), tostring(can_require_ffi), tostring(knows_kong)))
end

return Nosy
