--- Refuses bodies that are too large: at once when their length is told, else as soon as they prove to be.
local M = { version = "1.0.0", priority = 951 }

local UNITS = { bytes = 1, kilobytes = 1024, megabytes = 1048576 }

function M.access(conf, ctx)
  local request = ctx.request
  if conf.require_content_length and not request:get_body_length() then
    return ctx.response:error(411, "a body needs a Content-Length here")
  end
  if not request:limit_body(conf.allowed_payload_size * UNITS[conf.size_unit]) then
    return ctx.response:error(
      413,
      ("the body is larger than %d %s"):format(conf.allowed_payload_size, conf.size_unit)
    )
  end
end

return M
