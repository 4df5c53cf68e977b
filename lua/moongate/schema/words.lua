--- The words of error messages: quoting, naming values, and "did you mean".
local M = {}

local MAX_SHOWN = 60 -- characters of a foreign string that a message repeats
local MAX_LISTED = 12 -- names that "known: …" lists
local MAX_COMPARED = 2000 -- candidates one misspelt word is compared with

--- A string in quotes, without control characters and the password of a URL, cut where it is long.
---@param text string
---@return string
function M.quote(text)
  text = text:gsub("://[^%s]*@", "://***@")
  if #text > MAX_SHOWN then text = text:sub(1, MAX_SHOWN) .. "…" end
  return '"' .. text:gsub("[%c\127]", "?") .. '"'
end

--- What a value is, in words: `the string "x"`, `the number 5`, `a map`.
---@param value any
---@param kind? string  "array", "map" or nil to guess
---@return string
function M.value(value, kind)
  local is = type(value)
  if is == "string" then
    return "the string " .. M.quote(value)
  elseif is == "number" then
    return ("the number %.14g"):format(value)
  elseif is == "boolean" then
    return tostring(value)
  elseif is == "table" then
    kind = kind or (#value > 0 and "array") or (next(value) ~= nil and "map")
    return kind == "array" and "an array" or kind == "map" and "a map" or "an empty table"
  elseif is == "nil" or is == "userdata" then
    return "nothing (null)"
  end
  return "a " .. is
end

--- The keys of a map (or the elements of an array) in order.
---@param map table
---@return string[]
function M.keys(map)
  local keys = {}
  for key in pairs(map) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

-- Letters that differ: insertions, deletions, substitutions and swapped neighbours, each counting
-- one.
local function distance(a, b)
  local before, last, row = nil, {}, {}
  for j = 0, #b do
    last[j] = j
  end
  for i = 1, #a do
    row[0] = i
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      local cost = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same and 0 or 1))
      if before and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        cost = math.min(cost, before[j - 2] + 1)
      end
      row[j] = cost
    end
    before, last, row = last, row, {}
  end
  return last[#b]
end

local function plain(word) return (word:lower():gsub("[-_ ]", "")) end

--- The candidate that was most likely meant, or nil when none is near.
---@param word any
---@param candidates string[]
---@param most integer?  how far away it may be
---@return string?
function M.suggest(word, candidates, most)
  if type(word) ~= "string" or #word > 100 then return nil end
  local target = plain(word)
  local many = target:gsub("ys$", "ies")
  for i = 1, many ~= target and math.min(#candidates, MAX_COMPARED) or 0 do -- retrys: of retry and retries the latter
    if plain(candidates[i]) == many then return candidates[i] end
  end
  local best, best_cost = nil, math.min(most or 3, math.floor(#target / 3)) + 1
  for i = 1, math.min(#candidates, MAX_COMPARED) do
    local candidate = candidates[i]
    local other = plain(candidate)
    if math.abs(#other - #target) < best_cost then
      local cost = distance(target, other)
      if cost < best_cost then
        best, best_cost = candidate, cost
      end
    end
  end
  return best
end

--- Names in a row: `a, b, c`, with "…" where there are too many.
---@param names string[]
---@return string
function M.list(names)
  local shown = {}
  for i = 1, math.min(#names, MAX_LISTED) do
    shown[i] = tostring(names[i])
  end
  if #names > MAX_LISTED then shown[#shown + 1] = "…" end
  return table.concat(shown, ", ")
end

--- The tail of a message about an unknown word: the one that was meant, else all that are known.
---@param word any
---@param candidates string[]
---@return string
function M.did_you_mean(word, candidates)
  local suggestion = M.suggest(word, candidates)
  if suggestion then
    return (" (did you mean %s?)"):format(M.quote(suggestion))
  elseif #candidates == 0 then
    return ""
  end
  return (" (known: %s)"):format(M.list(candidates))
end

return M
