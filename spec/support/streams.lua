--- Streams as specs drive them: probes own streams, log what they hear and may act inside an event. See stream_driver.c.
local ffi = require("ffi")
local c = require("support.c")
local net = require("support.net")

local M = {}

ffi.cdef([[
struct gw_probe {
  struct gw_stream *stream;
  struct gw_arena *arena;
  struct gw_buf log;
  struct gw_buf body;
  struct gw_head *head;
  unsigned ends, failures, after_close, nested;
  bool in_operation;
  int error;
  int id;
};
struct gw_acceptor {
  struct gw_session *server;
  struct gw_probe *last;
  unsigned requests, refused, closed;
  int refusal;
};
struct gw_dialer {
  struct gw_h1_client *client;
  struct gw_h2_client *h2;
  unsigned idle, closed, rooms;
};
void (*gw_probe_hook)(struct gw_probe *probe, const char *event);
void (*gw_accept_hook)(struct gw_acceptor *acceptor, struct gw_probe *probe, bool refused);
struct gw_probe *gw_probe_new(struct gw_stream *stream, struct gw_arena *arena);
void gw_probe_free(struct gw_probe *probe);
void gw_probe_send_head(struct gw_probe *probe, const struct gw_head *head, bool end);
bool gw_probe_send_body(struct gw_probe *probe, const char *bytes, size_t len, bool end);
bool gw_probe_send_blob(struct gw_probe *probe, struct gw_blob *blob, bool end);
void gw_probe_send_trailers(struct gw_probe *probe, const struct gw_fields *trailers);
void gw_probe_hold(struct gw_probe *probe, bool on);
void gw_probe_close(struct gw_probe *probe, int why);
struct gw_acceptor *gw_acceptor_new(struct gw_conn *conn, const struct gw_session_limits *limits);
struct gw_acceptor *gw_acceptor_new_h2(struct gw_conn *conn, const struct gw_h2_limits *limits);
struct gw_dialer *gw_dialer_new_h2(struct gw_conn *conn, const struct gw_h2_limits *limits);
void gw_acceptor_free(struct gw_acceptor *acceptor);
struct gw_dialer *gw_dialer_new(struct gw_conn *conn, const struct gw_session_limits *limits);
void gw_dialer_free(struct gw_dialer *dialer);
]])

local probes = {} -- by id
local acceptors = {} -- by address
local failure -- an error must not cross C

local function guarded(fn)
  return function(...)
    local ok, err = xpcall(fn, debug.traceback, ...)
    if not ok then failure = failure or err end
  end
end

--- Raises what went wrong inside an event.
function M.check()
  local err = failure
  failure = nil
  if err then error(err, 0) end
end

function M.limits(over)
  local limits = ffi.new("struct gw_session_limits")
  limits.head_bytes = 32 * 1024
  limits.headers = 100
  limits.target_bytes = 8 * 1024
  limits.head_timeout_us = 10e6
  limits.idle_timeout_us = 60e6
  limits.requests = 0
  for name, value in pairs(over or {}) do
    limits[name] = value
  end
  return limits
end

--- The same for HTTP/2; `streams`, `stream_window`, `conn_window` beside.
function M.h2_limits(over)
  local own, limits = { streams = true, stream_window = true, conn_window = true }, ffi.new("struct gw_h2_limits")
  local common = {}
  for name, value in pairs(over or {}) do
    if own[name] then
      limits[name] = value
    else
      common[name] = value
    end
  end
  limits.session = M.limits(common)
  return limits
end

-- ── heads ────────────────────────────────────────────────────────────────────

local NONE, UNKNOWN = -1, -2
M.NONE, M.UNKNOWN = NONE, UNKNOWN

-- Strings that heads point into; heads are borrowed for a call, so keeping the last few is enough.
local kept = {}

local function slice(text)
  kept[#kept + 1] = text
  if #kept > 4096 then kept = { text } end
  return { ffi.cast("const char *", text), #text }
end

--- Fields from { { "name", "value" }, ... }, in an arena.
function M.fields(arena, list)
  local fields = ffi.new("struct gw_fields")
  for _, pair in ipairs(list or {}) do
    local name = ffi.new("struct gw_slice", slice(pair[1]))
    local value = ffi.new("struct gw_slice", slice(pair[2]))
    c.gw_fields_add(fields, arena, name, value)
  end
  return fields
end

--- A response head: status, fields, body_length (default: unknown).
function M.response(arena, spec)
  local head = ffi.new("struct gw_head")
  head.status = spec.status or 200
  head.version = 11
  head.body_length = spec.length or UNKNOWN
  head.fields = M.fields(arena, spec.fields)
  if spec.protocol then head.protocol = slice(spec.protocol) end
  return head
end

--- A request head: method, path, query, authority, fields, length, protocol, expect.
function M.request(arena, spec)
  local head = ffi.new("struct gw_head")
  local method = spec.method or "GET"
  head.method_name = slice(method)
  head.method = c.gw_method_parse(head.method_name)
  head.scheme = slice("http")
  head.authority = slice(spec.authority or "example.com")
  head.path = slice(spec.path or "/")
  if spec.query then
    head.query, head.has_query = slice(spec.query), true
  end
  head.version = 11
  head.body_length = spec.length or NONE
  head.expect_continue = spec.expect or false
  head.fields = M.fields(arena, spec.fields)
  if spec.protocol then head.protocol = slice(spec.protocol) end
  return head
end

-- ── probes ───────────────────────────────────────────────────────────────────

local Probe = {}
Probe.__index = Probe

local function wrap(pointer)
  local probe = setmetatable({ c = pointer, on = {} }, Probe)
  probes[pointer.id] = probe
  return probe
end

--- Owns a stream. `arena` (may be nil) is freed with the probe.
function M.probe(stream, arena) return wrap(c.gw_probe_new(stream, arena)) end

local function text(buf) return buf.len == 0 and "" or ffi.string(buf.data, buf.len) end

--- What happened, one event a line.
function Probe:log() return text(self.c.log) end
function Probe:body() return text(self.c.body) end
function Probe:arena() return self.c.stream.arena end
function Probe:error() return self.c.failures > 0 and c.reason(self.c.error) or nil end
function Probe:is_open() return self.c.stream ~= nil end

function Probe:respond(spec, stop) c.gw_probe_send_head(self.c, M.response(self:arena(), spec), stop or false) end

function Probe:ask(spec, stop) c.gw_probe_send_head(self.c, M.request(self:arena(), spec), stop or false) end

--- True while more may be sent.
function Probe:send(bytes, stop) return c.gw_probe_send_body(self.c, bytes, #bytes, stop or false) end

function Probe:send_blob(bytes, stop)
  local blob = c.gw_blob_new(c.slice(bytes))
  local room = c.gw_probe_send_blob(self.c, blob, stop or false)
  c.gw_blob_unref(blob)
  return room
end

function Probe:trail(list) c.gw_probe_send_trailers(self.c, M.fields(self:arena(), list)) end
function Probe:hold(on) c.gw_probe_hold(self.c, on) end
function Probe:close(reason) c.gw_probe_close(self.c, reason and c["GW_E_" .. reason:upper()] or 0) end

--- Closes if need be, frees; the log and counts stay readable.
function Probe:free()
  if not self.c then return end
  if self:is_open() then self:close("cancelled") end
  probes[self.c.id] = nil
  c.gw_probe_free(self.c)
  self.c = nil
end

c.gw_probe_hook = guarded(function(pointer, event)
  local probe = probes[pointer.id]
  local fn = probe and probe.on[ffi.string(event)]
  if fn then fn(probe) end
end)

-- ── sessions ─────────────────────────────────────────────────────────────────

local Acceptor = {}
Acceptor.__index = Acceptor

local function address(pointer) return tonumber(ffi.cast("intptr_t", ffi.cast("void *", pointer))) end

--- A server session over a connection; on_request(probe), on_refused(probe, reason) act on each.
function M.accept(conn, over)
  local a = setmetatable({ c = c.gw_acceptor_new(conn, M.limits(over)), probes = {} }, Acceptor)
  acceptors[address(a.c)] = a
  return a
end

--- The same, of HTTP/2.
function M.accept_h2(conn, over)
  local a = setmetatable({ c = c.gw_acceptor_new_h2(conn, M.h2_limits(over)), probes = {} }, Acceptor)
  acceptors[address(a.c)] = a
  return a
end

function Acceptor:last() return self.probes[#self.probes] end
function Acceptor:refusal() return self.c.refused > 0 and c.reason(self.c.refusal) or nil end

function Acceptor:free()
  for _, probe in ipairs(self.probes) do
    probe:free()
  end
  acceptors[address(self.c)] = nil
  c.gw_acceptor_free(self.c)
  self.c = nil
end

c.gw_accept_hook = guarded(function(pointer, raw, refused)
  local a = acceptors[address(pointer)]
  local probe = wrap(raw)
  a.probes[#a.probes + 1] = probe
  if refused then
    if a.on_refused then a.on_refused(probe, a:refusal()) end
  elseif a.on_request then
    a.on_request(probe)
  end
end)

local Dialer = {}
Dialer.__index = Dialer

function M.dial(conn, over) return setmetatable({ c = c.gw_dialer_new(conn, M.limits(over)), probes = {} }, Dialer) end

function M.dial_h2(conn, over)
  return setmetatable({ c = c.gw_dialer_new_h2(conn, M.h2_limits(over)), probes = {} }, Dialer)
end

--- A probe on a new stream, or nil when there is no room for one.
function Dialer:open()
  local arena = c.gw_arena_new()
  local stream
  if self.c.h2 ~= nil then
    stream = c.gw_h2_client_open(self.c.h2, arena)
    if stream == nil then
      c.gw_arena_free(arena)
      return nil
    end
  else
    stream = c.gw_h1_client_open(self.c.client, arena)
  end
  local probe = M.probe(stream, arena)
  self.probes[#self.probes + 1] = probe
  return probe
end

function Dialer:free()
  for _, probe in ipairs(self.probes) do
    probe:free()
  end
  c.gw_dialer_free(self.c)
  self.c = nil
end

-- ── places ───────────────────────────────────────────────────────────────────

local Place = {}
Place.__index = Place

--- A loop on a virtual clock, and everything that is made on it: `free` ends all of it and checks that nothing is left.
function M.place()
  local place = setmetatable({ loop = net.loop(true), things = {} }, Place)
  place.conns = c.gw_conn_count()
  return place
end

function Place:keep(thing)
  self.things[#self.things + 1] = thing
  return thing
end

function Place:turn(turns)
  for _ = 1, turns or 4 do
    self.loop:turn(false)
    M.check()
  end
end

function Place:advance(seconds)
  c.gw_loop_advance(self.loop.c, seconds * 1e6)
  M.check()
  self:turn()
end

--- A server session and the raw client's end.
function Place:server(over)
  local near, far = net.memory_pair(self.loop)
  local wire = self:keep(net.bind(far))
  return self:keep(M.accept(near, over)), wire
end

--- A client session and the raw server's end.
function Place:client(over)
  local near, far = net.memory_pair(self.loop)
  local wire = self:keep(net.bind(far))
  return self:keep(M.dial(near, over)), wire
end

--- The two ends of a stream pair, as probes: client, server.
function Place:pair()
  local arenas = { c.gw_arena_new(), c.gw_arena_new() }
  local ends = { ffi.new("struct gw_stream *[1]"), ffi.new("struct gw_stream *[1]") }
  c.gw_stream_pair_open(self.loop.c, arenas[1], arenas[2], ends[1], ends[2])
  return self:keep(M.probe(ends[1][0], arenas[1])), self:keep(M.probe(ends[2][0], arenas[2]))
end

--- A reply stream; spec: status, fields, body.
function Place:reply(spec)
  local arena = c.gw_arena_new()
  local reply = ffi.cast("struct gw_reply *", c.gw_arena_alloc_zero(arena, ffi.sizeof("struct gw_reply")))
  reply.status = spec.status or 200
  reply.fields = M.fields(arena, spec.fields)
  if spec.body then reply.body = c.gw_blob_new(c.slice(spec.body)) end
  return self:keep(M.probe(c.gw_reply_stream_open(self.loop.c, arena, reply), arena))
end

function Place:free()
  for i = #self.things, 1, -1 do
    local thing = self.things[i]
    if thing.free then
      if thing.c then thing:free() end
    elseif not thing.closed then
      thing:close()
    end
  end
  self:turn()
  assert(c.gw_conn_count() == self.conns, "a connection was left open")
  self.loop:free()
  M.check()
end

return M
