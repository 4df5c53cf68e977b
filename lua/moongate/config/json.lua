--- Reads JSON strictly (RFC 8259), keeping the line of every key and element. `${NAME}` works in
--- string values.
local document = require("moongate.config.document")
local env = require("moongate.config.env")

local M = {}

local function line_at(state, at)
  -- Positions are asked for in rising order, so lines are counted once.
  while true do
    local newline = state.text:find("\n", state.counted, true)
    if not newline or newline >= at then return state.line end
    state.line, state.counted = state.line + 1, newline + 1
  end
end

local function stop(state, at, message) document.stop(line_at(state, at), message) end

local function skip(state)
  state.at = state.text:find("[^ \t\r\n]", state.at) or #state.text + 1
  return state.text:sub(state.at, state.at)
end

local ESCAPES = {
  ['"'] = '"',
  ["\\"] = "\\",
  ["/"] = "/",
  b = "\b",
  f = "\f",
  n = "\n",
  r = "\r",
  t = "\t",
}

local function utf8_char(code)
  if code < 0x80 then
    return string.char(code)
  elseif code < 0x800 then
    return string.char(0xC0 + math.floor(code / 0x40), 0x80 + code % 0x40)
  elseif code < 0x10000 then
    return string.char(0xE0 + math.floor(code / 0x1000), 0x80 + math.floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
  end
  return string.char(
    0xF0 + math.floor(code / 0x40000),
    0x80 + math.floor(code / 0x1000) % 0x40,
    0x80 + math.floor(code / 0x40) % 0x40,
    0x80 + code % 0x40
  )
end

-- \uXXXX at `at`; two of them where they are a surrogate pair. Returns the bytes and where to go
-- on.
local function unicode_escape(state, at)
  local high = tonumber(state.text:match("^\\u(%x%x%x%x)", at) or "", 16)
  if not high then
    stop(state, at, "\\u needs four hex digits")
  elseif high < 0xD800 or high > 0xDFFF then
    return utf8_char(high), at + 6
  end
  local low = tonumber(state.text:match("^\\u(%x%x%x%x)", at + 6) or "", 16)
  if high > 0xDBFF or not low or low < 0xDC00 or low > 0xDFFF then stop(state, at, "half of a surrogate pair") end
  return utf8_char(0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00)), at + 12
end

local function read_string(state)
  local out, at = {}, state.at + 1
  while true do
    local special = state.text:find('["\\%c]', at)
    if not special then stop(state, state.at, "a string without its closing quote") end
    out[#out + 1] = state.text:sub(at, special - 1)
    local char = state.text:sub(special, special)
    if char == '"' then
      state.at = special + 1
      return table.concat(out)
    elseif char == "\\" then
      local letter = state.text:sub(special + 1, special + 1)
      if letter == "u" then
        out[#out + 1], at = unicode_escape(state, special)
      elseif ESCAPES[letter] then
        out[#out + 1], at = ESCAPES[letter], special + 2
      else
        stop(state, special, ('"\\%s" is no escape of JSON'):format(letter))
      end
    elseif char == "\127" then
      out[#out + 1], at = char, special + 1
    else
      stop(state, special, "a control character inside a string (write it as an escape)")
    end
  end
end

local function string_value(state)
  local start = state.at
  local raw = read_string(state)
  local text, problem = env.expand(raw, state.lookup)
  if problem then
    document.unresolved(state.doc, line_at(state, start), problem)
    return raw
  end
  return text
end

local function number_value(state)
  local text = state.text:match("^-?%d+%.?%d*[eE]?[+-]?%d*", state.at)
  local whole = text and text:match("^-?(%d+)")
  if
    not text
    or (whole:sub(1, 1) == "0" and #whole > 1)
    or text:find("%.$")
    or text:find("%.[eE]")
    or text:find("[eE+-]$")
    or not tonumber(text)
  then
    stop(state, state.at, "expected a value")
  end
  state.at = state.at + #text
  return tonumber(text)
end

local LITERALS = { t = { "true", true }, f = { "false", false }, n = { "null", document.null } }

local read_value

local function object(state, depth)
  local map, mark = document.container(state.doc, "map", line_at(state, state.at))
  state.at = state.at + 1
  if skip(state) == "}" then
    state.at = state.at + 1
    return map
  end
  while true do
    if skip(state) ~= '"' then stop(state, state.at, "expected a key in double quotes") end
    local line = line_at(state, state.at)
    local key = read_string(state)
    if skip(state) ~= ":" then stop(state, state.at, 'expected ":" after the key') end
    state.at = state.at + 1
    local value = read_value(state, depth + 1)
    if document.key(state.doc, mark, key, line) and value ~= document.null then map[key] = value end
    local char = skip(state)
    state.at = state.at + 1
    if char == "}" then
      return map
    elseif char ~= "," then
      stop(state, state.at - 1, 'expected "," or "}"')
    end
  end
end

local function array(state, depth)
  local list, mark = document.container(state.doc, "array", line_at(state, state.at))
  state.at = state.at + 1
  if skip(state) == "]" then
    state.at = state.at + 1
    return list
  end
  while true do
    skip(state)
    local at = #list + 1
    mark.lines[at] = line_at(state, state.at)
    list[at] = read_value(state, depth + 1)
    local char = skip(state)
    state.at = state.at + 1
    if char == "]" then
      return list
    elseif char ~= "," then
      stop(state, state.at - 1, 'expected "," or "]"')
    end
  end
end

function read_value(state, depth)
  local char = skip(state)
  document.check_depth(depth, state.line)
  document.count(state.doc, 1, state.line)
  if char == "{" then
    return object(state, depth)
  elseif char == "[" then
    return array(state, depth)
  elseif char == '"' then
    return string_value(state)
  end
  local literal = LITERALS[char]
  if literal and state.text:sub(state.at, state.at + #literal[1] - 1) == literal[1] then
    state.at = state.at + #literal[1]
    return literal[2]
  end
  return number_value(state)
end

--- Reads a JSON text. Errors are in `doc.errors`; then `doc.root` may be missing.
---@param text string
---@param lookup fun(name: string): string?  the environment
---@return table doc  see moongate.config.document
function M.read(text, lookup)
  return document.read(text, function(doc)
    local state = { text = text, at = 1, line = 1, counted = 1, doc = doc, lookup = lookup }
    if text:sub(1, 3) == "\239\187\191" then state.at = 4 end
    local root = read_value(state, 1)
    if skip(state) ~= "" then stop(state, state.at, "something follows the end of the value") end
    if root == document.null then return nil end
    return root
  end)
end

return M
