--- ctx.log: lines of the error log that carry the plugin's name and the correlation id.
local check = require("moongate.pdk.check")
local core = require("moongate.core")

local C = require("moongate.cdef")
local enter, ANY = check.enter, check.ANY
local script = core.script

local M = {}

local function join(...)
  local count = select("#", ...)
  if count == 1 then return tostring((...)) end
  local parts = { ... }
  for i = 1, count do parts[i] = tostring(parts[i]) end
  return table.concat(parts)
end

local function write(h, level, ...)
  if level >= C.gw_pdk_log_level() then
    local text = join(...)
    C.gw_pdk_log(script, h, level, text, #text)
  end
end

--- For who looks closely. The arguments are joined.
---@phase rewrite, access, request_body, response, body, log
---@param ... any
function M:debug(...)
  write(enter(self, "ctx.log:debug", ANY), 0, ...)
end

--- What is good to know.
---@phase rewrite, access, request_body, response, body, log
---@param ... any
function M:info(...)
  write(enter(self, "ctx.log:info", ANY), 1, ...)
end

--- What an operator should see.
---@phase rewrite, access, request_body, response, body, log
---@param ... any
function M:notice(...)
  write(enter(self, "ctx.log:notice", ANY), 2, ...)
end

--- Something is not as it should be.
---@phase rewrite, access, request_body, response, body, log
---@param ... any
function M:warn(...)
  write(enter(self, "ctx.log:warn", ANY), 3, ...)
end

--- Something failed.
---@phase rewrite, access, request_body, response, body, log
---@param ... any
function M:err(...)
  write(enter(self, "ctx.log:err", ANY), 4, ...)
end

--- The same as err.
---@phase rewrite, access, request_body, response, body, log
---@param ... any
function M:error(...)
  write(enter(self, "ctx.log:error", ANY), 4, ...)
end

return M
