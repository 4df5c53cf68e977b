-- Gives every request an id that service, client and log know.
local RequestId = {
  PRIORITY = 100000,
  VERSION = "1.0.2",
}

local function valid(id)
  return #id <= 64 and id:find("^[%w%-_.]+$") ~= nil
end

function RequestId:rewrite(conf)
  local id = conf.trust_client and kong.request.get_header(conf.header)
  if not id or not valid(id) then
    id = kong.request.get_id()
  end
  kong.ctx.shared.request_id = id
  kong.service.request.set_header(conf.header, id)
end

function RequestId:header_filter(conf)
  if conf.echo then
    kong.response.set_header(conf.header, kong.ctx.shared.request_id)
  end
end

function RequestId:log(conf)
  kong.log.set_serialize_value("request.request_id", kong.ctx.shared.request_id)
end

return RequestId
