--- Sends one datagram with a line of JSON a request to a UDP receiver.
local sink = require("moongate.sink")

local M = { version = "1.0.0", priority = 8 }

local sinks = {} -- by configuration

function M.init(configs)
  for _, conf in ipairs(configs) do
    sinks[conf] = sink.udp { host = conf.host, port = conf.port }
  end
end

function M.log(conf, ctx) sinks[conf]:send(ctx.log:serialize()) end

return M
