--- What a problem (RFC 9457) says beside its status and detail, checked and written as JSON once: for answers that are
--- given often, such as refusals.
---
---     local too_often
---
---     function M.init()
---       too_often = problem.new { type = "https://example.com/too-often", title = "Too often", limits = { "minute" } }
---     end
---
---     function M.access(conf, ctx)
---       return ctx.response:error(429, "later, please", nil, too_often)
---     end
local json = require("moongate.json")

local M = {}

-- What the gateway writes itself.
local OWN = { status = true, detail = true, instance = true, correlationId = true }
local TEXTS = { type = true, title = true, reason = true }

---@class moongate.problem.Problem
local Problem = {}

--- Makes one of its members.
---@phase any
---@param members table<string, any>  `type`, `title` and `reason` of the problem, and members of your own
---@return moongate.problem.Problem? problem
---@return string? reason  why there can be none
function M.new(members)
  if type(members) ~= "table" then error("problem.new: members must be a table", 2) end
  local more = {}
  for name, value in pairs(members) do
    if type(name) ~= "string" or OWN[name] then
      return nil, ("the members must not hold %q"):format(tostring(name))
    elseif not TEXTS[name] then
      more[name] = value
    elseif type(value) ~= "string" then
      return nil, ("the member %q must be a string"):format(name)
    end
  end
  local text = ""
  if next(more) ~= nil then
    local reason
    text, reason = json.encode(more)
    if not text then return nil, "the members cannot be JSON: " .. reason end
    text = "," .. text:sub(2, -2)
  end
  local made =
    { type = members.type or "", title = members.title or "", reason = members.reason or "", more = text }
  return setmetatable(made, Problem)
end

--- Whether new() made it.
---@phase any
---@param value any
---@return boolean
function M.is(value) return getmetatable(value) == Problem end

return M
