--- Which side of a split a key is on. The place of a key between 0 and 1 depends on nothing but the key and the
--- salt, so that who is below 5 % is below 10 % too, in every worker and after every reload.
local bit = require("bit")

local band, bxor, lshift, rshift, tobit = bit.band, bit.bxor, bit.lshift, bit.rshift, bit.tobit
local byte = string.byte

local M = {}

-- 32 bits of a product; in halves, because a double holds 53.
local function multiply(a, b)
  local low, high = band(a, 0xffff), rshift(a, 16)
  return tobit(low * b + lshift(tobit(high * b), 16))
end

-- FNV-1a.
local function add(hash, text)
  for i = 1, #text do
    hash = bxor(hash, byte(text, i))
    hash = tobit(hash * 403 + lshift(hash, 24))
  end
  return hash
end

-- Murmur's last step: every bit of a key moves every bit of its place.
local function spread(hash)
  hash = multiply(bxor(hash, rshift(hash, 16)), 0x85ebca6b)
  hash = multiply(bxor(hash, rshift(hash, 13)), 0xc2b2ae35)
  return bxor(hash, rshift(hash, 16))
end

--- What keys begin with: another split puts the same keys elsewhere.
---@param text string
---@return integer
function M.salt(text) return add(tobit(0x811c9dc5), text) end

--- Where a key stands, from 0 up to but not 1.
---@param salt integer
---@param key string
---@return number
function M.place(salt, key) return spread(add(salt, key)) % 2 ^ 32 / 2 ^ 32 end

return M
