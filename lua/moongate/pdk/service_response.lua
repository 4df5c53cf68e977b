--- ctx.service.response: what the service answered, read-only.
local bit = require("bit")
local body = require("moongate.pdk.body")
local check = require("moongate.pdk.check")
local fields = require("moongate.pdk.fields")

local C = require("moongate.cdef")
local enter = check.enter
local AFTER = check.AFTER
local BODY_OR_LOG = bit.bor(check.BODY, check.LOG)
local OF_SERVICE = C.GW_PDK_OF_SERVICE

local M = {}

--- Its status; nil when no service answered.
---@phase response, body, log
---@return integer?
function M:get_status()
  local status = C.gw_pdk_number(enter(self, "ctx.service.response:get_status", AFTER), C.GW_PDK_SERVICE_STATUS)
  if status ~= 0 then return status end
end

--- The first header of that name as it came.
---@phase response, body, log
---@param name string
---@return string?
function M:get_header(name)
  local h = enter(self, "ctx.service.response:get_header", AFTER)
  name = check.text(name, "ctx.service.response:get_header", "the name")
  return fields.get(h, OF_SERVICE, name)
end

--- All headers as they came: lower-case keys, arrays for repeats.
---@phase response, body, log
---@param max? integer  at most so many (100; 1 to 1000)
---@return table<string, string|string[]>
function M:get_headers(max)
  local h = enter(self, "ctx.service.response:get_headers", AFTER)
  return fields.all(h, OF_SERVICE, check.integer(max, "ctx.service.response:get_headers", "max", 1, 1000, 100))
end

--- A trailer as it came: in body once it is called for the last time, and in log.
---@phase body, log
---@param name string
---@return string?
function M:get_trailer(name)
  local h = enter(self, "ctx.service.response:get_trailer", BODY_OR_LOG)
  name = check.text(name, "ctx.service.response:get_trailer", "the name")
  return fields.get(h, C.GW_PDK_TRAILERS, name)
end

--- All trailers as they came, once body is called for the last time, and in log: lower-case keys, arrays for repeats.
---@phase body, log
---@return table<string, string|string[]>
function M:get_trailers()
  return fields.all(enter(self, "ctx.service.response:get_trailers", BODY_OR_LOG), C.GW_PDK_TRAILERS, 100)
end

--- The whole body as it came. In response it waits for it; later it is there when a response hook read it.
---@phase response, body, log
---@param max? integer  most bytes (limits.buffer)
---@return string? body, string? reason
function M:get_raw_body(max)
  local h = enter(self, "ctx.service.response:get_raw_body", AFTER)
  if C.gw_pdk_number(h, C.GW_PDK_SERVICE_STATUS) == 0 then return nil, "no service answered" end
  local text, reason = body.read(h, OF_SERVICE, max, "ctx.service.response:get_raw_body") -- no tail call
  return text, reason
end

--- The body as a table, by its Content-Type. In response it waits for it; later it is there when a response hook read
--- it.
---@phase response, body, log
---@param mimetype? string  read it as this instead
---@param max_args? integer  at most so many arguments of a form (100; 1 to 1000)
---@return table? body, string? reason, string? mimetype
function M:get_body(mimetype, max_args)
  local what = "ctx.service.response:get_body"
  local h = enter(self, what, AFTER)
  max_args = check.integer(max_args, what, "max_args", 1, 1000, 100)
  if C.gw_pdk_number(h, C.GW_PDK_SERVICE_STATUS) == 0 then return nil, "no service answered" end
  return body.parse(h, OF_SERVICE, mimetype, max_args, nil, what)
end

return M
