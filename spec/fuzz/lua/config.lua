-- A configuration from any bytes. What loads is frozen, and what /config would show of it is JSON.
local source_dir = ...
local cjson = require("cjson")
local ffi = require("ffi")

local config = require("moongate.config")
local freeze = require("moongate.config.freeze")
local plugins = dofile(source_dir .. "/spec/support/fake_plugins.lua")

local OPTIONS = {
  folder = "/nowhere",
  plugins = plugins,
  env = function(name) return name == "SET" and "value" or nil end,
}

local function check_errors(file, errors)
  assert(#errors > 0, "refused without a reason")
  for _, err in ipairs(errors) do
    local line = config.format(err)
    assert(line:find(file, 1, true) == 1, "an error does not name the file")
    assert(not line:find("[%z\1-\31\127]"), "an error holds control bytes: " .. ("%q"):format(line))
  end
end

local function check_frozen(normal)
  local address, problems = freeze.freeze(normal)
  if not address then return assert(#problems > 0, "not frozen without a reason") end
  local frozen = ffi.cast("struct gw_config *", address)
  cjson.decode(ffi.string(frozen.shown.ptr, frozen.shown.len))
  cjson.decode(ffi.string(frozen.warnings.ptr, frozen.warnings.len))
  ffi.C.gw_config_unref(frozen)
end

return function(bytes)
  for _, file in ipairs { "moongate.yaml", "moongate.json" } do
    OPTIONS.text = bytes
    local normal, errors = config.load(file, OPTIONS)
    if normal then
      check_frozen(normal)
    else
      check_errors(file, errors)
    end
  end
end
