--- The core, as specs see it: `c.gw_buf_append(...)`, `c.GW_E_CONNECT`, with every header declared, plus a few helpers.
-- `static inline` functions are there too. Macros are not: FFI knows only declarations.
local ffi = require("ffi")
local host = require("support.host")

if host.is_plain then error("this spec calls the core's own functions: run it with ./dev test PATH", 0) end

local M = {}

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

-- Declarations that LuaJIT could not read, by the names in them: { gw_conn = "core/net/conn.h:12: why" }.
local function read_skipped(path)
  local skipped = {}
  for where, why, names in read(path):gmatch("([^\t\n]+)\t([^\t\n]+)\t([^\t\n]*)\n") do
    for name in names:gmatch("%S+") do
      skipped[name] = skipped[name] or (where .. ": " .. why)
    end
  end
  return skipped
end

-- Modules of lua/ declare the PDK themselves, and busted loads a module once per spec file: what is declared
-- already is passed over here, because LuaJIT refuses a second definition of a struct.
local declare = ffi.cdef
local declared = {}

local function each_declaration(text)
  local from, at, depth = 1, 0, 0
  return function()
    while true do
      at = text:find("[{};]", at + 1)
      if not at then return nil end
      local char = text:sub(at, at)
      depth = depth + (char == "{" and 1 or char == "}" and -1 or 0)
      if char == ";" and depth == 0 then
        local one = text:sub(from, at)
        from = at + 1
        return one
      end
    end
  end
end

function ffi.cdef(text, ...)
  if declared[text] then return end
  local ok, message = pcall(declare, text, ...)
  if not ok and message:find("attempt to redefine", 1, true) then
    for one in each_declaration(text) do
      local accepted, why = pcall(declare, one, ...)
      if not accepted and not why:find("attempt to redefine", 1, true) then error(why, 2) end
    end
  elseif not ok then
    error(message, 2)
  end
  declared[text] = true
end

declare(read(host.build_dir .. "/core.cdef"))
local skipped = read_skipped(host.build_dir .. "/core.cdef.skipped")

-- The string a slice points at lives as long as the slice.
local anchors = setmetatable({}, { __mode = "k" })

--- A slice of a Lua string, valid as long as the slice itself is kept.
function M.slice(text)
  local slice = ffi.new("struct gw_slice", ffi.cast("const char *", text), #text)
  anchors[slice] = text
  return slice
end

--- The bytes of a slice (or of a char pointer with a NUL) as a Lua string; nil for NULL.
function M.str(value)
  if value == nil then return nil end
  if ffi.istype("struct gw_slice", value) then
    if value.len == 0 then return "" end
    return ffi.string(value.ptr, value.len)
  end
  return ffi.string(value)
end

--- The lower-case name of an error: "connect".
function M.reason(err) return ffi.string(ffi.C.gw_error_info(err).reason) end

return setmetatable(M, {
  __index = function(_, name)
    local ok, value = pcall(function() return ffi.C[name] end)
    if ok then return value end
    local why = skipped[name] and ("FFI cannot read it, " .. skipped[name]) or tostring(value):gsub("^.-: ", "", 1)
    error(("c.%s: %s"):format(name, why), 2)
  end,
  __newindex = function(_, name, value) ffi.C[name] = value end,
})
