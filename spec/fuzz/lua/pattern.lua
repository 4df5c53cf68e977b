-- The first line is a pattern, the second what gsub puts in its place, the rest the subject. What the counting functions answer
-- within their bounds, Lua's own answer too; they come second, because nothing bounds them.
local _, capped = ...

local SUBJECT_MAX = 80

local function pack(...) return { n = select("#", ...), ... } end

local function same(a, b)
  if a.n ~= b.n then return false end
  for i = 1, a.n do
    if a[i] ~= b[i] then return false end
  end
  return true
end

local function show(result)
  local out = {}
  for i = 1, result.n do
    out[i] = ("%q"):format(tostring(result[i]))
  end
  return table.concat(out, ", ")
end

-- Too many steps or bytes is an answer of our own.
local function is_bound(reason) return reason:find("too ", 1, true) end

local function compare(what, ours, own, ...)
  local a = pack(pcall(ours, ...))
  if not a[1] and is_bound(a[2]) then return end
  local b = pack(pcall(own, ...))
  assert(a[1] == b[1], what .. ": one of them fails: " .. show(a) .. " / " .. show(b))
  if a[1] then assert(same(a, b), what .. ": " .. show(a) .. " / " .. show(b)) end
end

local function all(gmatch)
  return function(subject, pattern)
    local out, n = {}, 0
    for one, other in gmatch(subject, pattern) do
      n = n + 1
      out[n] = tostring(one) .. "\1" .. tostring(other)
      if n > 400 then break end
    end
    return table.concat(out, "\2")
  end
end

return function(bytes)
  local pattern, with, subject = bytes:match("^([^\n]*)\n([^\n]*)\n(.*)$")
  if not pattern or pattern:find("%z") then return end -- Lua 5.1 ends a pattern there, ours goes on
  if with:find("%%$") then with = with .. "1" end -- a lone % at the end is a NUL to Lua 5.1, and itself to ours
  subject = subject:sub(1, SUBJECT_MAX)
  local fine, reason = pcall(capped.find, subject, pattern)
  if not fine and is_bound(reason) then return end -- a bomb: seven more calls would take as long
  compare("find", capped.find, string.find, subject, pattern)
  compare("find from 3", capped.find, string.find, subject, pattern, 3)
  compare("find from the end", capped.find, string.find, subject, pattern, -2)
  compare("find plain", capped.find, string.find, subject, pattern, 1, true)
  compare("match", capped.match, string.match, subject, pattern)
  compare("gmatch", all(capped.gmatch), all(string.gmatch), subject, pattern)
  compare("gsub", capped.gsub, string.gsub, subject, pattern, with)
  compare("gsub twice", capped.gsub, string.gsub, subject, pattern, with, 2)
  compare("gsub by a table", capped.gsub, string.gsub, subject, pattern, { a = "x", b = 5, c = false })
  compare(
    "gsub by a function",
    capped.gsub,
    string.gsub,
    subject,
    pattern,
    function(one, other) return one ~= "" and other and tostring(one) or nil end
  )
  compare("rep", capped.rep, string.rep, with, #subject)
end
