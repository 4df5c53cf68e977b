--- Sockets that receive datagrams, for specs: UDP on a free port of 127.0.0.1, or a local one by its path.
---
---     local udp = datagrams.udp()        udp.port, udp:read() → text or nil, udp:close()
local ffi = require("ffi")
local wire = require("support.wire") -- declares the system calls

local M = {}

local C = ffi.C
local DGRAM, NONBLOCK = 2, 0x800
local SIZE = 262144
local buffer = ffi.new("char[?]", SIZE)

local Receiver = {}
Receiver.__index = Receiver

local function bind(family, addr, len)
  local fd = C.wire_socket(family, DGRAM + NONBLOCK, 0)
  assert(fd >= 0 and C.wire_bind(fd, addr, len) == 0, "bind")
  return setmetatable({ fd = fd }, Receiver)
end

function M.udp()
  local addr, len = ffi.new("uint8_t[16]", { 2, 0, 0, 0, 127, 0, 0, 1 }), ffi.new("unsigned[1]", 16)
  local receiver = bind(2, addr, 16)
  C.wire_getsockname(receiver.fd, addr, len)
  receiver.port = addr[2] * 256 + addr[3]
  return receiver
end

--- A path, or "@name" in the abstract namespace.
function M.unix(path)
  local addr = ffi.new("uint8_t[110]", { 1, 0 })
  local abstract = path:sub(1, 1) == "@"
  ffi.copy(addr + 2, path)
  if abstract then addr[2] = 0 end
  local receiver = bind(1, addr, abstract and 2 + #path or 110)
  receiver.path = not abstract and path or nil
  return receiver
end

--- The next datagram that is there, or nil.
function Receiver:read()
  local len = tonumber(C.wire_recv(self.fd, buffer, SIZE, 0))
  return len >= 0 and ffi.string(buffer, len) or nil
end

--- Waits for so many; nil when they do not come.
function Receiver:wait(count, seconds)
  local list = {}
  return wire.wait(function()
    local text = self:read()
    while text do
      list[#list + 1] = text
      text = self:read()
    end
    return #list >= count and list
  end, seconds)
end

function Receiver:close()
  C.wire_close(self.fd)
  if self.path then os.remove(self.path) end
end

return M
