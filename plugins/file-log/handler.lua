--- Writes one line of JSON a request into a file.
local sink = require("moongate.sink")

local M = { version = "1.0.0", priority = 9 }

local sinks = {} -- by configuration

function M.init(configs)
  for _, conf in ipairs(configs) do
    sinks[conf] = sink.file { path = conf.path, reopen = conf.reopen }
  end
end

function M.log(conf, ctx) sinks[conf]:send(ctx.log:serialize()) end

return M
