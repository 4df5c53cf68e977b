--- Lets requests pass, or not, by the address of the client.
local ip = require("moongate.ip")

local M = { version = "1.0.0", priority = 990 }

-- [conf] = { allow, deny }: sets, made once.
local sets = {}

local function set_of(networks) return networks and networks[1] and assert(ip.set(networks)) or nil end

function M.init(configs)
  for _, conf in ipairs(configs) do
    sets[conf] = { allow = set_of(conf.allow), deny = set_of(conf.deny) }
  end
end

function M.access(conf, ctx)
  local address, set = ctx.client:get_forwarded_ip(), sets[conf]
  local allow, deny = set.allow, set.deny
  if (deny and deny:has(address) ~= false) or (allow and not allow:has(address)) then
    return ctx.response:error(conf.status or 403, conf.message or "your address is not allowed here")
  end
end

return M
