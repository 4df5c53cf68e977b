-- Gives every request an id that service, client and log know.
local RequestId = {
  priority = 100000,
  version = "1.0.2",
}

local function valid(id)
  return #id <= 64 and id:find("^[%w%-_.]+$") ~= nil
end

function RequestId.rewrite(conf, ctx)
  local id = conf.trust_client and ctx.request:get_header(conf.header)
  if not id or not valid(id) then
    id = ctx.request:get_id()
  end
  ctx.shared.request_id = id
  ctx.service.request:set_header(conf.header, id)
end

function RequestId.response(conf, ctx)
  if conf.echo then
    ctx.response:set_header(conf.header, ctx.shared.request_id)
  end
end

function RequestId.log(conf, ctx)
  ctx.log:set_serialize_value("request.request_id", ctx.shared.request_id)
end

return RequestId
