---@meta moongate.crypto
-- Written by ./dev docs from the sources. Do not change it here.

---Digests, HMAC, authenticated encryption, random bytes, and bytes as text. Everything takes and gives plain strings
---of bytes; `crypto.hex_encode(crypto.sha256(text))` is what `sha256sum` prints.
---
---    local mac = crypto.hmac("sha256", conf.secret, body)
---    if not crypto.equal(mac, given) then …
---
---Piece by piece, in a body hook:
---
---    local digest = crypto.digest("sha256")
---    digest:update(chunk)
---    … crypto.hex_encode(digest:final())
---@class moongate.crypto
local M = {}

---@class moongate.crypto.Digest
local Digest = {}

---Takes the next piece.
---
---In every hook.
---@param data string
---@return moongate.crypto.Digest _ # itself
function Digest:update(data) end

---The digest of all pieces; nothing can be done with the object afterwards.
---
---In every hook.
---@return string bytes
function Digest:final() end

---A digest. Without `data` an object that takes it piece by piece: `update(data)`, `final()`.
---
---In every hook.
---@param name "md5"|"sha1"|"sha256"|"sha384"|"sha512" # md5 and sha1 for old formats only
---@param data? string
---@return string|moongate.crypto.Digest
function M.digest(name, data) end

---An HMAC (RFC 2104). Without `data` an object that takes it piece by piece: `update(data)`, `final()`.
---
---In every hook.
---@param name "md5"|"sha1"|"sha256"|"sha384"|"sha512"
---@param key string
---@param data? string
---@return string|moongate.crypto.Digest
function M.hmac(name, key, data) end

---The digest of a text, for old formats; it is no protection.
---
---In every hook.
---@param data string
---@return string bytes # 16
function M.md5(data) end

---The digest of a text, for old formats; it is no protection.
---
---In every hook.
---@param data string
---@return string bytes # 20
function M.sha1(data) end

---The digest of a text.
---
---In every hook.
---@param data string
---@return string bytes # 32
function M.sha256(data) end

---The digest of a text.
---
---In every hook.
---@param data string
---@return string bytes # 48
function M.sha384(data) end

---The digest of a text.
---
---In every hook.
---@param data string
---@return string bytes # 64
function M.sha512(data) end

---Encrypts and authenticates (AES-128-GCM or AES-256-GCM, by the key's length) with a random nonce, which stands
---before what comes out. One key is good for four thousand million texts.
---
---In every hook.
---@param key string # 16 or 32 bytes
---@param data string
---@param with? string # authenticated, too, but not encrypted: open() must be given the same
---@return string sealed # 28 bytes longer
function M.seal(key, data, with) end

---Gives back what seal() got.
---
---In every hook.
---@param key string
---@param sealed string
---@param with? string
---@return string? data
---@return string? reason # another key or another `with`, or somebody changed it
function M.open(key, sealed, with) end

---AES-GCM with a nonce of the caller's, for formats that others defined. A nonce must never be used twice with a key:
---whoever may choose takes seal().
---
---In every hook.
---@param key string # 16 or 32 bytes
---@param nonce string # 12 bytes
---@param data string
---@param with? string # authenticated, too, but not encrypted
---@return string encrypted # and the tag of 16 bytes behind it
function M.encrypt(key, nonce, data, with) end

---The other direction of encrypt().
---
---In every hook.
---@param key string
---@param nonce string
---@param encrypted string # with the tag behind it
---@param with? string
---@return string? data
---@return string? reason
function M.decrypt(key, nonce, encrypted, with) end

---Random bytes, good for keys and tokens.
---
---In every hook.
---@param count integer # 1 to 1048576
---@return string bytes
function M.random(count) end

---Whether two texts are the same, in a time that does not tell where they differ (it tells whether they are equally
---long). For comparing secrets and signatures.
---
---In every hook.
---@param a string
---@param b string
---@return boolean
function M.equal(a, b) end

---Bytes as hexadecimal digits, lower case.
---
---In every hook.
---@param bytes string
---@return string
function M.hex_encode(bytes) end

---Bytes from hexadecimal digits, lower or upper case.
---
---In every hook.
---@param text string
---@return string? bytes
---@return string? reason
function M.hex_decode(text) end

---Bytes as base64 (RFC 4648 4), with padding.
---
---In every hook.
---@param bytes string
---@return string
function M.base64_encode(bytes) end

---Bytes from base64. Strict: no spaces, no line ends, all padding there, no bits that mean nothing.
---
---In every hook.
---@param text string
---@return string? bytes
---@return string? reason
function M.base64_decode(text) end

---Bytes as base64url (RFC 4648 5), without padding.
---
---In every hook.
---@param bytes string
---@return string
function M.base64url_encode(bytes) end

---Bytes from base64url, as strictly; padding may be missing as a whole.
---
---In every hook.
---@param text string
---@return string? bytes
---@return string? reason
function M.base64url_decode(text) end

return M
