-- Asks another service whether a request may pass.
local http = require "moongate.http"


local ExternalAuth = {
  priority = 960,
  version = "2.0.0",
}

local function forwarded_headers(ctx, conf)
  local headers = {}
  for _, name in ipairs(conf.forward_headers) do
    headers[name] = ctx.request:get_header(name)
  end
  headers["X-Forwarded-Method"] = ctx.request:get_method()
  headers["X-Forwarded-Path"] = ctx.request:get_path_with_query()
  headers["X-Forwarded-For"] = ctx.client:get_forwarded_ip()
  return headers
end

local function ask(ctx, conf)
  local client = http.new(ctx)
  client:set_timeouts(conf.connect_timeout, conf.send_timeout, conf.read_timeout)

  local res, err = client:request_uri(conf.url, {
    method = conf.method,
    headers = forwarded_headers(ctx, conf),
    ssl_verify = true,
  })
  if not res then
    ctx.log:err("the authorisation service does not answer: ", err)
    return nil, err
  end
  return res
end

function ExternalAuth.access(conf, ctx)
  local res, err = ask(ctx, conf)

  if not res then
    if conf.fail_open then
      ctx.service.request:set_header("X-Auth-Skipped", err)
      return
    end
    return ctx.response:exit(503, { message = "authorisation is not available" })
  end

  if res.status >= 400 then
    return ctx.response:exit(res.status, res.body, { ["Content-Type"] = res.headers["Content-Type"] })
  end

  for _, name in ipairs(conf.copy_headers) do
    local value = res.headers[name]
    if value then
      ctx.service.request:set_header(name, value)
    end
  end
end

return ExternalAuth
