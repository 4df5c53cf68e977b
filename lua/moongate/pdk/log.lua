--- ctx.log: lines of the error log that carry the plugin's name and the correlation id.
local check = require("moongate.pdk.check")
local core = require("moongate.core")
local inspect = require("moongate.inspect").text
local serialize = require("moongate.pdk.serialize")

local C = require("moongate.cdef")
local enter, ANY, LOG = check.enter, check.ANYWHERE, check.LOG
local script = core.script

local M = {}

local function join(...)
  local count = select("#", ...)
  if count == 1 then return tostring((...)) end
  local parts = { ... }
  for i = 1, count do
    parts[i] = tostring(parts[i])
  end
  return table.concat(parts)
end

local function write(h, level, ...)
  if level >= C.gw_pdk_log_level() then
    local text = join(...)
    C.gw_pdk_log(script, h, level, text, #text)
  end
end

--- For who looks closely. The arguments are joined.
---@phase rewrite, access, request_body, response, body, log, task
---@param ... any
function M:debug(...) write(enter(self, "ctx.log:debug", ANY), 0, ...) end

--- What is good to know.
---@phase rewrite, access, request_body, response, body, log, task
---@param ... any
function M:info(...) write(enter(self, "ctx.log:info", ANY), 1, ...) end

--- What an operator should see.
---@phase rewrite, access, request_body, response, body, log, task
---@param ... any
function M:notice(...) write(enter(self, "ctx.log:notice", ANY), 2, ...) end

--- Something is not as it should be.
---@phase rewrite, access, request_body, response, body, log, task
---@param ... any
function M:warn(...) write(enter(self, "ctx.log:warn", ANY), 3, ...) end

--- Something failed.
---@phase rewrite, access, request_body, response, body, log, task
---@param ... any
function M:err(...) write(enter(self, "ctx.log:err", ANY), 4, ...) end

--- The same as err.
---@phase rewrite, access, request_body, response, body, log, task
---@param ... any
function M:error(...) write(enter(self, "ctx.log:error", ANY), 4, ...) end

--- The same as err: there is nothing above it.
---@phase rewrite, access, request_body, response, body, log, task
---@param ... any
function M:crit(...) write(enter(self, "ctx.log:crit", ANY), 4, ...) end

--- The same as err: there is nothing above it.
---@phase rewrite, access, request_body, response, body, log, task
---@param ... any
function M:alert(...) write(enter(self, "ctx.log:alert", ANY), 4, ...) end

--- The same as err: there is nothing above it.
---@phase rewrite, access, request_body, response, body, log, task
---@param ... any
function M:emerg(...) write(enter(self, "ctx.log:emerg", ANY), 4, ...) end

--- Values as Lua would write them, tables with what is in them, as a line for who looks closely (debug).
---@phase rewrite, access, request_body, response, body, log, task
---@param ... any
function M:inspect(...)
  local h = enter(self, "ctx.log:inspect", ANY)
  if C.gw_pdk_log_level() > 0 then return end
  local parts = {}
  for i = 1, select("#", ...) do
    parts[i] = inspect((select(i, ...)))
  end
  write(h, 0, table.concat(parts, " "))
end

--- Warns of something that will not be there for ever.
---@phase rewrite, access, request_body, response, body, log, task
---@param message string
---@param options? { after?: string, removal?: string }  versions: since when, and until when
function M:deprecation(message, options)
  local h = enter(self, "ctx.log:deprecation", ANY)
  local after, removal = options and options.after, options and options.removal
  write(
    h,
    3,
    "[deprecated",
    after and (" after %s"):format(after) or "",
    "] ",
    message,
    removal and (" (will be removed in %s)"):format(removal) or ""
  )
end

local MODES = { set = true, add = true, replace = true }

--- Puts a value into what ctx.log:serialize() gives to log plugins. Dots in the key go into tables:
--- "request.headers.x-team". A value on the way that is no table wins: nothing is set below it.
---@phase rewrite, access, request_body, response, body, log
---@param key string
---@param value any  what JSON can say; nil takes the field away
---@param options? { mode?: "set"|"add"|"replace" }  add: only a new field; replace: only one that is there
function M:set_serialize_value(key, value, options)
  local what = "ctx.log:set_serialize_value"
  enter(self, what, check.ANY)
  if type(key) ~= "string" or key == "" then error(what .. ": the key must be a string", 2) end
  local mode = options and options.mode or "set"
  if not MODES[mode] then error(what .. ": the mode must be set, add or replace", 2) end
  local reason = serialize.problem(value)
  if reason then error(("%s: the value of %q %s"):format(what, key, reason), 2) end
  local state = self[3]
  state.touched = true
  local edits = state.serialize
  if not edits then
    edits = {}
    state.serialize = edits
  end
  edits[#edits + 1] = { key = key, value = value, mode = mode }
end

--- What log plugins write: the request and its response as a table, in Kong's shape, ready for JSON. `authorization`,
--- `proxy-authorization`, `cookie` and `set-cookie` are REDACTED, and so is what stands
--- under the names of plugins' keys (`key_names`), in headers and the query. Sizes are those of the bodies, times whole
--- milliseconds.
---@phase log
---@return table
function M:serialize()
  local h = enter(self, "ctx.log:serialize", LOG)
  local root, edits = serialize.build(h, self), self[3].serialize
  if edits then serialize.edit(root, edits) end
  return root
end

return M
