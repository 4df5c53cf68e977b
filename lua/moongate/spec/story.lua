--- What happened in a gateway, in order: shown when a spec fails, forgotten otherwise. Lines are kept in parts and
--- become text only when somebody reads them.
local M = {}

local MOST = 400 -- lines; the first ones go

local Story = {}
Story.__index = Story

---@param now fun(): number  seconds of the gateway's clock
function M.new(now)
  return setmetatable({ now = now, lines = {}, first = 1, last = 0 }, Story)
end

--- who: "client", "upstream", "hook", "wait", "log", "clock" …
---@param who string
---@param name string
---@param what string
function Story:add(who, name, what)
  self.last = self.last + 1
  self.lines[self.last] = { self.now(), who, name, what }
  if self.last - self.first >= MOST then
    self.lines[self.first] = nil
    self.first = self.first + 1
    self.cut = true
  end
end

function Story:clear()
  self.lines, self.first, self.last, self.cut = {}, 1, 0, false
end

function Story:empty()
  return self.last < self.first
end

---@return string
function Story:text()
  local out = { "what happened (seconds of the gateway's clock):" }
  if self.cut then out[2] = "        …" end
  for i = self.first, self.last do
    local time, who, name, what = unpack(self.lines[i])
    out[#out + 1] = ("  %8.3f  %-8s  %s  %s"):format(time, who, name, what)
  end
  return table.concat(out, "\n")
end

return M
