--- Frames of HTTP/2 as bytes: what raw peers in specs say and hear. Heads are written without Huffman codes and without the
--- dynamic table, and read by nghttp2's own inflater.
local ffi = require("ffi")
local bit = require("bit")

ffi.cdef([[
typedef struct { uint8_t *name; uint8_t *value; size_t namelen; size_t valuelen; uint8_t flags; } gw_spec_h2_nv;
int nghttp2_hd_inflate_new(void **inflater);
void nghttp2_hd_inflate_del(void *inflater);
ssize_t nghttp2_hd_inflate_hd2(void *inflater, gw_spec_h2_nv *nv, int *flags, const uint8_t *in, size_t len, int final);
int nghttp2_hd_inflate_end_headers(void *inflater);
]])

local M = {}

M.DATA, M.HEADERS, M.PRIORITY, M.RST_STREAM, M.SETTINGS = 0, 1, 2, 3, 4
M.PUSH_PROMISE, M.PING, M.GOAWAY, M.WINDOW_UPDATE, M.CONTINUATION = 5, 6, 7, 8, 9
M.END_STREAM, M.ACK, M.END_HEADERS = 1, 1, 4

M.codes = {
  [0] = "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
}

local preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

function M.u32(n)
  return string.char(
    bit.band(bit.rshift(n, 24), 255),
    bit.band(bit.rshift(n, 16), 255),
    bit.band(bit.rshift(n, 8), 255),
    bit.band(n, 255)
  )
end

local function to_number(text)
  local n = 0
  for i = 1, #text do
    n = n * 256 + text:byte(i)
  end
  return n
end

function M.frame(kind, flags, stream, payload)
  payload = payload or ""
  return M.u32(#payload):sub(2) .. string.char(kind, flags) .. M.u32(stream) .. payload
end

--- { { id, value }, … }
function M.settings(list)
  local out = {}
  for _, pair in ipairs(list or {}) do
    out[#out + 1] = M.u32(pair[1]):sub(3) .. M.u32(pair[2])
  end
  return M.frame(M.SETTINGS, 0, 0, table.concat(out))
end

--- How a client begins.
function M.hello(settings) return preface .. M.settings(settings) .. M.frame(M.SETTINGS, M.ACK, 0) end

local function text_of(text)
  if #text < 127 then return string.char(#text) .. text end
  local rest, out = #text - 127, { string.char(127) }
  while rest >= 128 do
    out[#out + 1] = string.char(128 + rest % 128)
    rest = math.floor(rest / 128)
  end
  return table.concat(out) .. string.char(rest) .. text
end

--- { { name, value }, … } as a header block. `indexed`: each goes into the dynamic table.
function M.block(list, indexed)
  local out = {}
  for _, pair in ipairs(list) do
    out[#out + 1] = (indexed and "\64" or "\0") .. text_of(pair[1]) .. text_of(pair[2])
  end
  return table.concat(out)
end

local function with(list, more)
  local all = {}
  for _, pair in ipairs(list) do
    all[#all + 1] = pair
  end
  for _, pair in ipairs(more or {}) do
    all[#all + 1] = pair
  end
  return all
end

M.get = { { ":method", "GET" }, { ":scheme", "http" }, { ":path", "/" }, { ":authority", "a.test" } }
M.post = { { ":method", "POST" }, { ":scheme", "http" }, { ":path", "/" }, { ":authority", "a.test" } }

--- A head, in as many frames as it needs.
function M.headers(stream, list, stop)
  local block, out = M.block(list), {}
  local kind, flags = M.HEADERS, stop and M.END_STREAM or 0
  repeat
    local last = #block <= 16384
    out[#out + 1] = M.frame(kind, flags + (last and M.END_HEADERS or 0), stream, block:sub(1, 16384))
    kind, flags, block = M.CONTINUATION, 0, block:sub(16385)
  until last
  return table.concat(out)
end

function M.ask(stream, more) return M.headers(stream, with(M.get, more), true) end
function M.ask_with_body(stream, more) return M.headers(stream, with(M.post, more), false) end
function M.data(stream, bytes, stop) return M.frame(M.DATA, stop and M.END_STREAM or 0, stream, bytes) end
function M.reset(stream, code) return M.frame(M.RST_STREAM, 0, stream, M.u32(code or 8)) end

local function inflate(inflater, block)
  local nv, flags, head = ffi.new("gw_spec_h2_nv"), ffi.new("int[1]"), {}
  local at, len = ffi.cast("const uint8_t *", block), #block
  while true do
    flags[0] = 0
    local took = ffi.C.nghttp2_hd_inflate_hd2(inflater, nv, flags, at, len, 1)
    assert(took >= 0, "a head that cannot be read")
    at, len = at + took, len - tonumber(took)
    if bit.band(flags[0], 2) ~= 0 then
      head[#head + 1] = { ffi.string(nv.name, nv.namelen), ffi.string(nv.value, nv.valuelen) }
    end
    if bit.band(flags[0], 1) ~= 0 then break end
  end
  ffi.C.nghttp2_hd_inflate_end_headers(inflater)
  return head
end

--- What was said, as frames: { kind, flags, stream, payload, head (HEADERS), code (RST_STREAM, GOAWAY) }.
function M.read(bytes)
  local frames, box = {}, ffi.new("void *[1]")
  if bytes:sub(1, #preface) == preface then bytes = bytes:sub(#preface + 1) end
  ffi.C.nghttp2_hd_inflate_new(box)
  while #bytes >= 9 do
    local len = to_number(bytes:sub(1, 3))
    local frame = {
      kind = bytes:byte(4),
      flags = bytes:byte(5),
      stream = to_number(bytes:sub(6, 9)),
      payload = bytes:sub(10, 9 + len),
    }
    if frame.kind == M.HEADERS then frame.head = inflate(box[0], frame.payload) end
    if frame.kind == M.RST_STREAM then frame.code = M.codes[to_number(frame.payload)] end
    if frame.kind == M.GOAWAY then
      frame.last, frame.code = to_number(frame.payload:sub(1, 4)), M.codes[to_number(frame.payload:sub(5, 8))]
    end
    frames[#frames + 1] = frame
    bytes = bytes:sub(10 + len)
  end
  ffi.C.nghttp2_hd_inflate_del(box[0])
  return frames
end

--- What it says of one stream (0: of the connection), a line a frame: "head 200", "data 5 end", "reset CANCEL", "goaway …".
function M.describe(bytes, stream)
  local out = {}
  for _, f in ipairs(M.read(bytes)) do
    local last = bit.band(f.flags, M.END_STREAM) ~= 0 and " end" or ""
    local line
    if f.kind == M.HEADERS then
      line = "head " .. (f.head[1][1] == ":status" and f.head[1][2] or "trailers") .. last
    elseif f.kind == M.DATA then
      line = "data " .. #f.payload .. last
    elseif f.kind == M.RST_STREAM then
      line = "reset " .. f.code
    elseif f.kind == M.GOAWAY then
      line = "goaway " .. f.code
    end
    if f.stream == stream then out[#out + 1] = line end
  end
  return table.concat(out, "\n")
end

return M
