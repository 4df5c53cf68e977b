--- Connections as specs see them: a loop that is checked to be empty at the end, and ends that record what they hear.
local ffi = require("ffi")
local c = require("support.c")

local M = {}

-- One C callback of each kind for all specs: LuaJIT has a few hundred places for them. The owner is a number.
local ends, dials, accepts = {}, {}, {}
local last_id = 0
local failure -- an error must not cross C: kept, and raised by the next turn

local function guarded(fn)
  return function(...)
    local ok, err = xpcall(fn, debug.traceback, ...)
    if not ok then failure = failure or err end
  end
end

local function number_of(owner) return tonumber(ffi.cast("intptr_t", owner)) end

local function new_id()
  last_id = last_id + 1
  return last_id, ffi.cast("void *", last_id)
end

ffi.cdef([[
int socket(int, int, int);
int bind(int, const void *, unsigned);
int listen(int, int);
int getsockname(int, void *, unsigned *);
ssize_t recv(int, void *, size_t, int);
int close(int);
struct gw_spec_hears {
  void (*on_read)(void *owner, const char *ptr, size_t len);
  void (*on_room)(void *owner);
  void (*on_end)(void *owner, int why);
  void (*on_accepted)(void *ctx, struct gw_conn *conn, const char *rest, size_t len, int why, const char *problem);
} gw_spec_hears;
gw_proxy_accept_cb gw_spec_on_accepted(void);
const struct gw_conn_events gw_spec_conn_events;
]])
local events = ffi.C.gw_spec_conn_events
ffi.C.gw_spec_hears.on_read = guarded(function(owner, ptr, len)
  local e = ends[number_of(owner)]
  len = tonumber(len)
  e.reads = e.reads + 1
  e.count = e.count + len
  e.largest = math.max(e.largest, len)
  if e.keep then e.got[#e.got + 1] = ffi.string(ptr, len) end
  if e.on_read then e.on_read(e, ptr, len) end
end)
ffi.C.gw_spec_hears.on_room = guarded(function(owner)
  local e = ends[number_of(owner)]
  e.rooms = e.rooms + 1
  if e.on_room then e.on_room(e) end
end)
ffi.C.gw_spec_hears.on_end = guarded(function(owner, why)
  local e = ends[number_of(owner)]
  e.ends[#e.ends + 1] = c.reason(why)
  if e.on_end then e.on_end(e, c.reason(why)) end
end)

ffi.C.gw_spec_hears.on_accepted = guarded(function(ctx, conn, rest, len, why, problem)
  local id = number_of(ctx)
  local done = accepts[id]
  accepts[id] = nil
  done(conn, ffi.string(rest, len), c.reason(why), problem ~= nil and ffi.string(problem) or nil)
end)

--- Waits for a PROXY header; done(conn, rest, reason, problem) is called once, unless it is cancelled.
function M.proxy_accept(conn, seconds, done)
  local id, ctx = new_id()
  accepts[id] = done
  return c.gw_proxy_accept_start(conn, seconds * 1e6, ffi.C.gw_spec_on_accepted(), ctx)
end

local End = {}
End.__index = End

--- Takes a connection over and records: reads, count, text(), rooms, ends.
function M.bind(conn)
  local id, owner = new_id()
  local e = setmetatable({
    conn = conn,
    id = id,
    keep = true,
    got = {},
    count = 0,
    reads = 0,
    largest = 0,
    rooms = 0,
    ends = {},
  }, End)
  ends[id] = e
  c.gw_conn_bind(conn, events, owner)
  return e
end

function End:text() return table.concat(self.got) end

--- True while more may be written.
function End:write(...)
  local texts = { ... }
  local slices = ffi.new("struct gw_slice[?]", #texts)
  for i, text in ipairs(texts) do
    slices[i - 1].ptr, slices[i - 1].len = text, #text
  end
  return c.gw_conn_write(self.conn, slices, #texts)
end

function End:write_blob(text, from, len)
  local blob = c.gw_blob_new(c.slice(text))
  local part = ffi.new("struct gw_slice", ffi.cast("char *", blob.data) + (from or 0), len or #text)
  local more = c.gw_conn_write_blob(self.conn, blob, part)
  c.gw_blob_unref(blob)
  return more
end

function End:hold(on) c.gw_conn_hold(self.conn, on) end
function End:shutdown() c.gw_conn_shutdown(self.conn) end
function End:queued() return tonumber(c.gw_conn_queued(self.conn)) end

function End:close()
  c.gw_conn_close(self.conn)
  self.closed = true
end

function End:close_gently(seconds)
  c.gw_conn_close_gently(self.conn, seconds * 1e6)
  self.closed = true
end

local on_dialed = ffi.cast(
  "gw_dial_cb",
  guarded(function(ctx, conn, err)
    local id = number_of(ctx)
    local done = dials[id]
    dials[id] = nil
    done(conn ~= nil and conn or nil, c.reason(err))
  end)
)

--- done(conn, reason) is called once, unless the returned dial is cancelled.
function M.dial(loop, addr, seconds, done)
  local id, ctx = new_id()
  dials[id] = done
  return c.gw_dial_start(loop.c, addr, seconds * 1e6, on_dialed, ctx)
end

local on_conn = ffi.cast("gw_listener_cb", guarded(function(ctx, _, conn) accepts[number_of(ctx)](conn) end))

--- Listens on a descriptor; on_accept(conn).
function M.listen(loop, fd, on_accept)
  local id, ctx = new_id()
  accepts[id] = on_accept
  return c.gw_listener_open(loop.c, fd, on_conn, ctx)
end

function M.addr(text)
  local addr = ffi.new("struct gw_addr")
  assert(c.gw_addr_parse(addr, c.slice(text)), text)
  return addr
end

function M.addr_text(addr)
  local out = ffi.new("char[?]", 120)
  return ffi.string(out, c.gw_addr_format(addr, out))
end

--- A listening descriptor and its address; port 0 for any.
function M.socket(text)
  local source = c.gw_socket_source_new()
  local addr, why = M.addr(text or "127.0.0.1:0"), ffi.new("char[256]")
  local fd = c.gw_socket_source_get(source, addr, 0, why, 256)
  assert(fd >= 0, ffi.string(why))
  if not text or not text:find("^unix:") then
    c.gw_socket_source_free(source)
    source = nil
  end
  return fd, addr, source
end

local Loop = {}
Loop.__index = Loop

function M.loop(virtual) return setmetatable({ c = c.gw_loop_new(virtual or false) }, Loop) end

function Loop:turn(wait)
  local alive = c.gw_loop_turn(self.c, wait or false)
  if failure then
    local err = failure
    failure = nil
    error(err, 0)
  end
  return alive
end

--- Turns until `done()`; a guard timer makes a spec that waits for nothing fail instead of hang.
function Loop:until_true(done, what)
  local timer, late = ffi.new("struct gw_timer"), false
  local fire = ffi.cast("gw_timer_cb", function() late = true end)
  if not self.c.clock.is_virtual then c.gw_timer_start(self.c, timer, 10e6, fire) end
  local turns = 0
  while not done() and not late do
    self:turn(not self.c.clock.is_virtual)
    turns = turns + 1
    if self.c.clock.is_virtual and turns > 10000 then late = true end
  end
  c.gw_timer_stop(timer)
  fire:free()
  assert(not late, "waited for too long: " .. (what or "?"))
end

--- Turns while something is alive, but not for timers.
function Loop:settle(turns)
  for _ = 1, turns or 20 do
    self:turn(false)
  end
end

function Loop:free()
  c.gw_loop_free(self.c)
  self.c = nil
end

--- Two connected ends over real sockets: the dialed one and the accepted one.
function M.socket_pair(loop, text)
  local near, far
  local fd, addr, source = M.socket(text)
  local listener = M.listen(loop, fd, function(conn) far = conn end)
  M.dial(loop, addr, 5, function(conn, reason) near = assert(conn, reason) end)
  loop:until_true(function() return near and far end, "a connection")
  c.gw_listener_close(listener)
  loop:settle(2)
  if source then c.gw_socket_source_free(source) end
  return near, far
end

function M.memory_pair(loop)
  local near, far = ffi.new("struct gw_conn *[1]"), ffi.new("struct gw_conn *[1]")
  c.gw_memory_pair_new(loop.c, nil, nil, near, far)
  return near[0], far[0]
end

--- Both ends bound.
function M.bound_pair(kind, loop)
  local make = kind == "memory" and M.memory_pair or M.socket_pair
  local near, far = make(loop, kind == "unix" and ("unix:" .. os.tmpname() .. ".sock") or nil)
  return M.bind(near), M.bind(far)
end

return M
