--- Keeps errors inside finalisers (`__gc`, ffi.gc). LuaJIT raises them where the collector happens to work: in the hook
--- of somebody else's request, and where code was compiled the process does not survive it. Here such an error is a
--- line of the log.
local ffi = require("ffi")

local C = require("moongate.cdef")

local M = {}

local ERROR = 4 -- enum gw_log_level
local guards = setmetatable({}, { __mode = "kv" }) -- by function; a guard lives as long as what it is set at

---@param script any  who writes the line
function M.install(script)
  local function tell(why)
    local text = "an error in a finaliser (__gc, ffi.gc): " .. tostring(why)
    C.gw_pdk_log(script, nil, ERROR, text, #text)
  end

  local function guarded(fn)
    if type(fn) ~= "function" then return fn end
    local guard = guards[fn]
    if not guard then
      guard = function(object)
        local ok, why = pcall(fn, object)
        if not ok then pcall(tell, why) end
      end
      guards[fn] = guard
    end
    return guard
  end

  local gc, metatype, newproxy = ffi.gc, ffi.metatype, newproxy

  function ffi.gc(object, fn) return gc(object, guarded(fn)) end

  function ffi.metatype(ctype, meta)
    if type(meta) == "table" and rawget(meta, "__gc") then
      local own = {}
      for key, value in pairs(meta) do
        own[key] = value
      end
      own.__gc = guarded(meta.__gc)
      meta = own
    end
    return metatype(ctype, meta)
  end

  local PROXY = {
    __newindex = function(meta, key, value) rawset(meta, key, key == "__gc" and guarded(value) or value) end,
  }

  _G.newproxy = function(how) -- luacheck: ignore 122
    local proxy = newproxy(how)
    if how == true then setmetatable(getmetatable(proxy), PROXY) end
    return proxy
  end
end

return M
