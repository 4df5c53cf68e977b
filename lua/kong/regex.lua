--- ngx.re of one plugin that was written for Kong, by moongate.regex.
local M = {}

local KEPT = 1000 -- patterns made of what clients send must not fill the memory

local INLINE = { s = true, m = true, x = true }

-- "jo" and "u" say how PCRE goes about it; what changes the meaning goes on.
local function make(pattern, options)
  local flags, inline = "", ""
  for flag in options:gmatch(".") do
    if flag == "a" or flag == "i" then
      flags = flags .. flag
    elseif INLINE[flag] then
      inline = inline .. flag
    elseif not ("jou"):find(flag, 1, true) then
      return nil, ("not in this version: the option %q of ngx.re"):format(flag)
    end
  end
  return require("moongate.regex").new((inline ~= "" and "(?" .. inline .. ")" or "") .. pattern, flags)
end

local function compiler()
  local cache, count = {}, 0
  return function(pattern, options)
    options = options or ""
    local key = options .. "/" .. pattern
    if cache[key] then return cache[key] end
    local regex, reason = make(pattern, options)
    if not regex then return nil, reason end
    if count >= KEPT then
      cache, count = {}, 0
    end
    cache[key], count = regex, count + 1
    return regex
  end
end

-- What takes a match's place: a function of it, or a text with $1, ${1}, $0 and $$.
local function replacement_of(replace, groups)
  if type(replace) == "function" then return tostring(replace(groups)) end
  return (
    replace:gsub("%$(%$?){?(%d*)}?", function(dollar, number)
      if dollar ~= "" then return "$" .. number end
      if number == "" then return nil end
      return groups[tonumber(number)] or ""
    end)
  )
end

-- Every match behind the other, at most `most`; an empty one goes a byte further.
local function replace_all(regex, subject, replace, most)
  local out, count, at = {}, 0, 1
  local from = 1
  while count < most and from <= #subject + 1 do
    local first, last, groups = regex:find(subject, from)
    if not first then
      if groups then return nil, 0, groups end
      break
    end
    out[#out + 1] = subject:sub(at, first - 1)
    out[#out + 1] = replacement_of(replace, groups)
    count, at = count + 1, last + 1
    from = last >= first and last + 1 or first + 1
  end
  out[#out + 1] = subject:sub(at)
  return table.concat(out), count
end

--- `ngx.re`, with the patterns of one plugin.
---@return table
function M.new()
  local compile, re = compiler(), {}

  local function replacing(most)
    return function(subject, pattern, replace, options)
      local regex, reason = compile(pattern, options)
      if not regex then return nil, 0, reason end
      return replace_all(
        regex,
        tostring(subject),
        type(replace) == "number" and tostring(replace) or replace,
        most
      )
    end
  end
  re.gsub, re.sub = replacing(math.huge), replacing(1)

  -- `place`: a table whose `pos` says where to begin, and is told where to go on.
  function re.find(subject, pattern, options, place, group)
    local regex, reason = compile(pattern, options)
    if not regex then return nil, nil, reason end
    if group and group ~= 0 then return nil, nil, "not in this version: ngx.re.find of a group" end
    local first, last, groups = regex:find(tostring(subject), place and place.pos)
    if not first then return nil, nil, groups end
    if place then place.pos = last + 1 end
    return first, last
  end

  function re.match(subject, pattern, options, place)
    local regex, reason = compile(pattern, options)
    if not regex then return nil, reason end
    if not place then return regex:match(tostring(subject)) end
    local first, last, groups = regex:find(tostring(subject), place.pos)
    if not first then return nil, groups end
    place.pos = last + 1
    return groups
  end

  function re.gmatch(subject, pattern, options)
    local regex, reason = compile(pattern, options)
    if not regex then return nil, reason end
    local at = 1
    subject = tostring(subject)
    return function()
      if at > #subject + 1 then return nil end
      local first, last, groups = regex:find(subject, at)
      if not first then
        at = #subject + 2
        return nil, groups
      end
      at = last >= first and last + 1 or first + 1
      return groups
    end
  end

  return re
end

return M
