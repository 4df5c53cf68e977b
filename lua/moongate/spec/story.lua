--- What happened in a gateway, in order: shown when a spec fails, forgotten otherwise. Lines are kept in parts and
--- become text only when somebody reads them.
local M = {}

local MOST = 80 -- lines; the first ones go

local Story = {}
Story.__index = Story

---@param now fun(): number  seconds of the gateway's clock
function M.new(now) return setmetatable({ now = now, lines = {}, first = 1, last = 0 }, Story) end

--- who: "client", "upstream", "hook", "wait", "log".
---@param who string
---@param name string
---@param what string
function Story:add(who, name, what)
  local line = self.lines[self.last]
  if line and line[2] == who and line[3] == name and line[4] == what then
    line.times = line.times + 1
    return
  end
  self.last = self.last + 1
  self.lines[self.last] = { self.now(), who, name, what, times = 1 }
  if self.last - self.first >= MOST then
    self.lines[self.first] = nil
    self.first = self.first + 1
  end
end

function Story:clear()
  self.lines, self.first, self.last = {}, 1, 0
end

function Story:empty() return self.last < self.first end

---@return string
function Story:text()
  local out = { "what happened (seconds of the gateway's clock):" }
  if self.first > 1 then out[2] = ("  … %d lines before"):format(self.first - 1) end
  for i = self.first, self.last do
    local line = self.lines[i]
    out[#out + 1] = ("  %8.3f  %-8s  %s  %s%s"):format(
      line[1],
      line[2],
      line[3],
      line[4],
      line.times > 1 and (" (%d times)"):format(line.times) or ""
    )
  end
  return table.concat(out, "\n")
end

return M
