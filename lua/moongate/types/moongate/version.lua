---@meta moongate.version
-- Written by ./dev docs from the sources. Do not change it here.

---Which Moongate this is: `text` "0.1.0", and `number` 1000: a million for a major version, a thousand for a minor.
---@class moongate.version
local M = {}

return M
