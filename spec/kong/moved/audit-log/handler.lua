-- Writes who did what, as one line of JSON for each request that changes something.
local cjson = require "moongate.json"

local concat = table.concat

local AuditLog = {
  priority = 12,
  version = "1.0.0",
}

local READS = { GET = true, HEAD = true, OPTIONS = true }

local function hide(message, names)
  for _, name in ipairs(names) do
    if message.request.headers[name] then
      message.request.headers[name] = "***"
    end
  end
end

function AuditLog.access(conf, ctx)
  local service = ctx.router:get_service()
  ctx.log:set_serialize_value("audit.service", service and service.name)
  ctx.log:set_serialize_value("audit.tags", concat(conf.tags, ","))
end

function AuditLog.log(conf, ctx)
  if READS[ctx.request:get_method()] and not conf.log_reads then
    return
  end

  local message = ctx.log:serialize()
  hide(message, conf.hidden_headers)
  message.audit.node = ctx.node:get_hostname()
  message.audit.bytes = message.response.size
  ctx.log:notice("audit ", cjson.encode(message))
end

return AuditLog
