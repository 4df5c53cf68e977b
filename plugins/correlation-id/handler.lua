--- Names the header that carries a request's correlation id, hands it to the service and back to the client.
local uuid = require("moongate.uuid")

local M = { version = "1.0.0", priority = 100001 }

local MAX_LENGTH = 128

--- An id from outside goes into logs and headers: visible ASCII without quotes, of bounded length.
local function is_sound(id) return id ~= nil and #id <= MAX_LENGTH and id:find("^[%w%-%._~#+/=:@]+$") ~= nil end

-- One prefix a Lua state, a number a request: unique, short to compare, and in order.
local prefix, counter = nil, 0

local make = {
  ["uuid#counter"] = function()
    prefix = prefix or uuid.v4()
    counter = counter + 1
    return prefix .. "#" .. counter
  end,
  tracker = function(ctx) return ("%s-%d-%s"):format(ctx.client:get_ip(), ctx.client:get_port(), uuid.v7()) end,
}

function M.access(conf, ctx)
  local request = ctx.request
  local given = request:get_header(conf.header_name)
  local accepted = conf.accept == "always" or (conf.accept == "trusted" and ctx.client:is_trusted())
  if accepted and is_sound(given) then
    request:set_id(given)
  elseif make[conf.generator] then
    request:set_id(make[conf.generator](ctx))
  end
  ctx.service.request:set_header(conf.header_name, request:get_id())
end

function M.response(conf, ctx)
  if conf.echo_downstream then ctx.response:set_header(conf.header_name, ctx.request:get_id()) end
end

return M
