--- Reading bodies, of requests and responses: the waiting, the bound, the parsing.
local ffi = require("ffi")
local args = require("moongate.args")
local check = require("moongate.pdk.check")
local core = require("moongate.core")
local fields = require("moongate.pdk.fields")
local json = require("moongate.json")
local multipart = require("moongate.multipart")
local uuid = require("moongate.uuid")

local C = require("moongate.cdef")
local ffi_string = ffi.string

local M = {}

--- How many bytes a hook may have of a body.
function M.limit(h, max, what, level)
  local limit = C.gw_pdk_number(h, C.GW_PDK_BODY_LIMIT)
  if max == nil then return limit end
  if type(max) ~= "number" or max < 0 then error(what .. ": max must be a number of bytes", level or 4) end
  return math.min(limit, max)
end

--- The whole body; waits for it when it is not here yet.
---@return string? body, string? reason
function M.read(h, head, max, what)
  local limit = M.limit(h, max, what)
  local here = C.gw_pdk_body(h, head)
  if here == 2 then return nil, "the body is made while it is sent" end
  if here == 0 then
    if head == C.GW_PDK_OF_REQUEST and h.phase == check.RESPONSE then
      return nil, "the request body was not kept (read it in access)"
    end
    if head ~= C.GW_PDK_OF_REQUEST and h.phase ~= check.RESPONSE then
      return nil, "the body was not kept (read it in response)"
    end
    local code = core.body(head, limit)
    if code ~= 0 then
      return nil, C.gw_pdk_too_large(code) ~= 0 and "too large" or ffi_string(C.gw_pdk_error_text(code))
    end
    if C.gw_pdk_body(h, head) == 0 then return nil, "the body is gone" end
  end
  if h.len > limit then return nil, "too large" end
  return ffi_string(h.ptr, h.len)
end

local PARSERS = {
  ["application/json"] = function(text)
    local value, reason = json.decode(text)
    if value == nil then return nil, reason end
    if type(value) ~= "table" then return nil, "the JSON body is neither an object nor an array" end
    return value
  end,
  ["application/x-www-form-urlencoded"] = function(text, max_args) return args.decode(text, max_args) end,
  ["multipart/form-data"] = function(text, max_args, content_type)
    return multipart.decode(text, content_type, max_args)
  end,
}

local function media_of(content_type) return content_type:match("^%s*([^;%s]*)"):lower() end

--- The body as a table, by its type. What a plugin says instead need not name a boundary: the header's is taken.
---@return table? body, string? reason, string? mimetype
function M.parse(h, head, mimetype, max_args, max, what)
  local content_type = fields.get(h, head, "content-type")
  if mimetype == nil then
    if not content_type then return nil, "the body has no content-type" end
    mimetype = content_type
  elseif type(mimetype) ~= "string" then
    error(what .. ": the mimetype must be a string", 3)
  end
  if mimetype:find("boundary", 1, true) or not content_type then content_type = mimetype end
  mimetype = media_of(mimetype)
  local parser = PARSERS[mimetype]
  if not parser and mimetype:find("^application/.+%+json$") then parser = PARSERS["application/json"] end
  if not parser then return nil, ("a body of type %q cannot be parsed"):format(mimetype), mimetype end
  local text, reason = M.read(h, head, max, what)
  if not text then return nil, reason, mimetype end
  local value
  value, reason = parser(text, max_args, content_type)
  return value, reason, mimetype
end

--- A table as the bytes of a type. A form with parts gets a boundary where its type names none.
---@return string? text, string reason_or_type
function M.encode(value, content_type)
  local mimetype = media_of(content_type)
  local text, reason
  if mimetype == "application/x-www-form-urlencoded" then
    text, reason = args.encode(value)
  elseif mimetype == "application/json" or mimetype:find("^application/.+%+json$") then
    text, reason = json.encode(value)
  elseif mimetype == "multipart/form-data" then
    local boundary = multipart.boundary(content_type)
    if not boundary then
      boundary = "moongate-" .. uuid.v4()
      content_type = "multipart/form-data; boundary=" .. boundary
    end
    text, reason = multipart.encode(value, boundary)
  else
    reason = ("a body of type %q cannot be made of a table"):format(mimetype)
  end
  return text, text and content_type or reason
end

return M
