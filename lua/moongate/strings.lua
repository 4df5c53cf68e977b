--- Methods of strings (`s:rep(9)`) for a state in which not everybody is trusted. There is one metatable for all
--- strings, so its functions ask who runs: who is not trusted gets those that count their steps and bytes.
local ffi = require("ffi")

local M = {}

---@param core table  its `capped` and `now`
---@param uses table  those of the plan
function M.install(core, uses)
  local capped, untrusted = core.capped, {}
  local now = ffi.cast("struct gw_pdk_now *", core.now)
  for i, use in ipairs(uses) do
    untrusted[i] = use.untrusted or false
  end

  local function is_untrusted()
    local pdk = now.pdk
    return pdk ~= nil and untrusted[pdk.use]
  end

  local methods, own = {}, string
  for name, method in pairs(own) do
    methods[name] = method
  end

  function methods.find(s, pattern, init, plain)
    if is_untrusted() then return capped.find(s, pattern, init, plain) end
    return own.find(s, pattern, init, plain)
  end

  function methods.match(s, pattern, init)
    if is_untrusted() then return capped.match(s, pattern, init) end
    return own.match(s, pattern, init)
  end

  function methods.gmatch(s, pattern)
    if is_untrusted() then return capped.gmatch(s, pattern) end
    return own.gmatch(s, pattern)
  end

  function methods.gsub(s, pattern, with, most)
    if is_untrusted() then return capped.gsub(s, pattern, with, most) end
    return own.gsub(s, pattern, with, most)
  end

  function methods.rep(s, count, between)
    if is_untrusted() then return capped.rep(s, count, between) end
    return own.rep(s, count, between)
  end

  function methods.dump(fn)
    if is_untrusted() then error("string.dump: not for a plugin that is not trusted", 2) end
    return own.dump(fn)
  end

  getmetatable("").__index = methods
end

return M
