--- Digests, HMAC, authenticated encryption, random bytes, and bytes as text. Everything takes and gives plain strings
--- of bytes; `crypto.hex_encode(crypto.sha256(text))` is what `sha256sum` prints.
---
---     local mac = crypto.hmac("sha256", conf.secret, body)
---     if not crypto.equal(mac, given) then …
---
--- Piece by piece, in a body hook:
---
---     local digest = crypto.digest("sha256")
---     digest:update(chunk)
---     … crypto.hex_encode(digest:final())
local ffi = require("ffi")
local buffer = require("string.buffer")
local core = require("moongate.core")
local outside = require("moongate.outside")

local C = require("moongate.cdef")
local script = core.script

local DIGESTS = { md5 = 0, sha1 = 1, sha256 = 2, sha384 = 3, sha512 = 4 }
local NONCE, TAG = tonumber(C.GW_PDK_GCM_NONCE), tonumber(C.GW_PDK_GCM_TAG)
local HASH_BYTES = 1024 -- about what OpenSSL keeps of one
local RANDOM_MOST, DATA_MOST = 2 ^ 20, 2 ^ 30
local KEPT = 2 ^ 16 -- larger rooms are not kept for the next call

local M = {}

local out = ffi.new("char[?]", tonumber(C.GW_PDK_DIGEST_MAX))
local nonce_room = ffi.new("char[?]", NONCE)
local gcm = ffi.new("struct gw_pdk_gcm") -- for the length of one call
local room = buffer.new()

-- A place for so many bytes, and the buffer that has it.
local function reserve(bytes)
  local buf = bytes <= KEPT and room:reset() or buffer.new()
  return buf:reserve(math.max(bytes, 1)), buf
end

local function taken(buf, bytes) return buf:commit(bytes):get() end

local function text_of(value, what, name, level)
  if type(value) ~= "string" then
    error(
      ("crypto.%s: %s must be a string, not %s"):format(what, name, value == nil and "nil" or "a " .. type(value)),
      level or 3
    )
  end
  return value
end

local function digest_of(name, what)
  local number = DIGESTS[name]
  if not number then
    error(
      ("crypto.%s: there is no digest %q (known: md5, sha1, sha256, sha384, sha512)"):format(what, tostring(name)),
      3
    )
  end
  return number
end

-- ── digests ──

---@class moongate.crypto.Digest
local Digest = {}
Digest.__index = Digest

local holder_type = ffi.typeof("struct { struct gw_pdk_hash *hash; }")

local function release(holder)
  if holder.hash == nil then return end
  C.gw_pdk_hash_free(holder.hash)
  holder.hash = nil
  outside.give(HASH_BYTES)
end

-- A tail of the functions below: their caller is its own.
local function new_hash(number, key, what)
  outside.take(HASH_BYTES, "crypto." .. what)
  local hash = C.gw_pdk_hash_new(number, key, key and #key or 0)
  if hash == nil then
    outside.give(HASH_BYTES)
    error(("crypto.%s: OpenSSL does not have this digest here"):format(what), 2)
  end
  return setmetatable({ ffi.gc(holder_type(hash), release) }, Digest)
end

local function living(self, what)
  local holder = type(self) == "table" and self[1]
  if not holder then error(("digest:%s is a method: call it with a colon"):format(what), 3) end
  if holder.hash == nil then error(("digest:%s: final() was called already"):format(what), 3) end
  return holder
end

--- Takes the next piece.
---@phase any
---@param data string
---@return moongate.crypto.Digest  itself
function Digest:update(data)
  local holder = living(self, "update")
  if type(data) ~= "string" then error(("digest:update takes a string, not %s"):format(type(data)), 2) end
  C.gw_pdk_hash_update(holder.hash, data, #data)
  return self
end

--- The digest of all pieces; nothing can be done with the object afterwards.
---@phase any
---@return string bytes
function Digest:final()
  local holder = living(self, "final")
  local bytes = ffi.string(out, C.gw_pdk_hash_final(holder.hash, out))
  release(ffi.gc(holder, nil))
  return bytes
end

-- A tail, too.
local function finished(len, what)
  if len == 0 then error(("crypto.%s: OpenSSL does not have this digest here"):format(what), 2) end
  return ffi.string(out, len)
end

-- Another one.
local function digest_now(what, name, data)
  text_of(data, what, "the data")
  return finished(C.gw_pdk_digest(script, DIGESTS[name], data, #data, out), what)
end

--- A digest. Without `data` an object that takes it piece by piece: `update(data)`, `final()`.
---@phase any
---@param name "md5"|"sha1"|"sha256"|"sha384"|"sha512"  md5 and sha1 for old formats only
---@param data? string
---@return string|moongate.crypto.Digest
function M.digest(name, data)
  local number = digest_of(name, "digest")
  if data == nil then return new_hash(number, nil, "digest") end
  return digest_now("digest", name, data)
end

--- An HMAC (RFC 2104). Without `data` an object that takes it piece by piece: `update(data)`, `final()`.
---@phase any
---@param name "md5"|"sha1"|"sha256"|"sha384"|"sha512"
---@param key string
---@param data? string
---@return string|moongate.crypto.Digest
function M.hmac(name, key, data)
  local number = digest_of(name, "hmac")
  text_of(key, "hmac", "the key")
  if data == nil then return new_hash(number, key, "hmac") end
  text_of(data, "hmac", "the data")
  return finished(C.gw_pdk_hmac(script, number, key, #key, data, #data, out), "hmac")
end

--- The digest of a text, for old formats; it is no protection.
---@phase any
---@param data string
---@return string bytes  16
function M.md5(data) return digest_now("md5", "md5", data) end

--- The digest of a text, for old formats; it is no protection.
---@phase any
---@param data string
---@return string bytes  20
function M.sha1(data) return digest_now("sha1", "sha1", data) end

--- The digest of a text.
---@phase any
---@param data string
---@return string bytes  32
function M.sha256(data) return digest_now("sha256", "sha256", data) end

--- The digest of a text.
---@phase any
---@param data string
---@return string bytes  48
function M.sha384(data) return digest_now("sha384", "sha384", data) end

--- The digest of a text.
---@phase any
---@param data string
---@return string bytes  64
function M.sha512(data) return digest_now("sha512", "sha512", data) end

-- ── encryption ──

-- Fills `gcm`; the strings stay alive with the caller's arguments.
local function set_gcm(what, key, with)
  text_of(key, what, "the key", 4)
  if #key ~= 16 and #key ~= 32 then
    error(("crypto.%s: the key must have 16 or 32 bytes, not %d"):format(what, #key), 3)
  end
  with = with == nil and "" or text_of(with, what, "what is authenticated with it", 4)
  gcm.key, gcm.key_len, gcm.with, gcm.with_len = key, #key, with, #with
end

local function check_data(data, what)
  text_of(data, what, "the data", 4)
  if #data > DATA_MOST then error(("crypto.%s: more than %d bytes"):format(what, DATA_MOST), 3) end
end

--- Encrypts and authenticates (AES-128-GCM or AES-256-GCM, by the key's length) with a random nonce, which stands
--- before what comes out. One key is good for four thousand million texts.
---@phase any
---@param key string   16 or 32 bytes
---@param data string
---@param with? string  authenticated, too, but not encrypted: open() must be given the same
---@return string sealed  28 bytes longer
function M.seal(key, data, with)
  set_gcm("seal", key, with)
  check_data(data, "seal")
  local place, buf = reserve(NONCE + #data + TAG)
  C.gw_pdk_random(place, NONCE)
  gcm.nonce = place
  if C.gw_pdk_gcm_seal(gcm, data, #data, place + NONCE) == 0 then
    error("crypto.seal: OpenSSL has no AES-GCM here", 2)
  end
  return taken(buf, NONCE + #data + TAG)
end

--- Gives back what seal() got.
---@phase any
---@param key string
---@param sealed string
---@param with? string
---@return string? data
---@return string? reason  another key or another `with`, or somebody changed it
function M.open(key, sealed, with)
  set_gcm("open", key, with)
  check_data(sealed, "open")
  if #sealed < NONCE + TAG then return nil, "too short to have been sealed" end
  local place, buf = reserve(#sealed)
  ffi.copy(nonce_room, sealed, NONCE)
  gcm.nonce = nonce_room
  if C.gw_pdk_gcm_open(gcm, ffi.cast("const char *", sealed) + NONCE, #sealed - NONCE, place) == 0 then
    return nil, "not sealed with this key, or changed"
  end
  return taken(buf, #sealed - NONCE - TAG)
end

local function set_nonce(nonce, what)
  text_of(nonce, what, "the nonce", 4)
  if #nonce ~= NONCE then
    error(("crypto.%s: the nonce must have %d bytes, not %d"):format(what, NONCE, #nonce), 3)
  end
  gcm.nonce = nonce
end

--- AES-GCM with a nonce of the caller's, for formats that others defined. A nonce must never be used twice with a key:
--- whoever may choose takes seal().
---@phase any
---@param key string    16 or 32 bytes
---@param nonce string  12 bytes
---@param data string
---@param with? string  authenticated, too, but not encrypted
---@return string encrypted  and the tag of 16 bytes behind it
function M.encrypt(key, nonce, data, with)
  set_gcm("encrypt", key, with)
  set_nonce(nonce, "encrypt")
  check_data(data, "encrypt")
  local place, buf = reserve(#data + TAG)
  if C.gw_pdk_gcm_seal(gcm, data, #data, place) == 0 then
    error("crypto.encrypt: OpenSSL has no AES-GCM here", 2)
  end
  return taken(buf, #data + TAG)
end

--- The other direction of encrypt().
---@phase any
---@param key string
---@param nonce string
---@param encrypted string  with the tag behind it
---@param with? string
---@return string? data
---@return string? reason
function M.decrypt(key, nonce, encrypted, with)
  set_gcm("decrypt", key, with)
  set_nonce(nonce, "decrypt")
  check_data(encrypted, "decrypt")
  if #encrypted < TAG then return nil, "too short to have a tag" end
  local place, buf = reserve(#encrypted)
  if C.gw_pdk_gcm_open(gcm, encrypted, #encrypted, place) == 0 then
    return nil, "not encrypted with this key and nonce, or changed"
  end
  return taken(buf, #encrypted - TAG)
end

-- ── the rest ──

--- Random bytes, good for keys and tokens.
---@phase any
---@param count integer  1 to 1048576
---@return string bytes
function M.random(count)
  if type(count) ~= "number" or count % 1 ~= 0 or count < 1 or count > RANDOM_MOST then
    error(("crypto.random: how many bytes must be a whole number from 1 to %d"):format(RANDOM_MOST), 2)
  end
  local place, buf = reserve(count)
  C.gw_pdk_random(place, count)
  return taken(buf, count)
end

--- Whether two texts are the same, in a time that does not tell where they differ (it tells whether they are equally
--- long). For comparing secrets and signatures.
---@phase any
---@param a string
---@param b string
---@return boolean
function M.equal(a, b)
  text_of(a, "equal", "the first text")
  text_of(b, "equal", "the second text")
  return #a == #b and C.gw_pdk_equal(a, b, #a) == 1
end

-- ── bytes as text ──

--- Bytes as hexadecimal digits, lower case.
---@phase any
---@param bytes string
---@return string
function M.hex_encode(bytes)
  text_of(bytes, "hex_encode", "what is encoded")
  local place, buf = reserve(2 * #bytes)
  return taken(buf, C.gw_pdk_hex_encode(bytes, #bytes, place))
end

--- Bytes from hexadecimal digits, lower or upper case.
---@phase any
---@param text string
---@return string? bytes
---@return string? reason
function M.hex_decode(text)
  text_of(text, "hex_decode", "what is decoded")
  local place, buf = reserve(#text)
  local len = C.gw_pdk_hex_decode(text, #text, place)
  if len < 0 then return nil, "not hexadecimal" end
  return taken(buf, len)
end

--- Bytes as base64 (RFC 4648 4), with padding.
---@phase any
---@param bytes string
---@return string
function M.base64_encode(bytes)
  text_of(bytes, "base64_encode", "what is encoded")
  local place, buf = reserve(#bytes * 2 + 4)
  return taken(buf, C.gw_pdk_base64_encode(bytes, #bytes, 0, place))
end

--- Bytes from base64. Strict: no spaces, no line ends, all padding there, no bits that mean nothing.
---@phase any
---@param text string
---@return string? bytes
---@return string? reason
function M.base64_decode(text)
  text_of(text, "base64_decode", "what is decoded")
  local place, buf = reserve(#text)
  local len = C.gw_pdk_base64_decode(text, #text, 0, place)
  if len < 0 then return nil, "not base64" end
  return taken(buf, len)
end

--- Bytes as base64url (RFC 4648 5), without padding.
---@phase any
---@param bytes string
---@return string
function M.base64url_encode(bytes)
  text_of(bytes, "base64url_encode", "what is encoded")
  local place, buf = reserve(#bytes * 2 + 4)
  return taken(buf, C.gw_pdk_base64_encode(bytes, #bytes, 1, place))
end

--- Bytes from base64url, as strictly; padding may be missing as a whole.
---@phase any
---@param text string
---@return string? bytes
---@return string? reason
function M.base64url_decode(text)
  text_of(text, "base64url_decode", "what is decoded")
  local place, buf = reserve(#text)
  local len = C.gw_pdk_base64_decode(text, #text, 1, place)
  if len < 0 then return nil, "not base64url" end
  return taken(buf, len)
end

return M
