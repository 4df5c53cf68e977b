--- Posts what happened to each request as JSON to an HTTP endpoint.
local sink = require("moongate.sink")

local M = { version = "1.0.0", priority = 12 }

local sinks = {} -- by configuration

function M.init(configs)
  for _, conf in ipairs(configs) do
    sinks[conf] = sink.http {
      url = conf.http_endpoint,
      method = conf.method,
      content_type = conf.content_type,
      headers = conf.headers,
      timeout = conf.timeout / 1000,
      keepalive = conf.keepalive / 1000,
      queue = conf.queue,
    }
  end
end

function M.log(conf, ctx) sinks[conf]:send(ctx.log:serialize()) end

return M
