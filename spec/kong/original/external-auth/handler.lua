-- Asks another service whether a request may pass.
local http = require "resty.http"

local kong = kong

local ExternalAuth = {
  PRIORITY = 960,
  VERSION = "2.0.0",
}

local function forwarded_headers(conf)
  local headers = {}
  for _, name in ipairs(conf.forward_headers) do
    headers[name] = kong.request.get_header(name)
  end
  headers["X-Forwarded-Method"] = kong.request.get_method()
  headers["X-Forwarded-Path"] = kong.request.get_path_with_query()
  headers["X-Forwarded-For"] = kong.client.get_forwarded_ip()
  return headers
end

local function ask(conf)
  local client = http.new()
  client:set_timeouts(conf.connect_timeout, conf.send_timeout, conf.read_timeout)

  local res, err = client:request_uri(conf.url, {
    method = conf.method,
    headers = forwarded_headers(conf),
    ssl_verify = true,
  })
  if not res then
    kong.log.err("the authorisation service does not answer: ", err)
    return nil, err
  end
  return res
end

function ExternalAuth:access(conf)
  local res, err = ask(conf)

  if not res then
    if conf.fail_open then
      kong.service.request.set_header("X-Auth-Skipped", err)
      return
    end
    return kong.response.exit(503, { message = "authorisation is not available" })
  end

  if res.status >= 400 then
    return kong.response.exit(res.status, res.body, { ["Content-Type"] = res.headers["Content-Type"] })
  end

  for _, name in ipairs(conf.copy_headers) do
    local value = res.headers[name]
    if value then
      kong.service.request.set_header(name, value)
    end
  end
end

return ExternalAuth
