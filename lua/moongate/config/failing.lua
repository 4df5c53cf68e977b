--- The fields of services and routes that say what happens when services fail, or are slow.
local t = require("moongate.schema")
local breaker = require("moongate.config.breaker")
local capacity = require("moongate.config.capacity")
local retry = require("moongate.config.retry")

local M = {}

M.OF_SERVICE = {
  retries = t.integer {
    between = { 0, 32767 },
    default = 5,
    about = "How often a failed try is made again, where the request allows it.",
  },
  connect_timeout = t.timeout { default = 60000, about = "Until a connection is made." },
  write_timeout = t.timeout { default = 60000, about = "Between two writes to the service." },
  read_timeout = t.timeout {
    default = 60000,
    about = "Between two reads; rests while the request's body is still being sent.",
  },
  response_timeout = t.duration {
    unit = "ms",
    off = true,
    about = "From the last byte of the request to the head of the response. Where nothing is written 60s; in files "
      .. "with `_format_version` what `read_timeout` says, because that is what it bounds in Kong.",
  },
  event_stream_timeout = t.duration {
    unit = "ms",
    off = true,
    about = "How long a stream of server-sent events may be quiet; `read_timeout` where nothing is written.",
  },
  websocket_timeout = t.duration {
    unit = "ms",
    off = true,
    about = "How long a WebSocket may be silent both ways; `read_timeout` where nothing is written.",
  },
  grpc_idle_timeout = t.duration {
    unit = "ms",
    off = true,
    about = "How long a gRPC call may be silent both ways, also before its answer begins; `response_timeout` and "
      .. "`read_timeout` where nothing is written.",
  },
  retry = retry.of_service,
  hedge = retry.HEDGE,
  concurrency = capacity.of_service,
  deadline_header = retry.DEADLINE_HEADER,
  circuit_breaker = breaker.of_service,
}

M.OF_ROUTE = {
  retry = retry.of_route,
  circuit_breaker = breaker.of_route,
}

return M
