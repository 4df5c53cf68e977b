-- usage: luajit .ci/docs.lua [--check]. What ./dev docs runs: no build is needed for it.
package.path = "./lua/?.lua;./lua/?/init.lua;" .. package.path

-- Schemas may ask the core (for regular expressions, say) whether their defaults are good. Here is none: whatever is
-- asked is fine.
local fine = setmetatable({}, { __call = function(self) return self end })
getmetatable(fine).__index = function() return fine end
package.preload["moongate.cdef"] = function() return fine end
package.preload["moongate.regex"] = function()
  return setmetatable({}, {
    __index = function()
      return function() return true end
    end,
  })
end
package.preload["moongate.core"] = function() return { script = fine } end

require("ffi").cdef("struct gw_regex; struct gw_cidr_set;")

local ok, code = pcall(require("moongate.docs").run, ".", arg[1] == "--check")
if not ok then
  io.stderr:write("docs: ", tostring(code), "\n")
  code = 1
end
os.exit(code)
