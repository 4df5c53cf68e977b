---@meta moongate.uuid
-- Written by ./dev docs from the sources. Do not change it here.

---Identifiers (RFC 9562).
---@class moongate.uuid
local M = {}

---122 random bits. Who has seen many of them can foretell the next: secrets come from moongate.crypto.random().
---@return string
function M.v4() end

---Begins with the time, so that later ones sort behind.
---@return string
function M.v7() end

---True for a text in a UUID's form, of any version: 8-4-4-4-12 hexadecimal digits, in either case.
---@param text any
---@return boolean
function M.is_valid(text) end

return M
