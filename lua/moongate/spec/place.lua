--- Where a spec stands: the first caller that is none of ours.
local core = require("moongate.spec.core")
local files = require("moongate.config.files")

local M = {}

local OURS = "@" .. core.home .. "/lua/moongate/spec/"

local function frame()
  for level = 3, 60 do
    local info = debug.getinfo(level, "Sl")
    if not info then return nil end
    if info.what ~= "C" and info.source:sub(1, 1) == "@" and info.source:sub(1, #OURS) ~= OURS then return info end
  end
end

--- The folder of the spec's file, absolute.
---@return string
function M.folder()
  local info = frame()
  return info and files.absolute(files.folder(info.source:sub(2))) or files.absolute(".") or "."
end

--- Raises an error at the line of the spec.
---@param message string
function M.raise(message)
  local info = frame()
  error(info and ("%s:%d: %s"):format(info.short_src, info.currentline, message) or message, 0)
end

return M
