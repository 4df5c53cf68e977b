--- A name server on loopback that answers what the spec tells it, turned by the spec itself.
local bit = require("bit")
local ffi = require("ffi")
local c = require("support.c")
local net = require("support.net")

ffi.cdef([[
struct gw_spec_pollfd { int fd; short events; short revents; };
ssize_t recvfrom(int, void *, size_t, int, void *, unsigned *);
ssize_t sendto(int, const void *, size_t, int, const void *, unsigned);
int poll(struct gw_spec_pollfd *, unsigned long, int);
int uv_backend_fd(const void *);
]])

local M = {}
local Server = {}
Server.__index = Server

local MSG_DONTWAIT = 0x40
local TYPES = { [1] = "A", [28] = "AAAA" }
local RCODES = { SERVFAIL = 2, NXDOMAIN = 3, REFUSED = 5 }

--- Names are given as { A = { "10.0.0.1" }, AAAA = { "::1" }, ttl = 60, cname = "x", rcode = "NXDOMAIN", silent = true }.
function M.new()
  local fd = ffi.C.socket(2, 2, 0)
  local addr, len = net.addr("127.0.0.1:0"), ffi.new("unsigned[1]", 16)
  assert(ffi.C.bind(fd, addr, addr.len) == 0)
  assert(ffi.C.getsockname(fd, addr, len) == 0)
  return setmetatable({ fd = fd, address = net.addr_text(addr), names = {}, asked = {} }, Server)
end

local function u16(n) return string.char(bit.rshift(n, 8), n % 256) end

local function u32(n) return u16(math.floor(n / 65536)) .. u16(n % 65536) end

local function encode_name(name)
  return (name:gsub("([^.]+)%.?", function(label) return string.char(#label) .. label end)) .. "\0"
end

local function decode_question(packet)
  local labels, at = {}, 13
  while packet:byte(at) ~= 0 do
    local len = packet:byte(at)
    labels[#labels + 1] = packet:sub(at + 1, at + len)
    at = at + len + 1
  end
  local kind = packet:byte(at + 1) * 256 + packet:byte(at + 2)
  return table.concat(labels, "."), TYPES[kind] or kind, packet:sub(13, at + 4)
end

local function address_bytes(text)
  local addr = ffi.new("struct gw_addr")
  assert(c.gw_addr_parse_ip(addr, c.slice(text), 0), text)
  local v6 = text:find(":")
  return ffi.string(ffi.cast("char *", addr) + (v6 and 8 or 4), v6 and 16 or 4)
end

local function record(owner, kind, ttl, data) return owner .. u16(kind) .. u16(1) .. u32(ttl) .. u16(#data) .. data end

local function answer(packet, known, kind, question)
  local records, owner = {}, "\192\12"
  if known.cname then
    local target = encode_name(known.cname)
    records[1] = record(owner, 5, known.cname_ttl or known.ttl or 60, target)
    owner = target
  end
  for _, text in ipairs(known[kind] or {}) do
    records[#records + 1] = record(owner, kind == "A" and 1 or 28, known.ttl or 60, address_bytes(text))
  end
  local flags = 0x8180 + (RCODES[known.rcode] or 0)
  return packet:sub(1, 2)
    .. u16(flags)
    .. u16(1)
    .. u16(#records)
    .. "\0\0\0\0"
    .. question
    .. table.concat(records)
end

--- Answers every question that waits.
function Server:serve()
  local buf, peer, len = ffi.new("char[2048]"), ffi.new("struct gw_addr"), ffi.new("unsigned[1]")
  while true do
    len[0] = 16
    local n = ffi.C.recvfrom(self.fd, buf, 2048, MSG_DONTWAIT, peer, len)
    if n < 0 then return end
    local packet = ffi.string(buf, n)
    local name, kind, question = decode_question(packet)
    local known = self.names[name:lower()] or { rcode = "NXDOMAIN" }
    self.asked[#self.asked + 1] = name:lower() .. " " .. kind
    if not known.silent then
      local reply = answer(packet, known, kind, question)
      ffi.C.sendto(self.fd, reply, #reply, 0, peer, len[0])
    end
  end
end

--- Turns the loop and answers until done().
function Server:until_true(loop, done)
  local fds = ffi.new("struct gw_spec_pollfd[2]")
  fds[0].fd, fds[0].events = self.fd, 1
  fds[1].fd, fds[1].events = ffi.C.uv_backend_fd(loop.c.uv), 1
  local give_up = os.time() + 20
  while not done() do
    assert(os.time() < give_up, "no answer")
    loop:turn(false)
    self:serve()
    if not done() then ffi.C.poll(fds, 2, 20) end -- 20 ms: c-ares' own timers are not in there
  end
end

function Server:close() ffi.C.close(self.fd) end

return M
