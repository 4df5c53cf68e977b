--- Where an HTTP sink sends to, out of its URL. For schemas too: needs nothing of the core.
local M = {}

local PORTS = { http = 80, https = 443 }

local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(text)
  return (
    text:gsub("..?.?", function(part)
      local a, b, c = part:byte(1, 3)
      local number, out = a * 65536 + (b or 0) * 256 + (c or 0), ""
      for i = 1, 4 do
        local digit = math.floor(number / 64 ^ (4 - i)) % 64
        out = out .. (i > #part + 1 and "=" or DIGITS:sub(digit + 1, digit + 1))
      end
      return out
    end)
  )
end

local function decode(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- Its host, port, authority and target, whether it is over TLS, and the `authorization` of a user that stands in it.
---@param url string
---@return table? place
---@return string? reason
function M.read(url)
  local scheme, authority, target = url:match("^(%a[%w+.-]*)://([^/?#]*)([^#]*)$")
  if not scheme then return nil, "is not an absolute URL, or has a fragment" end
  scheme = scheme:lower()
  if not PORTS[scheme] then return nil, "must begin with http:// or https://" end
  local user, place = authority:match("^(.*)@([^@]*)$")
  place = (place or authority):lower()
  local host, port = place:match("^%[([%x:.]+)%]:?(%d*)$")
  if not host then
    host, port = place:match("^([%w._-]+):?(%d*)$")
  end
  if not host or place:sub(-1) == ":" then return nil, "has no valid host" end
  port = port == "" and PORTS[scheme] or tonumber(port)
  if port < 1 or port > 65535 then return nil, "has no valid port" end
  if target:find("[^!-~]") then return nil, "has bytes that must be encoded" end
  if target:sub(1, 1) ~= "/" then target = "/" .. target end
  return {
    host = host,
    port = port,
    authority = place,
    target = target,
    tls = scheme == "https",
    authorization = user and "Basic " .. base64(decode(user)),
  }
end

return M
