--- Reads YAML through libyaml's events, which carry positions. YAML 1.2's core values: `yes`, `no`,
--- `on`, `off` are strings.
local document = require("moongate.config.document")
local env = require("moongate.config.env")

local M = {}

local CORE_TAGS = {
  ["tag:yaml.org,2002:str"] = "string",
  ["tag:yaml.org,2002:int"] = "plain",
  ["tag:yaml.org,2002:float"] = "plain",
  ["tag:yaml.org,2002:bool"] = "plain",
  ["tag:yaml.org,2002:null"] = "plain",
  ["tag:yaml.org,2002:map"] = "map",
  ["tag:yaml.org,2002:seq"] = "array",
}

local WORDS = {
  [""] = document.null,
  ["~"] = document.null,
  null = document.null,
  Null = document.null,
  NULL = document.null,
  ["true"] = true,
  True = true,
  TRUE = true,
  ["false"] = false,
  False = false,
  FALSE = false,
}

-- 0660 is 660 to some readers and 432 to others, so it stays what is written.
local function plain_number(text)
  if text:find("^[-+]?0%d") then
    return nil
  elseif text:find("^[-+]?%d+$") then
    return tonumber((text:gsub("^%+", "")))
  elseif text:find("^0x%x+$") then
    return tonumber(text:sub(3), 16)
  elseif text:find("^0o[0-7]+$") then
    return tonumber(text:sub(3), 8)
  elseif text:find("^[-+]?%.?%d") and text:find("^[-+]?%d*%.?%d*[eE]?[-+]?%d*$") then
    return tonumber((text:gsub("^%+", "")))
  end
end

--- What an unquoted scalar means.
---@param text string
---@return any
function M.resolve(text)
  local word = WORDS[text]
  if word ~= nil then return word end
  return plain_number(text) or text
end

local function line_has_tab(text, number)
  local at = 0
  for line in (text .. "\n"):gmatch("(.-)\n") do
    at = at + 1
    if at == number then return line:find("^ *\t") ~= nil end
  end
end

-- libyaml says "<problem> at document: 1, line: 2, column: 3\n<context> at line: …".
local function syntax_error(reason, text)
  local message = tostring(reason):match("^(.-) at document") or tostring(reason)
  local context, at = tostring(reason):match("\n(.-) at line: (%d+)")
  local line = tostring(reason):match("line: (%d+)")
  if context and at == line then
    message = message .. ", " .. context
  elseif context then
    message = ("%s, %s in line %s"):format(message, context, at)
  end
  if message:find("cannot start any token", 1, true) then
    message = message
      .. (line_has_tab(text, tonumber(line)) and " (indent with spaces, not tabs)" or " (put it in quotes)")
  end
  document.stop(tonumber(line), message)
end

local function next_event(state)
  local ok, event = pcall(state.parser)
  if not ok then syntax_error(event, state.text) end
  return event
end

local function line_of(event) return event.start_mark.line + 1 end

local read_node

local function check_tag(event, wanted)
  local tag = event.tag
  if tag and tag ~= "!" and not (CORE_TAGS[tag] and (wanted == nil or CORE_TAGS[tag] == wanted)) then
    document.stop(line_of(event), ('the tag "%s" is not taken here'):format(tag))
  end
end

local function scalar(state, event)
  check_tag(event)
  local tag = CORE_TAGS[event.tag]
  if tag == "map" or tag == "array" then document.stop(line_of(event), "a scalar cannot carry this tag") end
  local text, problem = env.expand(event.value, state.lookup)
  if problem then
    document.unresolved(state.doc, line_of(event), problem)
    return event.value
  end
  local is_plain = event.style == "PLAIN" and event.tag == nil or tag == "plain"
  if is_plain then return M.resolve(text) end
  return text
end

local function key_text(event)
  if event.type ~= "SCALAR" then document.stop(line_of(event), "a key must be a plain word or a string") end
  return event.value
end

-- `<<: *base` or `<<: [*a, *b]`: keys that are not written here come from there.
local function merge(state, map, mark, from, line)
  local from_mark = state.doc.marks[from]
  if not from_mark then
    document.stop(line, "<< takes an alias of a map, or a list of them")
  elseif from_mark.kind == "array" then
    for i = 1, #from do
      merge(state, map, mark, from[i], line)
    end
    return
  end
  for _, key in ipairs(from_mark.keys) do
    if mark.lines[key] == nil then
      mark.lines[key] = from_mark.lines[key]
      mark.keys[#mark.keys + 1] = key
      map[key] = from[key]
    end
  end
end

local function mapping(state, event, depth)
  check_tag(event, "map")
  local map, mark = document.container(state.doc, "map", line_of(event))
  local merges = {}
  while true do
    local key_event = next_event(state)
    if key_event.type == "MAPPING_END" then break end
    local key, line = key_text(key_event), line_of(key_event)
    local value = read_node(state, next_event(state), depth + 1)
    if key == "<<" and key_event.style == "PLAIN" then
      merges[#merges + 1] = { value, line }
    elseif document.key(state.doc, mark, key, line) and value ~= document.null then
      map[key] = value
    end
  end
  for _, entry in ipairs(merges) do
    merge(state, map, mark, entry[1], entry[2])
  end
  return map
end

local function sequence(state, event, depth)
  check_tag(event, "array")
  local array, mark = document.container(state.doc, "array", line_of(event))
  while true do
    local inner = next_event(state)
    if inner.type == "SEQUENCE_END" then return array end
    local at = #array + 1
    mark.lines[at] = line_of(inner)
    array[at] = read_node(state, inner, depth + 1)
  end
end

local function alias(state, event)
  local target = state.anchors[event.anchor]
  if not target then
    document.stop(line_of(event), ('the alias "*%s" has no anchor before it'):format(event.anchor))
  elseif target.open then
    document.stop(line_of(event), ('the alias "*%s" stands inside its own anchor'):format(event.anchor))
  end
  document.count(state.doc, target.count, line_of(event))
  document.check_depth(state.depth + target.depth, line_of(event))
  state.deepest = math.max(state.deepest, state.depth + target.depth)
  return target.value
end

local READERS = { SCALAR = scalar, MAPPING_START = mapping, SEQUENCE_START = sequence }

function read_node(state, event, depth)
  document.check_depth(depth, line_of(event))
  state.depth, state.deepest = depth, math.max(state.deepest, depth)
  if event.type == "ALIAS" then return alias(state, event) end
  document.count(state.doc, 1, line_of(event))
  local anchor
  local before, deepest = state.doc.nodes, state.deepest
  if event.anchor then
    anchor = { open = true }
    state.anchors[event.anchor] = anchor
    state.deepest = depth
  end
  local value = READERS[event.type](state, event, depth)
  if anchor then
    anchor.open, anchor.value = false, value
    anchor.count, anchor.depth = state.doc.nodes - before + 1, state.deepest - depth
    state.deepest = math.max(state.deepest, deepest)
  end
  return value
end

--- Reads a YAML text. Errors are in `doc.errors`; then `doc.root` may be missing.
---@param text string
---@param lookup fun(name: string): string?  the environment
---@return table doc  see moongate.config.document
function M.read(text, lookup)
  return document.read(text, function(doc)
    local ok, parser = pcall(require("yaml").parser, text)
    if not ok then syntax_error(parser, text) end
    local state =
      { text = text, parser = parser, doc = doc, lookup = lookup, anchors = {}, depth = 0, deepest = 0 }
    next_event(state) -- STREAM_START
    local event = next_event(state)
    if event.type == "STREAM_END" then return nil end
    local root = read_node(state, next_event(state), 1)
    next_event(state) -- DOCUMENT_END
    event = next_event(state)
    if event.type ~= "STREAM_END" then
      document.stop(line_of(event), "a second document begins here; one file is one document")
    end
    if root == document.null then return nil end
    return root
  end)
end

return M
