--- What the YAML and JSON readers make: plain tables, and beside them where everything stood.
---
---     { root = value, marks = { [table] = mark }, errors = { { line, message, path? }, … } }
---     mark = { kind = "map" | "array", line = N, lines = { [key or index] = N }, keys = { "in",
---     "file", "order" } }
---
--- Keys are strings. A null inside a map is dropped (its line stays); inside an array it is `null`.
local M = {}

M.null = require("cjson").null

M.MAX_DEPTH = 64
M.MAX_BYTES = 64 * 1024 * 1024
M.MAX_NODES = 2 * 1000 * 1000 -- also counts what aliases repeat

---@return table
function M.new() return { root = nil, marks = {}, errors = {}, unresolved = {}, nodes = 0 } end

--- Raised inside a reader to give up: what follows cannot be read any more.
---@param line integer?
---@param message string
function M.stop(line, message) error({ line = line, message = message }, 0) end

--- Notes an error that reading can survive.
---@param doc table
---@param line integer
---@param message string
function M.complain(doc, line, message) doc.errors[#doc.errors + 1] = { line = line, message = message } end

--- Notes a value that cannot be known; other complaints about it, which only follow from that, are
--- to be left out.
---@param doc table
---@param line integer
---@param message string
function M.unresolved(doc, line, message)
  M.complain(doc, line, message)
  doc.unresolved[line] = true
end

--- Begins a map or an array.
---@param doc table
---@param kind "map"|"array"
---@param line integer
---@return table value
---@return table mark
function M.container(doc, kind, line)
  local value, mark = {}, { kind = kind, line = line, lines = {}, keys = kind == "map" and {} or nil }
  doc.marks[value] = mark
  return value, mark
end

--- Counts `count` more nodes; bounds what a small file can unfold to.
---@param doc table
---@param count integer
---@param line integer
function M.count(doc, count, line)
  doc.nodes = doc.nodes + count
  if doc.nodes > M.MAX_NODES then
    M.stop(line, ("the file holds more than %d values (aliases count each time)"):format(M.MAX_NODES))
  end
end

---@param depth integer
---@param line integer
function M.check_depth(depth, line)
  if depth > M.MAX_DEPTH then M.stop(line, ("nested more than %d levels deep"):format(M.MAX_DEPTH)) end
end

--- Notes a map's key at `line`; a key that was there before is an error that names both lines.
---@return boolean fresh
function M.key(doc, mark, key, line)
  local before = mark.lines[key]
  if before then
    M.complain(doc, line, ('the key "%s" stands here twice (first in line %d)'):format(key, before))
    return false
  end
  mark.lines[key] = line
  mark.keys[#mark.keys + 1] = key
  return true
end

--- The line where a path stands; where it ends in something that is not there, the line of what
--- should hold it.
---@param doc table
---@param path (string|integer)[]  indices count from 0
---@return integer?
function M.line_of(doc, path)
  local value = doc.root
  local mark = doc.marks[value]
  local line = mark and mark.line
  for _, key in ipairs(path) do
    mark = type(value) == "table" and doc.marks[value] or nil
    if not mark then break end
    local at = type(key) == "number" and mark.kind == "array" and key + 1 or key
    line = mark.lines[at] or line
    value = value[at]
  end
  return line
end

--- Runs a reader's function on a fresh document; what it raises becomes the document's last error.
---@param text string
---@param read fun(doc: table, text: string): any
---@return table doc
function M.read(text, read)
  local doc = M.new()
  if #text > M.MAX_BYTES then
    M.complain(doc, 1, ("the file is larger than %d bytes"):format(M.MAX_BYTES))
    return doc
  end
  local ok, result = pcall(read, doc, text)
  if ok then
    doc.root = result
  elseif type(result) == "table" then
    M.complain(doc, result.line or 1, result.message)
  else
    error(result, 0)
  end
  return doc
end

return M
