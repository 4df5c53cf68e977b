--- Reads the comments of a Lua file: its introduction, its documented functions with their hooks, parameters and
--- results, and its classes. Only what stands in `---` lines counts.
local M = {}

local CLOSING = { ["<"] = ">", ["{"] = "}", ["("] = ")", ["["] = "]" }

-- Where a text may be cut: positions of `stop` that stand in no bracket and no quotes.
local function find_outside(text, stop)
  local depth, quote, at = 0, nil, 1
  while at <= #text do
    local char = text:sub(at, at)
    if quote then
      quote = char ~= quote and quote or nil
    elseif char == '"' or char == "'" then
      quote = char
    elseif depth == 0 and text:sub(at, at + #stop - 1) == stop then
      return at
    elseif CLOSING[char] then
      depth = depth + 1
    elseif char == ">" or char == "}" or char == ")" or char == "]" then
      depth = depth - 1
    end
    at = at + 1
  end
end

local function trim(text) return (text:gsub("^%s+", ""):gsub("%s+$", "")) end

-- "string? name  what it is" → type, rest. A function's type goes on behind its colon.
local function split_type(text)
  local cut = find_outside(text, " ")
  while cut and (text:sub(1, cut):find("[:|]%s$") or text:sub(cut):find("^%s[|:]")) do
    local more = find_outside(text:sub(cut + 1), " ")
    cut = more and cut + more
  end
  if not cut then return text, "" end
  return text:sub(1, cut - 1), trim(text:sub(cut))
end

local function read_param(text)
  local name, mark, rest = text:match("^([%w_.]+)(%??)%s+(.*)$")
  if not name then return nil end
  local cut = find_outside(rest, "  ")
  local declared, about = cut and rest:sub(1, cut - 1) or rest, cut and trim(rest:sub(cut)) or ""
  if not cut and not rest:find("^fun%(") then
    declared, about = split_type(rest)
  end
  return { name = name, optional = mark == "?", type = declared, text = about }
end

-- "string? body, string? reason  nil, "too large" when it is longer"
local function read_returns(list, text)
  local cut = find_outside(text, "  ")
  local declared, about = cut and text:sub(1, cut - 1) or text, cut and trim(text:sub(cut)) or ""
  while declared ~= "" do
    local comma = find_outside(declared, ",")
    local one = trim(comma and declared:sub(1, comma - 1) or declared)
    declared = comma and trim(declared:sub(comma + 1)) or ""
    local kind, name = split_type(one)
    list[#list + 1] = { type = kind, name = name ~= "" and name or nil, text = declared == "" and about or "" }
  end
end

local function add(list, item)
  list[#list + 1] = item
  return item
end

local function read_phases(text)
  local list = {}
  for name in text:gmatch("[^,]+") do
    list[#list + 1] = trim(name)
  end
  return list
end

-- What is written behind a class's name and a colon explains it.
local function read_class(block, text)
  local about
  block.class, about = text:match("^([%w_.]+):?%s*(.*)$")
  if about ~= "" then block.text[#block.text + 1] = about end
  return block
end

local TAGS = {
  phase = function(block, text) block.phases = read_phases(text) end,
  param = function(block, text) return add(block.params, read_param(text)) end,
  ["return"] = function(block, text)
    read_returns(block.returns, text)
    return block.returns[#block.returns]
  end,
  class = read_class,
  field = function(block, text) return add(block.fields, read_param(text)) end,
  private = function(block) block.private = true end,
}

local function new_block() return { text = {}, params = {}, returns = {}, fields = {} } end

local function add_line(block, line)
  local tag, rest = line:match("^%-%-%-@(%a+)%s*(.*)$")
  if tag then
    block.last = TAGS[tag] and TAGS[tag](block, trim(rest))
  elseif block.last and type(block.last.text) == "string" then -- the tag's line was too short for it
    block.last.text = trim(block.last.text .. " " .. trim(line:sub(4)))
  else
    block.text[#block.text + 1] = line:match("^%-%-%- ?(.*)$")
  end
end

local function finish(block)
  block.last = nil
  block.text = table.concat(block.text, "\n"):gsub("%s+$", "")
  return block
end

-- `function M:name(a, b)`, `local function ctx_name(self, a)`, `name = function(self)`.
local function read_function(line)
  local owner, separator, name, args = line:match("^function ([%w_]+)([.:])([%w_]+)%((.-)%)")
  if not owner then
    name, args = line:match("^local function ([%w_]+)%((.-)%)")
    owner, separator = name and "local", "."
  end
  if not owner then
    name, args = line:match("^%s+([%w_]+) = function%((.-)%)")
    owner, separator = name and "field", "."
  end
  if owner then return { owner = owner, separator = separator, name = name, args = args } end
end

local function keep(result, block, line)
  finish(block)
  if block.class then
    local name = line:match("^local ([%w_]+) =")
    result.classes[#result.classes + 1] = {
      name = block.class,
      text = block.text,
      fields = block.fields,
      variable = name,
    }
    return
  end
  local found = read_function(line)
  if found and not block.private then
    for key, value in pairs(found) do
      block[key] = value
    end
    result.functions[#result.functions + 1] = block
  end
end

--- What a file says about itself.
---@param text string
---@return { intro: string, functions: table[], classes: table[] }
function M.parse(text)
  local result = { intro = "", functions = {}, classes = {} }
  local block, first = nil, true
  for line in (text .. "\n"):gmatch("(.-)\n") do
    if line:find("^%-%-%-") then
      block = block or new_block()
      add_line(block, line)
    elseif block then
      if first and not block.class then
        result.intro = finish(block).text
      else
        keep(result, block, line)
      end
      block, first = nil, false
    else
      first = first and line == ""
    end
  end
  return result
end

return M
