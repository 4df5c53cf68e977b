--- A name server on loopback, UDP and TCP, that answers what the spec tells it (lies too), turned by the spec itself.
local bit = require("bit")
local ffi = require("ffi")
local c = require("support.c")
local net = require("support.net")

ffi.cdef([[
struct gw_spec_pollfd { int fd; short events; short revents; };
ssize_t recvfrom(int, void *, size_t, int, void *, unsigned *);
ssize_t sendto(int, const void *, size_t, int, const void *, unsigned);
int listen(int, int);
int accept4(int, void *, unsigned *, int);
ssize_t recv(int, void *, size_t, int);
ssize_t send(int, const void *, size_t, int);
int poll(struct gw_spec_pollfd *, unsigned long, int);
int uv_backend_fd(const void *);
]])

local M = {}
local Server = {}
Server.__index = Server

local MSG_DONTWAIT = 0x40
local NONBLOCK = 0x800
local UDP_MAX = 1232 -- what the resolver says it takes
local TYPES = { [1] = "A", [28] = "AAAA", [33] = "SRV" }
local RCODES = { SERVFAIL = 2, NXDOMAIN = 3, REFUSED = 5 }
local TRUNCATED = 0x200

-- Both sockets on one port: that of UDP may be taken for TCP, so several are tried.
local function open_pair()
  for _ = 1, 50 do
    local udp, tcp = ffi.C.socket(2, 2, 0), ffi.C.socket(2, 1 + NONBLOCK, 0)
    local addr, len = net.addr("127.0.0.1:0"), ffi.new("unsigned[1]", 16)
    assert(ffi.C.bind(udp, addr, addr.len) == 0)
    assert(ffi.C.getsockname(udp, addr, len) == 0)
    if ffi.C.bind(tcp, addr, addr.len) == 0 and ffi.C.listen(tcp, 64) == 0 then
      return udp, tcp, net.addr_text(addr)
    end
    ffi.C.close(udp)
    ffi.C.close(tcp)
  end
  error("no port is free for UDP and TCP")
end

--- Names are given as
---     { A = { "10.0.0.1" }, AAAA = { "::1" }, SRV = { { priority, weight, port, "host" } }, ttl = 60, cname = "x",
---       rcode = "NXDOMAIN", silent = true, truncated = true (over UDP), lie = how, spoof = a lie that comes first }
--- A lie is one of: "id", "question", "owner", "loop" (compression), "short", "garbage", "counts".
function M.new()
  local udp, tcp, address = open_pair()
  local fields = {
    fd = udp,
    tcp = tcp,
    address = address,
    names = {},
    asked = {},
    from = {},
    ids = {},
    over_tcp = 0,
    conns = {},
  }
  return setmetatable(fields, Server)
end

local function u16(n) return string.char(bit.rshift(n, 8), n % 256) end

local function u32(n) return u16(math.floor(n / 65536)) .. u16(n % 65536) end

local function encode_name(name)
  if name == "." then return "\0" end
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

local LIES = {
  id = function(reply) return u16((reply:byte(1) * 256 + reply:byte(2) + 1) % 65536) .. reply:sub(3) end,
  question = function(reply) return reply:sub(1, 12) .. "\5other" .. reply:sub(19) end,
  short = function(reply) return reply:sub(1, -4) end,
  garbage = function(reply) return reply:sub(1, 12) .. ("\255"):rep(200) end,
  counts = function(reply) return reply:sub(1, 6) .. "\255\255" .. reply:sub(9) end,
}

local function srv_data(srv) return u16(srv[1]) .. u16(srv[2]) .. u16(srv[3]) .. encode_name(srv[4]) end

local function answer(packet, known, kind, question)
  local records, owner = {}, "\192\12"
  if known.lie == "owner" then owner = encode_name("somebody.else.test") end
  if known.lie == "loop" then owner = u16(0xC000 + 12 + #question) end -- a name that begins where it points to
  if known.cname then
    local target = encode_name(known.cname)
    records[1] = record(owner, 5, known.cname_ttl or known.ttl or 60, target)
    owner = target
  end
  for _, text in ipairs(kind ~= "SRV" and known[kind] or {}) do
    records[#records + 1] = record(owner, kind == "A" and 1 or 28, known.ttl or 60, address_bytes(text))
  end
  for _, srv in ipairs(kind == "SRV" and known.SRV or {}) do
    records[#records + 1] = record(owner, 33, known.ttl or 60, srv_data(srv))
  end
  local flags = 0x8180 + (RCODES[known.rcode] or 0)
  local reply = packet:sub(1, 2)
    .. u16(flags)
    .. u16(1)
    .. u16(#records)
    .. "\0\0\0\0"
    .. question
    .. table.concat(records)
  return LIES[known.lie] and LIES[known.lie](reply) or reply
end

local function cut(reply, question)
  local flags = reply:byte(3) * 256 + reply:byte(4) + TRUNCATED
  return reply:sub(1, 2) .. u16(flags) .. u16(1) .. "\0\0\0\0\0\0" .. question
end

-- The reply to a question, or nil where the name is silent.
function Server:answer(packet, udp)
  local name, kind, question = decode_question(packet)
  local known = self.names[name:lower()] or { rcode = "NXDOMAIN" }
  self.asked[#self.asked + 1] = name:lower() .. " " .. kind
  if known.silent then return nil end
  local reply = answer(packet, known, kind, question)
  if udp and known.spoof then return reply, LIES[known.spoof](reply) end
  if udp and (known.truncated or #reply > UDP_MAX) then return cut(reply, question) end
  return reply
end

function Server:serve_tcp()
  while true do
    local fd = ffi.C.accept4(self.tcp, nil, nil, NONBLOCK)
    if fd < 0 then break end
    self.conns[fd] = ""
    if self.watch then self.watch(fd) end
  end
  local buf = ffi.new("char[4096]")
  for fd, pending in pairs(self.conns) do
    local n = tonumber(ffi.C.recv(fd, buf, 4096, MSG_DONTWAIT))
    if n > 0 then pending = pending .. ffi.string(buf, n) end
    while #pending >= 2 and #pending >= 2 + pending:byte(1) * 256 + pending:byte(2) do
      local size = pending:byte(1) * 256 + pending:byte(2)
      local reply = self:answer(pending:sub(3, 2 + size), false)
      pending = pending:sub(3 + size)
      self.over_tcp = self.over_tcp + 1
      if reply then ffi.C.send(fd, u16(#reply) .. reply, #reply + 2, 0) end
    end
    self.conns[fd] = pending
    if n == 0 then
      if self.unwatch then self.unwatch(fd) end
      ffi.C.close(fd)
      self.conns[fd] = nil
    end
  end
end

--- Answers every question that waits.
function Server:serve()
  self:serve_tcp()
  local buf, peer, len = ffi.new("char[2048]"), ffi.new("struct gw_addr"), ffi.new("unsigned[1]")
  while true do
    len[0] = 16
    local n = ffi.C.recvfrom(self.fd, buf, 2048, MSG_DONTWAIT, peer, len)
    if n < 0 then return end
    self.from[#self.from + 1] = ffi.string(ffi.cast("char *", peer), 8) -- with the port
    self.ids[#self.ids + 1] = ffi.string(buf, 2)
    local reply, spoofed = self:answer(ffi.string(buf, n), true)
    if spoofed then ffi.C.sendto(self.fd, spoofed, #spoofed, 0, peer, len[0]) end
    if reply then ffi.C.sendto(self.fd, reply, #reply, 0, peer, len[0]) end
  end
end

--- Turns the loop and answers until done().
function Server:until_true(loop, done)
  local fds = ffi.new("struct gw_spec_pollfd[3]")
  fds[0].fd, fds[0].events = self.fd, 1
  fds[1].fd, fds[1].events = ffi.C.uv_backend_fd(loop.c.uv), 1
  fds[2].fd, fds[2].events = self.tcp, 1
  local give_up = os.time() + 20
  while not done() do
    assert(os.time() < give_up, "no answer")
    loop:turn(false)
    self:serve()
    if not done() then ffi.C.poll(fds, 3, 20) end -- 20 ms: c-ares' own timers are not in there
  end
end

--- Answers by itself whenever support.wire is turned.
function Server:join(wire)
  local function serve() self:serve() end
  self.watch = function(fd) wire.watch(fd, serve) end
  self.unwatch = wire.unwatch
  self.watch(self.fd)
  self.watch(self.tcp)
end

function Server:close()
  for _, fd in ipairs(self.unwatch and { self.fd, self.tcp } or {}) do
    self.unwatch(fd)
  end
  ffi.C.close(self.fd)
  ffi.C.close(self.tcp)
  for fd in pairs(self.conns) do
    if self.unwatch then self.unwatch(fd) end
    ffi.C.close(fd)
  end
end

return M
