--- `ffi.C` with everything declared that C shows to Lua: core/script/pdk.h, core/config/build.h and their like, as
--- the build wrote them into the executable.
local ffi = require("ffi")

ffi.cdef("extern const char gw_pdk_cdef[];")
ffi.cdef(ffi.string(ffi.C.gw_pdk_cdef))

return ffi.C
