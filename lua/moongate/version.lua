--- Which Moongate this is: `text` "0.1.0", and `number` 1000: a million for a major version, a thousand for a minor.
local ffi = require("ffi")

local C = require("moongate.cdef")

local text = ffi.string(C.gw_pdk_version())
local major, minor, patch = text:match("^(%d+)%.(%d+)%.(%d+)")

return { text = text, number = major * 1000000 + minor * 1000 + patch }
