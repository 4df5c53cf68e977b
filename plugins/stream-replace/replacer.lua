--- Replaces texts in a stream of pieces. Wherever the pieces are cut, what comes out is what one piece would have
--- given: the leftmost text is replaced first, of two at the same place the longer one, and what was put in is not
--- looked at again. What is kept from one piece to the next is shorter than the longest text that is looked for.
local byte, find, sub = string.byte, string.find, string.sub

local M = {}

--- A replacement may be longer than what it stands for; what one piece becomes has a limit all the same.
M.MAX_PIECE = 16777216

---@param pairs { find: string, with: string }[]
---@return table rules
function M.new(pairs)
  local rules = { longest = 0, by_first = {}, places = {} }
  for i, pair in ipairs(pairs) do
    rules[i] = pair
    rules.longest = math.max(rules.longest, #pair.find)
    local first = byte(pair.find)
    rules.by_first[first] = rules.by_first[first] or {}
    table.insert(rules.by_first[first], pair.find)
  end
  return rules
end

--- The first place from `at` on where one of the texts may begin that ends behind this piece, or past the end.
local function first_open(rules, text, at)
  local size = #text
  for from = math.max(at, size - rules.longest + 2), size do
    local candidates, left = rules.by_first[byte(text, from)], size - from + 1
    for i = 1, candidates and #candidates or 0 do
      local wanted = candidates[i]
      if #wanted > left and sub(wanted, 1, left) == sub(text, from) then return from end
    end
  end
  return size + 1
end

--- The next text from `at` on: where, and which. Places that were found before are kept in `places`.
local function next_match(rules, text, at)
  local places, first, which = rules.places, nil, nil
  for i = 1, #rules do
    local place = places[i]
    if place and place < at then
      place = find(text, rules[i].find, at, true) or false
      places[i] = place
    end
    if place and (not first or place < first or (place == first and #rules[i].find > #rules[which].find)) then
      first, which = place, i
    end
  end
  return first, which
end

--- Takes one piece.
---@param rules table
---@param kept string   what the call before kept, "" at first
---@param piece string
---@param last boolean  nothing comes behind it
---@return string? out  nil: the piece as it is
---@return string kept
function M.step(rules, kept, piece, last)
  local text = kept == "" and piece or kept .. piece
  local at, size, out, parts = 1, 0, nil, 0
  for i = 1, #rules do
    rules.places[i] = 0
  end
  local open = last and #text + 1 or first_open(rules, text, 1)
  local place, which = next_match(rules, text, 1)
  while place and place < open do
    local pair = rules[which]
    out = out or {}
    out[parts + 1], out[parts + 2] = sub(text, at, place - 1), pair.with
    parts, size = parts + 2, size + place - at + #pair.with
    if size > M.MAX_PIECE then
      error(("a piece of the body would become longer than %d bytes"):format(M.MAX_PIECE), 0)
    end
    at = place + #pair.find
    if open < at then open = first_open(rules, text, at) end
    place, which = next_match(rules, text, at)
  end
  kept = sub(text, open)
  if not out then
    if text == piece and kept == "" then return nil, "" end
    return sub(text, 1, open - 1), kept
  end
  out[parts + 1] = sub(text, at, open - 1)
  return table.concat(out), kept
end

return M
