--- The error log of a gateway in a spec, as a list.
local M = {}

---@class moongate.spec.Log: { level: string, plugin?: string, text: string, line: string }[]
local Log = {}
Log.__index = Log

--- The first entry whose line has the pattern in it.
---@param pattern string  a Lua pattern
---@return table? entry
function Log:find(pattern)
  for _, entry in ipairs(self) do
    if entry.line:find(pattern) then return entry end
  end
end

function Log:clear()
  for i = #self, 1, -1 do
    self[i] = nil
  end
end

--- A line, taken apart.
---@param line string
---@param level string
function Log:add(line, level)
  local plugin, rest = line:match("^plugin ([^,:]+), (.*)$")
  local text = rest and (rest:match("^request [^:]*: (.*)$") or rest:match("^.-request [^:]*: (.*)$") or rest)
  self[#self + 1] = { level = level, plugin = plugin, text = text or line, line = line }
end

---@return moongate.spec.Log
function M.new() return setmetatable({}, Log) end

return M
