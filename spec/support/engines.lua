--- TLS engines that talk to each other without a connection: what one says lies in the other's inbox.
local ffi = require("ffi")
local c = require("support.c")

local M = {}

local FAILED, ENDED, MORE = c.GW_TLS_FAILED, c.GW_TLS_ENDED, c.GW_TLS_MORE

local room = ffi.new("struct gw_tls_room")

--- One side: its engine, what came for it and was not taken, and what it read.
function M.side(engine) return { engine = engine, inbox = "", got = {} } end

local function take_records()
  local records = ffi.string(room.records, room.records_len)
  room.records_len = 0
  return records
end

--- Gives a side what came, `most` bytes at once; what it says goes to the other one.
function M.feed(from, to, most)
  local result
  repeat
    local piece = from.inbox:sub(1, most)
    local slice = c.slice(piece)
    from.inbox = from.inbox:sub(#piece + 1)
    repeat
      if not c.gw_tls_established(from.engine) then
        result = c.gw_tls_handshake(from.engine, room, slice)
      else
        result = c.gw_tls_read(from.engine, room, slice)
        from.got[#from.got + 1] = ffi.string(room.plain, room.plain_len)
        room.plain_len = 0
      end
      to.inbox = to.inbox .. take_records()
    until result == MORE or result == FAILED or result == ENDED
  until from.inbox == "" or result == FAILED or result == ENDED
  return result
end

function M.shake(near, far, most)
  local one, other = MORE, MORE
  for _ = 1, 10 do
    if one ~= FAILED then one = M.feed(far, near, most or 1e6) end
    if other ~= FAILED then other = M.feed(near, far, most or 1e6) end
  end
  return c.gw_tls_established(near.engine) and c.gw_tls_established(far.engine)
end

function M.write(from, to, ...)
  local texts = { ... }
  local slices = ffi.new("struct gw_slice[?]", #texts)
  for i, text in ipairs(texts) do
    slices[i - 1].ptr, slices[i - 1].len = text, #text
  end
  local taken = ffi.new("size_t[1]")
  repeat
    local result = c.gw_tls_write(from.engine, room, slices, #texts, taken)
    to.inbox = to.inbox .. take_records()
  until result ~= c.GW_TLS_FULL
  return tonumber(taken[0])
end

--- The room that all of them work in.
M.room = room

--- Takes what the last call made.
M.take_records = take_records

return M
