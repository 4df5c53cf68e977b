--- A Lua file as tokens that give the same text again, so that a program can rename what stands in it without touching
--- strings, comments and layout. Token: { kind, text, line }; kinds: space comment string number name sign.
local M = {}

local function long_end(text, at)
  local level = text:match("^%[(=*)%[", at)
  if not level then return nil end
  local _, last = text:find("]" .. level .. "]", at, true)
  return (last or #text) + 1
end

local function string_end(text, at)
  local quote, from = text:sub(at, at), at + 1
  while true do
    local found = text:find("[\\\n" .. quote .. "]", from)
    if not found then return #text + 1 end
    local char = text:sub(found, found)
    if char == quote then return found + 1 end
    if char == "\n" then return found end
    from = found + 2
  end
end

local function next_token(text, at)
  local stop = text:match("^%s+()", at)
  if stop then return "space", stop end
  if text:find("^%-%-", at) then return "comment", long_end(text, at + 2) or text:match("^[^\n]*()", at) end
  stop = text:match("^[%a_][%w_]*()", at)
  if stop then return "name", stop end
  stop = text:match("^0[xX][%x.]+()", at) or text:match("^%.?%d[%w.]*()", at)
  if stop then return "number", stop end
  if text:find("^[\"']", at) then return "string", string_end(text, at) end
  stop = long_end(text, at)
  if stop then return "string", stop end
  return "sign", text:match("^%.%.%.?()", at) or text:match("^[=~<>]=()", at) or at + 1
end

---@param text string
---@return table[] tokens
function M.read(text)
  local tokens, at, line = {}, 1, 1
  while at <= #text do
    local kind, stop = next_token(text, at)
    local piece = text:sub(at, stop - 1)
    tokens[#tokens + 1] = { kind = kind, text = piece, line = line }
    line = line + select(2, piece:gsub("\n", ""))
    at = stop
  end
  return tokens
end

---@param tokens table[]
---@return string
function M.text(tokens)
  local out = {}
  for i, token in ipairs(tokens) do
    out[i] = token.text
  end
  return table.concat(out)
end

local function is_code(token) return token.kind ~= "space" and token.kind ~= "comment" and token.text ~= "" end

--- The next token behind `at` that is neither space nor comment; its place, or nil.
function M.after(tokens, at)
  for i = at + 1, #tokens do
    if is_code(tokens[i]) then return i end
  end
end

--- The same before `at`.
function M.before(tokens, at)
  for i = at - 1, 1, -1 do
    if is_code(tokens[i]) then return i end
  end
end

--- Whether the token behind (or before, with M.before) is that text.
function M.is(tokens, at, text) return at and tokens[at].text == text or false end

local CLOSES = { ["("] = ")", ["{"] = "}", ["["] = "]" }

--- Where the bracket that opens at `at` is closed.
function M.closing(tokens, at)
  local open, depth = tokens[at].text, 0
  local close = CLOSES[open]
  for i = at, #tokens do
    if tokens[i].kind == "sign" then
      if tokens[i].text == open then depth = depth + 1 end
      if tokens[i].text == close then depth = depth - 1 end
      if depth == 0 then return i end
    end
  end
  return #tokens
end

local OPENS = { ["function"] = true, ["do"] = true, ["if"] = true, ["repeat"] = true }

--- Where the block of the function that stands at `at` ends.
function M.block_end(tokens, at)
  local depth = 0
  for i = at, #tokens do
    local token = tokens[i]
    if token.kind == "name" then
      if OPENS[token.text] then depth = depth + 1 end
      if token.text == "end" or token.text == "until" then depth = depth - 1 end
      if depth == 0 then return i end
    end
  end
  return #tokens
end

return M
