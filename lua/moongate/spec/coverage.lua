--- Which lines of plugins ran: `moongate test --coverage`.
local core = require("moongate.spec.core")
local files = require("moongate.config.files")

local M = {}

-- Lines that ran, by "@file"; false: none of a plugin's own.
core.kept.lines = core.kept.lines or {}
local lines = core.kept.lines

-- A plugin's file lies beside its handler.lua or below it, but not among its specs.
local function is_plugins(source)
  local path = source:match("^@(.*%.lua)$")
  path = path and files.absolute(path)
  if not path or path:find("/spec/", 1, true) then return false end
  local here = files.absolute(".") or ""
  if path:sub(1, #core.home + 1) == core.home .. "/" and here:sub(1, #core.home) ~= core.home then return false end
  local folder = files.folder(path)
  while folder ~= "." and folder ~= "" do
    if files.exists(folder .. "/handler.lua") then return true end
    folder = files.folder(folder)
  end
  return false
end

local function note(_, line)
  local source = debug.getinfo(2, "S").source
  local ran = lines[source]
  if ran == nil then
    ran = is_plugins(source) and {} or false
    lines[source] = ran
  end
  if ran then ran[line] = true end
end

--- From now on, in every coroutine.
function M.start() debug.sethook(note, "l") end

-- ── what could have run ─────────────────────────────────────────────────────────

local function add_lines(fn, found)
  local jit_util = require("jit.util")
  local info = jit_util.funcinfo(fn)
  for pc = 1, info.bytecodes - 1 do
    local line = jit_util.funcinfo(fn, pc).currentline
    if line and line > 0 then found[line] = true end
  end
  for i = 1, info.gcconsts do
    local constant = jit_util.funck(fn, -i)
    if type(constant) == "proto" then add_lines(constant, found) end
  end
end

-- Lines of a file that hold code, without those that only end something.
local function code_lines(path)
  local found, numbers, number = {}, {}, 0
  local chunk = loadfile(path)
  if not chunk then return numbers end
  add_lines(chunk, found)
  for text in io.lines(path) do
    number = number + 1
    local ends = text:find("^%s*end[%s,;%)]*$") or text:find("^%s*else%s*$") or text:find("^[%s%)}%],;]*$")
    if found[number] and not ends then numbers[#numbers + 1] = number end
  end
  return numbers
end

-- { 3, 4, 5, 9 } → "3-5, 9"
local function ranges(numbers)
  local parts, from = {}, nil
  for i, number in ipairs(numbers) do
    from = from or number
    if numbers[i + 1] ~= number + 1 then
      parts[#parts + 1] = from == number and tostring(number) or ("%d-%d"):format(from, number)
      from = nil
    end
  end
  return table.concat(parts, ", ")
end

local function row(name, ran, all, missed)
  local part = all > 0 and 100 * ran / all or 100
  return ("  %-44s %9s %5.1f %%%s"):format(
    name,
    ("%d/%d"):format(ran, all),
    part,
    missed ~= "" and "   not run: " .. missed or ""
  )
end

local function shown_path(path)
  local here = (files.absolute(".") or "") .. "/"
  return path:sub(1, #here) == here and path:sub(#here + 1) or path
end

local function covered()
  local by_path = {}
  for source, ran in pairs(lines) do
    if ran then
      local path = files.absolute(source:sub(2)) or source:sub(2)
      by_path[path] = by_path[path] or {}
      for line in pairs(ran) do
        by_path[path][line] = true
      end
    end
  end
  return by_path
end

--- Stops, and gives a table as text.
---@return string
function M.report()
  debug.sethook()
  local out, paths, by_path = { "", "coverage of plugins, lines:" }, {}, covered()
  for path in pairs(by_path) do
    paths[#paths + 1] = path
  end
  table.sort(paths)
  local total_ran, total = 0, 0
  for _, path in ipairs(paths) do
    local ran, missed, all = 0, {}, code_lines(path)
    for _, line in ipairs(all) do
      if by_path[path][line] then
        ran = ran + 1
      else
        missed[#missed + 1] = line
      end
    end
    total_ran, total = total_ran + ran, total + #all
    out[#out + 1] = row(shown_path(path), ran, #all, ranges(missed))
  end
  if #paths == 0 then out[#out + 1] = "  no plugin ran" end
  if #paths > 1 then out[#out + 1] = row("all", total_ran, total, "") end
  return table.concat(out, "\n")
end

return M
