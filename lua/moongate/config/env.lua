--- `${NAME}` and `${NAME:-default}` in strings, from the environment. `$${` stands for a plain
--- `${`.
--- It happens after parsing, so what a variable holds can never become structure.
local words = require("moongate.schema.words")

local M = {}

---@param text string
---@param lookup fun(name: string): string?
---@return string? text
---@return string? problem
function M.expand(text, lookup)
  if text:find("^{vault://.*}$") then
    return nil,
      "references to vaults are known, not in this version (write ${NAME} to take it from the environment)"
  elseif not text:find("${", 1, true) then
    return text
  end
  local out, at, problem = {}, 1, nil
  while true do
    local from = text:find("${", at, true)
    if not from then
      out[#out + 1] = text:sub(at)
      break
    elseif text:sub(from - 1, from - 1) == "$" and from > at then
      out[#out + 1] = text:sub(at, from - 2) .. "${"
      at = from + 2
    else
      local close = text:find("}", from, true)
      local inner = close and text:sub(from + 2, close - 1) or ""
      local name, default = inner:match("^([%a_][%w_]*)(.*)$")
      if not name or (default ~= "" and default:sub(1, 2) ~= ":-") then
        return nil,
          ("%s is not ${NAME} or ${NAME:-default} (write $${ for a plain ${)"):format(
            words.quote(text:sub(from, close or -1))
          )
      end
      local value = lookup(name)
      if default ~= "" and (value == nil or value == "") then
        value = default:sub(3)
      elseif value == nil then
        problem = problem or ("the environment has no %s (write ${%s:-default} to give one)"):format(name, name)
      end
      out[#out + 1] = text:sub(at, from - 1) .. (value or "")
      at = close + 1
    end
  end
  if problem then return nil, problem end
  return table.concat(out)
end

return M
