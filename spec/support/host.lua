--- Where things are, for specs that `moongate test` runs from the tree: gw-spec puts its own in this place.
local files = require("moongate.config.files")

local function real_path(path)
  local pipe = assert(io.popen("readlink -f '" .. path .. "'"))
  local text = pipe:read("*l")
  pipe:close()
  return text
end

return {
  is_plain = true, -- no core inside that could be called: support.c says so
  source_dir = files.absolute(debug.getinfo(1, "S").source:match("^@(.*)/spec/support/[^/]*$") or "."),
  build_dir = files.folder(real_path("/proc/" .. io.open("/proc/self/stat"):read("*n") .. "/exe")),
}
