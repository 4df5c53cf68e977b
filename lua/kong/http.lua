--- lua-resty-http for plugins that were written for Kong: request_uri() over ctx:fetch, for the request that runs.
local here = require("kong.here")
local client = require("moongate.http")

local M = {}

local function refuse(name)
  return function() error(("not in this version: resty.http's %s (request_uri is)"):format(name), 2) end
end

--- The module of one plugin: nothing in it is another's.
---@return { new: fun(): table }
function M.module()
  -- moongate.http keeps its ctx; here it is the one that runs when something is asked.
  local asking = {
    fetch = function(_, request)
      local ctx = here.ctx
      if not ctx then error("resty.http: no request runs here", 3) end
      if type(request.body) == "function" then error("not in this version: resty.http's body as a function", 3) end
      return here.waiting(ctx, ctx.fetch, request)
    end,
  }
  local methods = {}
  for name, method in pairs(getmetatable(client.new(asking)).__index) do
    if type(method) == "function" then methods[name] = method end
  end
  for _, name in ipairs { "connect", "request", "request_pipeline", "ssl_handshake", "proxy_request" } do
    methods[name] = refuse(name)
  end
  local meta = { __index = methods, __metatable = false }
  return { new = function() return setmetatable({ ctx = asking }, meta) end }
end

return M
