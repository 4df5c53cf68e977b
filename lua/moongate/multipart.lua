--- multipart/form-data (RFC 7578): forms with files. Reading is bounded and takes what browsers, curl and libraries
--- write, nothing else: a body that two readers could understand differently is refused.
local M = {}

local PARTS_MAX = 1000
local HEAD_MAX = 8192 -- bytes of one part's headers
local TOKEN = "[%w!#$%%&'*+%-.^_`|~]+"

-- RFC 2046 5.1.1: up to 70 of these, and no space at the end.
local BOUNDARY = "^[%w'()+_,%-./:=? ]*[%w'()+_,%-./:=?]$"

-- The parameters of a header's value behind its first word: { boundary = "x" }; nil when they cannot be read.
local function read_params(text)
  local params, at = {}, 1
  while true do
    local next_at = text:match("^%s*;%s*()", at)
    if not next_at then return text:find("^%s*$", at) and params or nil end
    if next_at > #text then return params end
    local name, value, stop = text:match("^(" .. TOKEN .. ")=(" .. TOKEN .. ")()", next_at)
    if not name then
      -- in quotes; browsers write %22 for a quote in them, others \"
      name, stop = text:match("^(" .. TOKEN .. ')="()', next_at)
      if not name then return nil end
      local out = {}
      while true do
        local plain, char, after = text:match('^([^"\\]*)(["\\])()', stop)
        if not plain then return nil end
        out[#out + 1] = plain
        stop = after
        if char == '"' then break end
        local escaped = text:match('^["\\]', stop)
        out[#out + 1] = escaped or "\\" -- a lone one stands in file names of Windows
        if escaped then stop = stop + 1 end
      end
      value = table.concat(out)
    end
    name = name:lower()
    if params[name] then return nil end
    params[name] = value
    at = stop
  end
end

--- The boundary that a Content-Type names.
---@param content_type string
---@return string? boundary, string? reason
function M.boundary(content_type)
  local params = read_params(content_type:match("^[^;]*(.*)$"))
  local boundary = params and params.boundary
  if not boundary then return nil, "the content-type names no boundary" end
  if #boundary > 70 or not boundary:find(BOUNDARY) then return nil, "the boundary is not valid" end
  return boundary
end

-- The name of the part whose headers these are.
local function read_head(text)
  local name
  for line in (text .. "\r\n"):gmatch("(.-)\r\n") do
    local field, value = line:match("^(" .. TOKEN .. "):[ \t]*(.-)[ \t]*$")
    if not field or line:find("[%z\r\n]") then return nil, "a part has a malformed header" end
    if field:lower() == "content-disposition" then
      local kind, rest = value:match("^([%w-]+)(.*)$")
      local params = kind and kind:lower() == "form-data" and read_params(rest)
      if name or not params or not params.name then return nil, "a part has no name" end
      name = params.name
    end
  end
  if not name then return nil, "a part has no name" end
  return name
end

local function put(form, name, value)
  local before = form[name]
  if before == nil then
    form[name] = value
  elseif type(before) == "table" then
    before[#before + 1] = value
  else
    form[name] = { before, value }
  end
end

-- Where the delimiter line that begins at or behind `from` begins, where what follows it begins, and whether it is the
-- last. `text` begins with CRLF, so that every delimiter has one before it.
local function find_delimiter(text, delimiter, from)
  while true do
    local start, stop = text:find(delimiter, from, true)
    if not start then return nil end
    local after, close = text:match("^%-%-()", stop + 1), true
    if not after then
      after, close = stop + 1, false
    end
    local line_end = text:match("^[ \t]*\r\n()", after) or close and text:match("^[ \t]*()$", after)
    if line_end then return start, line_end, close end
    from = start + 1
  end
end

--- The fields of a form by their names; a repeated name is an array. Of a file, its bytes.
---@param body string
---@param content_type string  with its boundary
---@param max? integer  at most so many parts (100); the others are left out
---@return table<string, string|string[]>? form, string? reason
function M.decode(body, content_type, max)
  local boundary, reason = M.boundary(content_type)
  if not boundary then return nil, reason end
  max = math.min(max or 100, PARTS_MAX)
  local text, delimiter, form = "\r\n" .. body, "\r\n--" .. boundary, {}
  local _, at, close = find_delimiter(text, delimiter, 1)
  if not at then return nil, "the body has no part" end
  local count = 0
  while not close do
    -- A part may have no headers at all; form-data's must have one.
    local head_end = text:find("\r\n\r\n", at, true)
    if not head_end or head_end - at > HEAD_MAX then return nil, "a part has no end of its headers" end
    local name, why = read_head(text:sub(at, head_end - 1))
    if not name then return nil, why end
    -- The empty line may be the line end before the delimiter.
    local start, next_at, last = find_delimiter(text, delimiter, head_end + 2)
    if not start then return nil, "the body is cut: its last boundary is missing" end
    count = count + 1
    if count <= max then put(form, name, text:sub(head_end + 4, start - 1)) end
    at, close = next_at, last
  end
  return form
end

-- As browsers do (HTML, "multipart/form-data encoding algorithm").
local function quoted(name)
  return (name:gsub("\r\n", "%%0D%%0A"):gsub('[\r\n"]', { ["\r"] = "%0D", ["\n"] = "%0A", ['"'] = "%22" }))
end

--- A form as bytes, in alphabetical order of its names.
---@param form table<string, string|number|boolean|(string|number|boolean)[]>
---@param boundary string
---@return string? body, string? reason
function M.encode(form, boundary)
  local names, out = {}, {}
  for name in pairs(form) do
    if type(name) ~= "string" then return nil, "the names must be strings" end
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local values = type(form[name]) == "table" and form[name] or { form[name] }
    for _, value in ipairs(values) do
      local kind = type(value)
      if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
        return nil, ("the value of %q must be a string, number, boolean or an array of them"):format(name)
      end
      value = tostring(value)
      if value:find("--" .. boundary, 1, true) then
        return nil, ("the boundary stands in the value of %q"):format(name)
      end
      out[#out + 1] = ('--%s\r\ncontent-disposition: form-data; name="%s"\r\n\r\n%s\r\n'):format(
        boundary,
        quoted(name),
        value
      )
    end
  end
  out[#out + 1] = ("--%s--\r\n"):format(boundary)
  return table.concat(out)
end

return M
