--- What plugins can reach: the parts of ctx, and the modules to require. A new file in lua/moongate/ is named here
--- either way, so that nothing is left undocumented by accident.
local M = {}

--- The parts of ctx, in the order of the documentation: what they are called, and the file that says what they can.
M.CTX = {
  { name = "ctx", class = "moongate.Ctx", file = "ctx", about = "The request, and what to do with it." },
  { name = "ctx.request", class = "moongate.Request", file = "pdk/request" },
  { name = "ctx.response", class = "moongate.Response", file = "pdk/response" },
  { name = "ctx.service", class = "moongate.Service", file = "pdk/service" },
  { name = "ctx.service.request", class = "moongate.ServiceRequest", file = "pdk/service_request" },
  { name = "ctx.service.response", class = "moongate.ServiceResponse", file = "pdk/service_response" },
  { name = "ctx.client", class = "moongate.Client", file = "pdk/client" },
  { name = "ctx.client.tls", class = "moongate.ClientTls", file = "pdk/client_tls" },
  { name = "ctx.router", class = "moongate.Router", file = "pdk/router" },
  { name = "ctx.log", class = "moongate.Log", file = "pdk/log" },
  { name = "ctx.node", class = "moongate.Node", file = "pdk/node" },
  { name = "ctx.ip", class = "moongate.Ip", file = "pdk/ip" },
}

--- What ctx has beside functions.
M.CTX_FIELDS = {
  { "plugin", "table", "Yours: a table of this request and this plugin, the same one in every hook." },
  { "shared", "table", "Everybody's: a table of this request that all plugins see." },
}

--- Modules for `require`, in the order of the documentation.
M.PUBLIC = {
  "auth",
  "json",
  "time",
  "uuid",
  "crypto",
  "ip",
  "regex",
  "expression",
  "problem",
  "metrics",
  "shared",
  "limit",
  "breaker",
  "health",
  "task",
  "sink",
  "redis",
  "table",
  "inspect",
  "version",
  "http",
}

--- The harness, and what its objects are called in the documentation.
M.SPEC = { "spec/init", "spec/gateway", "spec/clock", "spec/log", "spec/client", "spec/upstream" }
M.SPEC_CALLED = {
  { "Gateway", "gw" },
  { "Clock", "gw.clock" },
  { "Log", "gw.log" },
  { "Handle", "request" },
  { "Connection", "conn" },
  { "Upstream", "gw.upstream" },
  { "Up", "up" },
}
M.SPEC_INTERNAL = { ["Gateway:fail"] = true, ["Gateway:alarm"] = true, ["Gateway:drive"] = true }

--- Methods that are made in a loop: request() with the method in its name.
M.SPEC_METHODS = { "get", "post", "put", "patch", "delete", "head", "options" }

--- The rest: nothing a plugin needs to know.
M.INTERNAL = {
  "args",
  "audit",
  "catching",
  "cdef",
  "cli",
  "config",
  "coroutines",
  "ctx",
  "declaring",
  "docs",
  "entities",
  "facade",
  "fetch",
  "fetch_request",
  "finalisers",
  "functions",
  "functions_schema",
  "guards",
  "hearing",
  "kong",
  "limit",
  "limit_headers",
  "load",
  "loader",
  "multipart",
  "new",
  "outside",
  "pdk",
  "phases",
  "pipe",
  "plan",
  "race",
  "sandbox",
  "schema",
  "sink_url",
  "spec",
  "strings",
  "types",
  "views",
  "when",
}

return M
