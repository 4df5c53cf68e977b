--- Sends one line of JSON a request to a TCP receiver.
local sink = require("moongate.sink")

local M = { version = "1.0.0", priority = 7 }

local sinks = {} -- by configuration

function M.init(configs)
  for _, conf in ipairs(configs) do
    sinks[conf] = sink.tcp {
      host = conf.host,
      port = conf.port,
      timeout = conf.timeout / 1000,
      keepalive = conf.keepalive / 1000,
    }
  end
end

function M.log(conf, ctx) sinks[conf]:send(ctx.log:serialize()) end

return M
