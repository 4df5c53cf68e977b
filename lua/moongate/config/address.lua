--- Addresses to listen on: `127.0.0.1:8000`, `[::1]:8000`, `*:8000`, `localhost:8000`, `unix:PATH`.
local t = require("moongate.schema")
local types = require("moongate.schema.types")
local words = require("moongate.schema.words")

local M = {}

local MAX_UNIX_PATH = 107 -- sun_path without its closing zero

local function is_loopback(host) return host:find("^127%.") ~= nil or host == "::1" end

--- Splits "host:port"; an IPv6 host needs its brackets.
---@param text string
---@return string? host
---@return integer? port
function M.split(text)
  local host, port = text:match("^%[(.-)%]:(%d+)$")
  if not host then
    host, port = text:match("^([^:%[%]]*):(%d+)$")
  end
  if not host or #port > 5 or tonumber(port) > 65535 then return nil end
  return host, tonumber(port)
end

--- The socket's path of "unix:/run/app.sock", as services and targets write it.
---@param text string
---@return string? path
---@return string? problem
function M.socket_path(text)
  local path = text:match("^unix:(.*)$")
  if not path or path:sub(1, 1) ~= "/" then
    return nil, "needs the absolute path of a socket, such as unix:/run/app.sock"
  elseif path:find("[%c%s:]") then
    return nil, "a socket's path holds no blanks, colons or control characters here"
  elseif #path > MAX_UNIX_PATH then
    return nil, ("the socket's path is longer than %d bytes"):format(MAX_UNIX_PATH)
  end
  return path
end

--- Parses an address to listen on. Port 0 takes any free one.
---@param text string
---@param folder? string  relative unix paths lie there; nil: no unix sockets here
---@return { kind: string, host: string?, port: integer?, path: string?, text: string, loopback: boolean }?
---@return string? problem
function M.parse(text, folder)
  local path = text:match("^unix:(.+)$")
  if path then
    if not folder then return nil, "a unix socket is not taken here" end
    path = path:sub(1, 1) == "/" and path or folder .. "/" .. path
    if #path > MAX_UNIX_PATH then
      return nil, ("the socket's path is longer than %d bytes"):format(MAX_UNIX_PATH)
    end
    return { kind = "unix", path = path, text = "unix:" .. path, loopback = true }
  end
  local host, port = M.split(text)
  host = (host == "*" or host == "") and "0.0.0.0" or host == "localhost" and "127.0.0.1" or host
  if not host or not (types.is_ipv4(host) or types.is_ipv6(host)) then
    return nil, ("%s is not an address such as 127.0.0.1:8000 or [::1]:8000"):format(words.quote(text))
  end
  local shown = types.is_ipv6(host) and ("[%s]:%d"):format(host:lower(), port) or ("%s:%d"):format(host, port)
  return { kind = "tcp", host = host:lower(), port = port, text = shown, loopback = is_loopback(host) }
end

--- The type of who is connected: by address, or through a unix socket, of whose other end nothing else is known.
---@return table
function M.peer()
  local kind = t.string {}
  kind.noun = { "an IP address, a network or unix:", "IP addresses, networks or unix:" }
  kind.parse = function(text)
    if text == "unix:" then return text end
    return types.SCALARS.ip_or_cidr.parse(text)
  end
  return kind
end

return M
