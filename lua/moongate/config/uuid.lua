--- Deterministic ids: UUIDv5 (SHA-1 of a namespace and a name), so that a reload keeps identities.
local bit = require("bit")
local band, bor, bxor, rol, bnot, tobit = bit.band, bit.bor, bit.bxor, bit.rol, bit.bnot, bit.tobit

local M = {}

local function big_endian(number)
  return string.char(
    band(bit.rshift(number, 24), 255),
    band(bit.rshift(number, 16), 255),
    band(bit.rshift(number, 8), 255),
    band(number, 255)
  )
end

local function word(text, at)
  local a, b, c, d = text:byte(at, at + 3)
  return bor(bit.lshift(a, 24), bit.lshift(b, 16), bit.lshift(c, 8), d)
end

local function round(i, b, c, d)
  if i < 20 then
    return bor(band(b, c), band(bnot(b), d)), 0x5A827999
  elseif i < 40 then
    return bxor(b, c, d), 0x6ED9EBA1
  elseif i < 60 then
    return bor(band(b, c), band(b, d), band(c, d)), 0x8F1BBCDC
  end
  return bxor(b, c, d), 0xCA62C1D6
end

local w = {} -- the schedule of one block; filled anew for each

local function block(hash, text, at)
  for i = 0, 15 do
    w[i] = word(text, at + i * 4)
  end
  for i = 16, 79 do
    w[i] = rol(bxor(w[i - 3], w[i - 8], w[i - 14], w[i - 16]), 1)
  end
  local a, b, c, d, e = hash[1], hash[2], hash[3], hash[4], hash[5]
  for i = 0, 79 do
    local f, k = round(i, b, c, d)
    a, b, c, d, e = tobit(rol(a, 5) + f + e + k + w[i]), a, rol(b, 30), c, d
  end
  hash[1], hash[2], hash[3] = tobit(hash[1] + a), tobit(hash[2] + b), tobit(hash[3] + c)
  hash[4], hash[5] = tobit(hash[4] + d), tobit(hash[5] + e)
end

--- SHA-1 as 40 hex digits. For names only: nothing secret rests on it.
---@param text string
---@return string
function M.sha1(text)
  local hash = { 0x67452301, tobit(0xEFCDAB89), tobit(0x98BADCFE), 0x10325476, tobit(0xC3D2E1F0) }
  local padded = text .. "\128" .. ("\0"):rep((55 - #text) % 64 + 4) .. big_endian(#text * 8)
  for at = 1, #padded, 64 do
    block(hash, padded, at)
  end
  return bit.tohex(hash[1]) .. bit.tohex(hash[2]) .. bit.tohex(hash[3]) .. bit.tohex(hash[4]) .. bit.tohex(hash[5])
end

local function bytes_of(uuid)
  return (uuid:gsub("-", ""):gsub("%x%x", function(hex) return string.char(tonumber(hex, 16)) end))
end

-- The namespace of everything Moongate names by itself.
local NAMESPACE = bytes_of("5b8f3f2e-6a0c-5d1b-9a53-6d6f6f6e6761")

--- The UUIDv5 of a name inside one kind of thing.
---@param kind string  "services", "routes", …
---@param name string
---@return string
function M.of(kind, name)
  local hex = M.sha1(NAMESPACE .. kind .. ":" .. name)
  local variant = ("%x"):format(bor(band(tonumber(hex:sub(17, 17), 16), 3), 8))
  return ("%s-%s-5%s-%s%s-%s"):format(
    hex:sub(1, 8),
    hex:sub(9, 12),
    hex:sub(14, 16),
    variant,
    hex:sub(18, 20),
    hex:sub(21, 32)
  )
end

return M
