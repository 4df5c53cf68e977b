--- gRPC-Web on the wire: which of its two forms is spoken, base64 in pieces, and the frame that stands for trailers.
local bit = require("bit")
local crypto = require("moongate.crypto")

local M = {}

--- "binary" or "text", and the type that goes back; nil for what is no gRPC-Web.
---@param content_type string?
---@return "binary"|"text"? form, string? answer
function M.form(content_type)
  local media, suffix = (content_type or ""):lower():match("^%s*(application/grpc%-web[%w-]*)(%+?[%w.-]*)%s*;?")
  if suffix ~= "" and suffix ~= "+proto" then
    return nil
  elseif media == "application/grpc-web" then
    return "binary", "application/grpc-web+proto"
  elseif media == "application/grpc-web-text" then
    return "text", "application/grpc-web-text+proto"
  end
end

--- Base64 that may be several pieces with padding, one behind the other.
---@param text string
---@return string? bytes, string? reason
function M.decode(text)
  local out, at = {}, 1
  while at <= #text do
    local padding = text:find("=", at, true)
    local stop = padding and at - 1 + math.ceil((padding - at + 1) / 4) * 4 or #text
    local bytes = crypto.base64_decode(text:sub(at, stop))
    if not bytes then return nil, "the body is not base64" end
    out[#out + 1], at = bytes, stop + 1
  end
  return table.concat(out)
end

-- What docs/grpc.md says of calls.
local STATUSES = {
  [400] = 13,
  [401] = 16,
  [403] = 7,
  [404] = 12,
  [405] = 12,
  [413] = 8,
  [414] = 8,
  [415] = 12,
  [429] = 14,
  [431] = 8,
  [499] = 1,
  [501] = 12,
  [502] = 14,
  [503] = 14,
  [504] = 14,
}

--- The grpc-status of an answer that knows nothing of gRPC.
---@param status integer
---@param reason? string  of a problem
---@return integer
function M.status(status, reason)
  if reason == "deadline" or reason == "total_timeout" then return 4 end
  return STATUSES[status] or (status < 300 and 0 or 2)
end

--- For grpc-message.
---@param text string
---@return string
function M.percent(text)
  return (text:sub(1, 1024):gsub("[^ -$&-~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

M.encode = crypto.base64_encode

local function u32(n)
  return string.char(
    bit.band(bit.rshift(n, 24), 255),
    bit.band(bit.rshift(n, 16), 255),
    bit.band(bit.rshift(n, 8), 255),
    bit.band(n, 255)
  )
end

--- Trailers as a frame of the body.
---@param fields table<string, string|string[]>
---@return string
function M.trailers(fields)
  local names, lines = {}, {}
  for name in pairs(fields) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local values = fields[name]
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      lines[#lines + 1] = ("%s:%s\r\n"):format(name, value)
    end
  end
  local text = table.concat(lines)
  return "\128" .. u32(#text) .. text
end

return M
