--- `when:` at a plugin's use: one Lua expression that says whether the plugin runs. This file knows the language: it
--- checks a text and compiles it; moongate.views has what the names stand for.
---
---     request.method == "POST" and request.headers["x-beta"] == "1"
---     request.path:find("^/v1/") and not (consumer and consumer.groups.gold)
---
--- The text is one expression over the names below and nothing else: no functions of its own, no globals. So whatever
--- it is, it ends.
local words = require("moongate.schema.words")

local M = {}

local LENGTH_MAX = 1000

--- The names, and the fields they have.
M.NAMES = {
  request = {
    "method",
    "scheme",
    "host",
    "port",
    "path",
    "headers",
    "query",
    "raw_query",
    "id",
    "http_version",
    "content_length",
    "sni",
  },
  client = { "ip", "port", "peer", "trusted", "verified", "subject" },
  consumer = { "id", "username", "custom_id", "groups", "tags" },
  route = { "id", "name", "tags", "service" },
}

local NAMES = words.keys(M.NAMES)

local WORDS = { ["and"] = true, ["or"] = true, ["not"] = true, ["true"] = true, ["false"] = true, ["nil"] = true }
local KEYWORDS = {}
for word in ("break do else elseif end for function goto if in local repeat return then until while"):gmatch("%a+") do
  KEYWORDS[word] = true
end

local function contains(list, value)
  for i = 1, #list do
    if list[i] == value then return true end
  end
  return false
end

-- Where a token that begins at `at` ends, and its kind; nil when it is none that an expression may have.
local function token_at(text, at)
  local stop = text:match("^[%a_][%w_]*()", at)
  if stop then return "name", stop end
  stop = text:match("^0[xX]%x+()", at)
    or text:match("^%d+%.?%d*[eE][+-]?%d+()", at)
    or text:match("^%d+%.?%d*()", at)
  if stop then return "number", stop end
  local quote = text:match("^[\"']", at)
  if quote then
    local from = at + 1
    while true do
      local found = text:find("[\\\n" .. quote .. "]", from)
      if not found or text:sub(found, found) == "\n" then return nil end
      if text:sub(found, found) == quote then return "string", found + 1 end
      from = found + 2
    end
  end
  local level = text:match("^%[(=*)%[", at)
  if level then
    local _, last = text:find("]" .. level .. "]", at, true)
    if last then return "string", last + 1 end
    return nil
  end
  if text:match("^%-%-", at) then return nil end
  stop = text:match("^%.%.()", at) or text:match("^[=~<>]=()", at) or text:match("^[%]%[(){}+%-*/%%^#<>,.:]()", at)
  return stop and "sign", stop
end

local OPENS, CLOSES = { ["("] = ")", ["["] = "]" }, { [")"] = true, ["]"] = true }

-- What is wrong with a name, given the two tokens before it.
local function name_problem(name, before, base)
  if before == "." and base and M.NAMES[base] and not contains(M.NAMES[base], name) then
    return ("%s has no field %s%s"):format(base, words.quote(name), words.did_you_mean(name, M.NAMES[base]))
  elseif before == "." or before == ":" or WORDS[name] then
    return nil
  elseif KEYWORDS[name] then
    return ("%s cannot stand here: it is one expression, no statement and no function"):format(words.quote(name))
  elseif not M.NAMES[name] then
    return ("knows no %s%s"):format(words.quote(name), words.did_you_mean(name, NAMES))
  end
end

-- What Lua's own parser would let pass. The names that it speaks of go into `names`.
local function problem(text, names)
  local open, at = {}, 1
  local last, base -- the token before, and the one before that where it was no field itself
  local was_field = false
  while true do
    at = text:match("^%s*()", at)
    if at > #text then break end
    local kind, stop = token_at(text, at)
    if not kind then return ("cannot read %s"):format(words.quote(text:sub(at, at + 20))) end
    local token = text:sub(at, stop - 1)
    if kind == "name" then
      local reason = name_problem(token, last, base)
      if reason then return reason end
      if not was_field and M.NAMES[token] then names[token] = true end
    elseif token == "{" or token == "}" or token == "," and not open[1] then
      return ("cannot have a %s here"):format(words.quote(token))
    elseif OPENS[token] then
      open[#open + 1] = OPENS[token]
    elseif CLOSES[token] and table.remove(open) ~= token then
      return ("has a %s too many"):format(words.quote(token))
    end
    if kind == "name" then
      base, was_field = not was_field and token or nil, false
    elseif token == "." or token == ":" then
      was_field = true
    else
      base, was_field = nil, false
    end
    last, at = token, stop
  end
  if open[1] then return ("lacks a %s"):format(words.quote(open[#open])) end
end

local function load(text)
  return loadstring(("local %s = ... return (\n%s\n)"):format(table.concat(NAMES, ", "), text), "=when")
end

--- The names it speaks of, or nil and what is wrong with the text.
---@param text string
---@return table<string, true>?, string? reason
function M.check(text)
  if #text > LENGTH_MAX then return nil, ("is longer than %d bytes"):format(LENGTH_MAX) end
  if not text:find("%S") then return nil, "must not be empty" end
  local names = {}
  local reason = problem(text, names)
  if reason then return nil, reason end
  local chunk, why = load(text)
  if chunk then return names end
  return nil, "is no Lua expression: " .. why:gsub("^when:%d+: ", ""):gsub(" near '<eof>'", " at its end")
end

--- The function of a text that check() let pass. It takes what NAMES names, in alphabetical order.
---@param text string
---@return fun(client: table, consumer: table?, request: table, route: table?): any
function M.compile(text) return setfenv(assert(load(text)), {}) end

return M
