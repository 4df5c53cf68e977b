---@meta moongate.time
-- Written by ./dev docs from the sources. Do not change it here.

---What time it is, in seconds, and how times are written: in HTTP's fields (RFC 9110, 5.6.7) and in JSON (RFC 3339).
---Both clocks stand still while a hook runs without waiting.
---@class moongate.time
local M = {}

---Since 1970, UTC.
---@return number
function M.now() end

---Of a clock that only moves forward, for durations.
---@return number
function M.monotonic() end

---A time as HTTP's fields have it: "Sun, 06 Nov 1994 08:49:37 GMT". Fractions are cut.
---@param seconds number # since 1970
---@return string
function M.http_date(seconds) end

---The time that a field such as Last-Modified names, in any of the three forms that HTTP knows.
---@param text string
---@return number? seconds # since 1970
---@return string? reason
function M.parse_http_date(text) end

---A time as JSON has it, in UTC: "1994-11-06T08:49:37Z".
---@param seconds number # since 1970
---@param digits? integer # of the second's fraction, which is cut, not rounded: 0 to 6; 0 where nothing is said
---@return string
function M.rfc3339(seconds, digits) end

---The time that a text of RFC 3339 names, with its offset and fraction.
---@param text string
---@return number? seconds # since 1970
---@return string? reason
function M.parse_rfc3339(text) end

return M
