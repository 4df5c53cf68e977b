--- Regular expressions: PCRE2, compiled once and with a limit on what one match may cost, so that no text that a client
--- sends makes one run for long. Make them in `init`, keep them, and try them per request.
---
---     local regex = require("moongate.regex")
---     local crawler = assert(regex.new("bot/(\\d+)", "i"))
---     if crawler:test(agent) then … end
---
--- Texts are bytes, not characters; `$` stands for the very end.
local ffi = require("ffi")
local outside = require("moongate.outside")

local C = require("moongate.cdef")

local WHY_SIZE = 256
local FLAGS = { a = 1, i = 2 }
local GAVE_UP = "the regex gave up on this text"

-- About what C keeps of a pattern: itself, and machine code.
local BYTES, BYTES_A_BYTE = 4096, 64

local regex_type = ffi.typeof("struct { struct gw_regex *regex; double bytes; }")
local found, found_len = ffi.new("const char *[1]"), ffi.new("size_t[1]")

local Regex = {}
Regex.__index = Regex

local M = {}

local function bits(flags, what)
  local sum = 0
  for flag in (flags or ""):gmatch(".") do
    sum = sum + (FLAGS[flag] or error(('moongate.regex: %s: no flag "%s" (known: a, i)'):format(what, flag), 3))
  end
  return sum
end

local function names_of(pointer)
  local names, n = {}, 0
  while true do
    local group = C.gw_pdk_regex_name(pointer, n, found, found_len)
    if group == 0 then return names end
    names[group] = ffi.string(found[0], found_len[0])
    n = n + 1
  end
end

local function release(holder)
  C.gw_regex_free(holder.regex)
  outside.give(holder.bytes)
end

--- Whether a pattern compiles.
---@phase init, any
---@param pattern string
---@return true?
---@return string? reason  "missing closing parenthesis (at byte 5)"
function M.check(pattern)
  local why = ffi.new("char[?]", WHY_SIZE)
  if C.gw_regex_check(pattern, #pattern, 0, why, WHY_SIZE) then return true end
  return nil, "is no regular expression: " .. ffi.string(why)
end

--- Compiles a pattern.
---@phase init, any
---@param pattern string
---@param flags? string  "a": must match from the first byte on; "i": in any case
---@return table? regex
---@return string? reason
function M.new(pattern, flags)
  local why, bytes = ffi.new("char[?]", WHY_SIZE), BYTES + BYTES_A_BYTE * #pattern
  flags = bits(flags, "new")
  outside.take(bytes, "regex.new")
  local pointer = C.gw_regex_new(pattern, #pattern, flags, why, WHY_SIZE)
  if pointer == nil then
    outside.give(bytes)
    return nil, ffi.string(why)
  end
  return setmetatable({
    holder = ffi.gc(regex_type(pointer, bytes), release),
    pointer = pointer,
    names = names_of(pointer),
    groups = C.gw_pdk_regex_groups(pointer),
  }, Regex)
end

--- Whether the text holds a match.
---@phase init, any
---@param text string
---@return boolean?  nil when it would have taken too long to know: who decides about access takes that for a no
---@return string? reason
function Regex:test(text)
  local answer = C.gw_pdk_regex_test(self.pointer, text, #text)
  if answer < 0 then return nil, GAVE_UP end
  return answer == 1
end

-- What the groups took in the match that was just found in the text.
local function groups_of(self, text)
  local result, names = {}, self.names
  for n = 0, self.groups do
    local there = C.gw_pdk_regex_group(self.pointer, text, #text, n, found, found_len) ~= 0
    local value = there and ffi.string(found[0], found_len[0])
    result[n] = value
    if names[n] then result[names[n]] = value end
  end
  return result
end

--- The first match in the text: what it took under 0, its groups by number and by name (false where one took no part).
---@phase init, any
---@param text string
---@return table<integer|string, string|false>?  nil when there is none
---@return string? reason  when it would have taken too long to know
function Regex:match(text)
  local answer = C.gw_pdk_regex_test(self.pointer, text, #text)
  if answer < 0 then return nil, GAVE_UP end
  if answer == 0 then return nil end
  return groups_of(self, text)
end

--- Where the first match begins and ends; for the next one: `regex:find(text, to + 1)`.
---@phase init, any
---@param text string
---@param from? integer  it begins there at the earliest (1); `^` and look-behinds know what stands before
---@return integer? first  nil when there is none
---@return integer? last   before `first` when the match is empty
---@return table|string? groups  as match() gives them; or the reason, when it would have taken too long to know
function Regex:find(text, from)
  local start = ffi.cast("const char *", text)
  from = math.max(from or 1, 1)
  local answer = C.gw_pdk_regex_test_from(self.pointer, start, #text, from - 1)
  if answer < 0 then return nil, nil, GAVE_UP end
  if answer == 0 then return nil end
  local groups = groups_of(self, text)
  if C.gw_pdk_regex_group(self.pointer, start, #text, 0, found, found_len) == 0 then return nil end
  local first = tonumber(found[0] - start) + 1
  return first, first + tonumber(found_len[0]) - 1, groups
end

return M
