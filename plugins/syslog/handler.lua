--- Writes a message a request into the syslog of this machine; its severity comes from the answer's status.
local sink = require("moongate.sink")

local M = { version = "1.0.0", priority = 4 }

local RANKS = { emerg = 0, alert = 1, crit = 2, err = 3, warning = 4, notice = 5, info = 6, debug = 7 }

local sinks = {} -- by configuration

function M.init(configs)
  for _, conf in ipairs(configs) do
    sinks[conf] = sink.syslog { facility = conf.facility, path = conf.socket }
  end
end

local function severity_of(conf, status)
  if status >= 500 then return conf.server_errors_severity end
  return status >= 400 and conf.client_errors_severity or conf.successful_severity
end

function M.log(conf, ctx)
  local severity = severity_of(conf, ctx.response:get_status() or 0)
  if RANKS[severity] <= RANKS[conf.log_level] then sinks[conf]:send(ctx.log:serialize(), severity) end
end

return M
