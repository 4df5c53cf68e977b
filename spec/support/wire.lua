--- Sockets for specs, all in one thread: whoever waits turns everybody. Upstreams, clients and processes are turned by poll(2)
--- until what the spec waits for has happened; nothing sleeps.
local bit = require("bit")
local ffi = require("ffi")

local M = {}

pcall(
  ffi.cdef,
  [[
struct wire_pollfd { int fd; short events; short revents; };
int wire_socket(int, int, int) __asm__("socket");
int wire_bind(int, const void *, unsigned) __asm__("bind");
int wire_listen(int, int) __asm__("listen");
int wire_accept4(int, void *, void *, int) __asm__("accept4");
int wire_connect(int, const void *, unsigned) __asm__("connect");
ssize_t wire_send(int, const void *, size_t, int) __asm__("send");
ssize_t wire_recv(int, void *, size_t, int) __asm__("recv");
int wire_shutdown(int, int) __asm__("shutdown");
int wire_close(int) __asm__("close");
int wire_poll(struct wire_pollfd *, unsigned long, int) __asm__("poll");
int wire_getsockname(int, void *, unsigned *) __asm__("getsockname");
int wire_setsockopt(int, int, int, const void *, unsigned) __asm__("setsockopt");
struct wire_timespec { long sec; long nsec; };
int wire_clock_gettime(int, struct wire_timespec *) __asm__("clock_gettime");
char *wire_strerror(int) __asm__("strerror");
]]
)

local C = ffi.C
local EAGAIN, ECONNREFUSED, EINPROGRESS, EINTR = 11, 111, 115, 4
local NONBLOCK, CLOEXEC, NOSIGNAL = 0x800, 0x80000, 0x4000
local POLLIN, POLLOUT = 1, 4

--- Monotonic seconds.
function M.now()
  local time = ffi.new("struct wire_timespec")
  C.wire_clock_gettime(1, time)
  return tonumber(time.sec) + tonumber(time.nsec) / 1e9
end

local function fail(what) error(what .. ": " .. ffi.string(C.wire_strerror(ffi.errno())), 3) end

-- --- turning everybody ----------------------------------------------------------------------------------------

local watchers = {} -- { [fd] = { fd, wants = fn() → events, on_ready = fn(revents) } }

local function turn(timeout)
  local list = {}
  for _, watcher in pairs(watchers) do
    local events = watcher.wants()
    if events ~= 0 then list[#list + 1] = { watcher, events } end
  end
  local fds = ffi.new("struct wire_pollfd[?]", math.max(#list, 1))
  for i, item in ipairs(list) do
    fds[i - 1].fd, fds[i - 1].events = item[1].fd, item[2]
  end
  C.wire_poll(fds, #list, math.max(0, math.ceil(timeout * 1000)))
  for i, item in ipairs(list) do
    if fds[i - 1].revents ~= 0 and watchers[item[1].fd] == item[1] then item[1].on_ready(fds[i - 1].revents) end
  end
end

--- Turns everybody until `done()` gives something true, which is returned; nil when `seconds` (default 10) are over.
function M.wait(done, seconds)
  local deadline = M.now() + (seconds or 10)
  while true do
    local result = done()
    if result then return result end
    local left = deadline - M.now()
    if left <= 0 then return nil end
    turn(math.min(left, 0.5))
  end
end

--- Lets time go by while everybody is turned: only to show that something does not happen.
function M.pass(seconds)
  M.wait(function() return false end, seconds)
end

--- For other things that have a descriptor (processes): `on_ready` is called when it becomes readable.
function M.watch(fd, on_ready)
  watchers[fd] = { fd = fd, wants = function() return POLLIN end, on_ready = on_ready }
end

function M.unwatch(fd) watchers[fd] = nil end

-- --- addresses --------------------------------------------------------------------------------------------------

local function tcp_address(port)
  local addr = ffi.new("uint8_t[16]", { 2, 0, bit.rshift(port, 8), bit.band(port, 255), 127, 0, 0, 1 })
  return addr, 16
end

local function unix_address(path)
  local addr = ffi.new("uint8_t[110]", { 1, 0 })
  ffi.copy(addr + 2, path)
  return addr, 110
end

local function address_of(where)
  if type(where) == "number" then return 2, tcp_address(where) end
  return 1, unix_address(where)
end

local function port_of(fd)
  local addr, len = ffi.new("uint8_t[16]"), ffi.new("unsigned[1]", 16)
  C.wire_getsockname(fd, addr, len)
  return addr[2] * 256 + addr[3]
end

-- --- connections ------------------------------------------------------------------------------------------------

local Conn = {}
Conn.__index = Conn
local chunk = ffi.new("char[?]", 262144)

local function receive(conn)
  local got = tonumber(C.wire_recv(conn.fd, chunk, conn.read_size, 0))
  if got > 0 then
    conn.bytes_in = conn.bytes_in + got
    if conn.discards then return end
    conn.parts[#conn.parts + 1] = ffi.string(chunk, got)
  elseif got == 0 then
    conn.ended = "end"
  elseif ffi.errno() ~= EAGAIN and ffi.errno() ~= EINTR then
    conn.ended, conn.refused = "reset", ffi.errno() == ECONNREFUSED
  end
end

local function flush(conn)
  while #conn.out > 0 do
    local bytes = conn.out[1]
    local sent = tonumber(C.wire_send(conn.fd, bytes, #bytes, NOSIGNAL))
    if sent < 0 then
      if ffi.errno() ~= EAGAIN and ffi.errno() ~= EINTR then
        conn.broken, conn.out = true, {}
      end
      return
    end
    if sent < #bytes then
      conn.out[1] = bytes:sub(sent + 1)
    else
      table.remove(conn.out, 1)
    end
  end
  if conn.shut then
    C.wire_shutdown(conn.fd, 1)
    conn.shut = nil
  end
end

local function wrap(fd, opts)
  local conn = setmetatable({
    fd = fd,
    parts = {},
    out = {},
    bytes_in = 0,
    read_size = opts and opts.read_size or 262144,
  }, Conn)
  watchers[fd] = {
    fd = fd,
    wants = function() return bit.bor(conn.held or conn.ended and 0 or POLLIN, #conn.out > 0 and POLLOUT or 0) end,
    on_ready = function(events)
      if bit.band(events, POLLOUT) ~= 0 then flush(conn) end
      if bit.band(events, bit.bnot(POLLOUT)) ~= 0 and not conn.ended then receive(conn) end
      if conn.on_change then conn.on_change(conn) end
    end,
  }
  return conn
end

--- Connects to a port of 127.0.0.1, or to a unix socket by path. `opts.receive_buffer`: SO_RCVBUF.
function M.connect(where, opts)
  local family, addr, len = address_of(where)
  local fd = C.wire_socket(family, bit.bor(1, NONBLOCK, CLOEXEC), 0)
  if opts and opts.receive_buffer then C.wire_setsockopt(fd, 1, 8, ffi.new("int[1]", opts.receive_buffer), 4) end
  if C.wire_connect(fd, addr, len) ~= 0 and ffi.errno() ~= EINPROGRESS then
    local reason = ffi.string(C.wire_strerror(ffi.errno()))
    C.wire_close(fd)
    return nil, reason
  end
  return wrap(fd, opts)
end

--- Which of this machine's IPv4 addresses the peer reached.
function Conn:address()
  local addr, len = ffi.new("uint8_t[16]"), ffi.new("unsigned[1]", 16)
  C.wire_getsockname(self.fd, addr, len)
  return ("%d.%d.%d.%d"):format(addr[4], addr[5], addr[6], addr[7])
end

--- Queues bytes and sends what goes at once.
function Conn:send(bytes)
  self.out[#self.out + 1] = bytes
  flush(self)
  return self
end

--- Waits until everything is sent.
function Conn:flush(seconds)
  assert(M.wait(function() return #self.out == 0 end, seconds), "the peer does not read")
  return self
end

--- What was received and not yet taken.
function Conn:peek()
  if #self.parts > 1 then self.parts = { table.concat(self.parts) } end
  return self.parts[1] or ""
end

--- Takes `count` bytes (all there are without it).
function Conn:take(count)
  local bytes = self:peek()
  count = count or #bytes
  self.parts = count < #bytes and { bytes:sub(count + 1) } or {}
  return bytes:sub(1, count)
end

--- Waits for `text` (plain) and takes everything up to its end; nil and what came when it does not come.
function Conn:read_until(text, seconds)
  local from, to
  M.wait(function()
    from, to = self:peek():find(text, 1, true)
    return from or self.ended
  end, seconds)
  if not from then return nil, self:peek() end
  return self:take(to)
end

--- Waits for that many bytes and takes them.
function Conn:read(count, seconds)
  M.wait(function() return #self:peek() >= count or self.ended end, seconds)
  if #self:peek() < count then return nil, self:peek() end
  return self:take(count)
end

--- Waits until the peer ends; returns what came, and "end" or "reset" (nil: it did not end).
function Conn:read_all(seconds)
  M.wait(function() return self.ended end, seconds)
  return self:take(), self.ended
end

function Conn:hold(on) self.held = on and 0 or nil end

--- Reads on, but only counts (bytes_in).
function Conn:discard() self.discards = true end

--- Ends our side after what is queued.
function Conn:shutdown()
  self.shut = true
  flush(self)
end

function Conn:close()
  if self.fd then
    watchers[self.fd] = nil
    C.wire_close(self.fd)
    self.fd = nil
  end
end

--- Ends with RST.
function Conn:reset()
  C.wire_setsockopt(self.fd, 1, 13, ffi.new("int[2]", 1, 0), 8)
  self:close()
end

-- --- listeners --------------------------------------------------------------------------------------------------

local Listener = {}
Listener.__index = Listener

--- Listens on a free port of 127.0.0.1, or with `opts.any` of every address of this machine. `opts.on_conn` gets every
--- connection; without it they wait for accept().
function M.listen(opts)
  opts = opts or {}
  local fd = C.wire_socket(2, bit.bor(1, NONBLOCK, CLOEXEC), 0)
  C.wire_setsockopt(fd, 1, 2, ffi.new("int[1]", 1), 4)
  local addr, len = tcp_address(opts.port or 0)
  if opts.any then ffi.fill(addr + 4, 4) end
  if C.wire_bind(fd, addr, len) ~= 0 or C.wire_listen(fd, opts.backlog or 512) ~= 0 then fail("listen") end
  local listener = setmetatable({ fd = fd, port = port_of(fd), waiting = {}, conns = {}, accepted = 0 }, Listener)
  watchers[fd] = {
    fd = fd,
    wants = function() return listener.held or POLLIN end,
    on_ready = function()
      local peer = C.wire_accept4(fd, nil, nil, bit.bor(NONBLOCK, CLOEXEC))
      if peer < 0 then return end
      local conn = wrap(peer)
      listener.accepted = listener.accepted + 1
      listener.conns[#listener.conns + 1] = conn
      if opts.on_conn then
        opts.on_conn(conn)
      else
        listener.waiting[#listener.waiting + 1] = conn
      end
    end,
  }
  return listener
end

--- The next connection; nil when none comes.
function Listener:accept(seconds)
  return M.wait(function() return table.remove(self.waiting, 1) end, seconds)
end

--- Closes it, and every connection it accepted.
function Listener:close()
  if self.fd then
    watchers[self.fd] = nil
    C.wire_close(self.fd)
    self.fd = nil
  end
  for _, conn in ipairs(self.conns) do
    conn:close()
  end
end

return M
