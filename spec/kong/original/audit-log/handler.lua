-- Writes who did what, as one line of JSON for each request that changes something.
local cjson = require "cjson"

local kong = kong
local concat = table.concat

local AuditLog = {
  PRIORITY = 12,
  VERSION = "1.0.0",
}

local READS = { GET = true, HEAD = true, OPTIONS = true }

local function hide(message, names)
  for _, name in ipairs(names) do
    if message.request.headers[name] then
      message.request.headers[name] = "***"
    end
  end
end

function AuditLog:access(conf)
  local service = kong.router.get_service()
  kong.log.set_serialize_value("audit.service", service and service.name)
  kong.log.set_serialize_value("audit.tags", concat(conf.tags, ","))
end

function AuditLog:log(conf)
  if READS[kong.request.get_method()] and not conf.log_reads then
    return
  end

  local message = kong.log.serialize()
  hide(message, conf.hidden_headers)
  message.audit.node = kong.node.get_hostname()
  message.audit.bytes = message.response.size
  kong.log.notice("audit ", cjson.encode(message))
end

return AuditLog
