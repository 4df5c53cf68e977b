--- What every PDK function does first: is it called as a method, of a living request, in a hook that may?
local bit = require("bit")

local band, bor = bit.band, bit.bor

local M = {
  REWRITE_GLOBAL = 1,
  REWRITE = 2,
  ACCESS = 4,
  RESPONSE = 8,
  LOG = 16,
  REQUEST_BODY = 32,
  BODY = 64,
  APART = 128, -- no hook: a background task, or the function of a request's body
}

--- Sets of hooks that functions name.
M.ANY = bor(M.REWRITE_GLOBAL, M.REWRITE, M.ACCESS, M.REQUEST_BODY, M.RESPONSE, M.BODY, M.LOG)
M.ANYWHERE = bor(M.ANY, M.APART)
M.BEFORE = bor(M.REWRITE_GLOBAL, M.REWRITE, M.ACCESS)
M.ROUTED = bor(M.REWRITE, M.ACCESS)
M.ANSWER = bor(M.BEFORE, M.RESPONSE)
M.AFTER = bor(M.RESPONSE, M.BODY, M.LOG)
M.KNOWN = bor(M.REWRITE, M.ACCESS, M.REQUEST_BODY, M.RESPONSE, M.BODY, M.LOG)

--- The hooks of a set, as people write them.
---@param mask integer
---@return string
function M.names(mask)
  local names = {}
  local global, scoped = band(mask, M.REWRITE_GLOBAL) ~= 0, band(mask, M.REWRITE) ~= 0
  if global and scoped then
    names[#names + 1] = "rewrite"
  elseif global then
    names[#names + 1] = "global rewrite"
  elseif scoped then
    names[#names + 1] = "rewrite after routing"
  end
  if band(mask, M.ACCESS) ~= 0 then names[#names + 1] = "access" end
  if band(mask, M.REQUEST_BODY) ~= 0 then names[#names + 1] = "request_body" end
  if band(mask, M.RESPONSE) ~= 0 then names[#names + 1] = "response" end
  if band(mask, M.BODY) ~= 0 then names[#names + 1] = "body" end
  if band(mask, M.LOG) ~= 0 then names[#names + 1] = "log" end
  if band(mask, M.APART) ~= 0 then names[#names + 1] = "task" end
  return table.concat(names, ", ")
end

local function refuse(self, h, what, mask)
  if self[2] ~= h.serial then
    error(what .. ": this request is over (a plugin may not keep ctx)", 4)
  elseif h.phase == 0 and self[3].is_task then
    error(what .. ": this task is not running", 4)
  elseif h.phase == 0 then
    error(what .. ": no hook of this request is running", 4)
  end
  local here = h.phase == M.APART and "the function of a body" or M.names(h.phase)
  if h.phase == M.REWRITE_GLOBAL and band(mask, M.REWRITE) ~= 0 then here = "global rewrite" end
  if h.phase == M.REWRITE then
    here = band(mask, M.REWRITE_GLOBAL) ~= 0 and "rewrite after routing" or "rewrite"
  end
  error(("%s cannot be called in %s (only in: %s)"):format(what, here, M.names(mask)), 4)
end

--- The handle of a PDK table (see moongate.ctx), after the checks. Errors point at who called the PDK.
---@param self table
---@param what string  the function's full name
---@param mask integer  hooks it may be called in
function M.enter(self, what, mask)
  local h = type(self) == "table" and self[1]
  if not h then error(("%s is a method: call it with a colon"):format(what), 3) end
  if band(h.phase, mask) == 0 or self[2] ~= h.serial then refuse(self, h, what, mask) end
  return h
end

--- What a function does that comes with a later version. Misuse of who called the PDK function.
function M.later(what) error(what .. ": not in this version", 3) end

--- An argument that must be a string (numbers pass).
function M.text(value, what, name)
  local kind = type(value)
  if kind == "string" then return value end
  if kind == "number" then return tostring(value) end
  error(("%s: %s must be a string, not %s"):format(what, name, value == nil and "nil" or "a " .. kind), 3)
end

--- An optional whole number between two bounds.
function M.integer(value, what, name, min, max, default)
  if value == nil and default then return default end
  if type(value) ~= "number" or value % 1 ~= 0 or value < min or value > max then
    error(("%s: %s must be a whole number from %d to %d"):format(what, name, min, max), 3)
  end
  return value
end

local VERDICTS = {
  [1] = "%s: %q is not a header name",
  [2] = "%s: the value of %q has bytes that may not stand there (line ends, NUL, control bytes)",
  [3] = "%s: the core writes %q itself",
  [4] = "%s: there is no %q in the configuration",
  [5] = "%s: too many headers (%q)",
  [6] = "%s: %q cannot be a trailer: it would come too late",
}

--- Turns what a setter answered into an error of its caller's caller.
function M.verdict(code, what, name, level)
  if code ~= 0 then error(VERDICTS[code]:format(what, name), (level or 2) + 1) end
end

return M
