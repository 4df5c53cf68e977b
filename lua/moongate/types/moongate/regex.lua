---@meta moongate.regex
-- Written by ./dev docs from the sources. Do not change it here.

---Regular expressions: PCRE2, compiled once and with a limit on what one match may cost, so that no text that a client
---sends makes one run for long. Make them in `init`, keep them, and try them per request.
---
---    local regex = require("moongate.regex")
---    local crawler = assert(regex.new("bot/(\\d+)", "i"))
---    if crawler:test(agent) then … end
---
---Texts are bytes, not characters; `$` stands for the very end.
---@class moongate.regex
local M = {}

---@class moongate.regex.Regex
local Regex = {}

---Whether the text holds a match.
---
---In init and every hook.
---@param text string
---@return boolean? _ # nil when it would have taken too long to know: who decides about access takes that for a no
---@return string? reason
function Regex:test(text) end

---The first match in the text: what it took under 0, its groups by number and by name (false where one took no part).
---
---In init and every hook.
---@param text string
---@return table<integer|string, string|false>? _ # nil when there is none
---@return string? reason # when it would have taken too long to know
function Regex:match(text) end

---Where the first match begins and ends; for the next one: `regex:find(text, to + 1)`.
---
---In init and every hook.
---@param text string
---@param from? integer # it begins there at the earliest (1); `^` and look-behinds know what stands before
---@return integer? first # nil when there is none
---@return integer? last # before `first` when the match is empty
---@return table|string? groups # as match() gives them; or the reason, when it would have taken too long to know
function Regex:find(text, from) end

---Whether a pattern compiles.
---
---In init and every hook.
---@param pattern string
---@return true?
---@return string? reason # "missing closing parenthesis (at byte 5)"
function M.check(pattern) end

---Compiles a pattern.
---
---In init and every hook.
---@param pattern string
---@param flags? string # "a": must match from the first byte on; "i": in any case
---@return table? regex
---@return string? reason
function M.new(pattern, flags) end

return M
