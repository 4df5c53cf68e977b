-- The rules of the house that no other tool checks: how long files and functions are, what may not be called, and that
-- nothing is left for later. Takes the files as arguments; prints faults and exits with 1 when there are any.

local FUNCTION_MAX = 60
local FILE_QUESTION = 400
local FILE_MAX = 600
local COLUMNS = 100 -- of C

local BANNED = { "strcpy", "strcat", "sprintf", "vsprintf", "atoi", "atol", "alloca", "gets", "strtok" }
local HEAP = { "malloc", "calloc", "realloc", "free", "strdup", "strndup" }

local faults, questions = {}, {}

local function fault(...) faults[#faults + 1] = string.format(...) end

-- The code of a line of C: without comments and what stands in quotes.
local function code_of(line, in_comment)
  local code = in_comment and line:gsub("^.-%*/", "", 1) or line
  if in_comment and code == line and not line:find("*/", 1, true) then return "", true end
  code = code:gsub("\\.", ""):gsub('"[^"]*"', '""'):gsub("//.*$", "")
  code = code:gsub("/%*.-%*/", "")
  local open = code:find("/*", 1, true)
  if open then return code:sub(1, open - 1), true end
  return code, false
end

local function calls(code, name) return code:find("%f[%w_]" .. name .. "%f[^%w_]%s*%(") ~= nil end

local function check_c_line(path, number, code, state)
  for _, name in ipairs(BANNED) do
    if calls(code, name) then fault("%s:%d: %s is banned", path, number, name) end
  end
  if path:find("^core/") and path ~= "core/base/alloc.c" then
    for _, name in ipairs(HEAP) do
      if calls(code, name) then
        fault("%s:%d: %s outside core/base/alloc.c: use gw_alloc and its kin", path, number, name)
      end
    end
  end
  if code:find("^{") then
    state.start, state.labels = number, {}
  elseif code:find("^}") and state.start then
    local length = number - state.start + 1
    if length > FUNCTION_MAX then
      fault("%s:%d: a function of %d lines (at most %d)", path, state.start, length, FUNCTION_MAX)
    end
    state.start = nil
  elseif state.start then
    local label = code:match("^%s*([%a_][%w_]*):%s*$")
    if label and label ~= "default" then state.labels[label] = true end
    local target = code:match("%f[%w_]goto%s+([%w_]+)")
    if target and state.labels[target] then fault("%s:%d: goto %s goes backwards", path, number, target) end
  end
end

local function length_of(line) -- in characters, not bytes
  return select(2, line:gsub("[^\128-\191]", ""))
end

local function check(path)
  local is_c, is_spec = path:find("%.[ch]$"), path:find("^spec/") or path:find("/spec/")
  local number, in_comment, state = 0, false, {}
  for line in io.lines(path) do
    number = number + 1
    if line:find("%f[%w]TODO%f[%W]") or line:find("%f[%w]FIXME%f[%W]") or line:find("%f[%w]XXX%f[%W]") then
      fault("%s:%d: left for later: do it, or write an issue", path, number)
    end
    if is_c then
      if line:find("clang-format off", 1, true) then state.free = true end
      if line:find("clang-format on", 1, true) then state.free = false end
      if not state.free and length_of(line) > COLUMNS then
        fault("%s:%d: longer than %d columns", path, number, COLUMNS)
      end
      local code
      code, in_comment = code_of(line, in_comment)
      check_c_line(path, number, code, state)
    end
  end
  if not is_spec and number > FILE_MAX then
    fault("%s: %d lines: split it (over %d is a fault)", path, number, FILE_MAX)
  elseif not is_spec and number > FILE_QUESTION then
    questions[#questions + 1] = ("  %s: %d lines: one story?"):format(path, number)
  end
end

for _, path in ipairs(arg) do
  if path ~= ".ci/lint.lua" then check(path) end
end
io.stdout:write(table.concat(questions, "\n"), #questions > 0 and "\n" or "", table.concat(faults, "\n"))
os.exit(#faults == 0 and 0 or 1)
