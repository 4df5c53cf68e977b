--- TLS on both sides within one process: a server with a certificate of its own, and services that trust it.
---
---     local tls = require("support.tls").new()       it is "localhost", and 127.0.0.1
---     tls:accept(conn)                               speaks as the server; before it is bound
---     tls:trust(build, service)                      the service is spoken to over TLS, verified
---     tls:free()
local ffi = require("ffi")
local c = require("support.c")

local M = {}
M.__index = M

local why = ffi.new("char[512]")

---@param options? table  http2, tls13_only
function M.new(options)
  local own = c.gw_tls_self_new()
  local tls = setmetatable({ tickets = c.gw_tls_tickets_new() }, M)
  local identity = ffi.new("struct gw_tls_identity[1]")
  identity[0] = c.gw_tls_self_identity(own)
  tls.pem = c.str(identity[0].pairs[0].cert)
  local made = ffi.new("struct gw_tls_server_options")
  made.identities, made.identity_count, made.tickets = identity, 1, tls.tickets
  for name, value in pairs(options or {}) do
    made[name] = value
  end
  tls.server = c.gw_tls_server_new(made, why, 512)
  assert(tls.server ~= nil, ffi.string(why))
  c.gw_tls_self_free(own)
  return tls
end

function M:accept(conn) c.gw_conn_start_tls(conn, c.gw_tls_server_accept(self.server), c.slice("")) end

---@param over? table  of struct gw_service_tls_config; texts as strings
function M:trust(build, service, over)
  local config = c.gw_build_service_tls(build, service)
  config.verify, config.depth = true, 16
  for name, value in pairs(over or {}) do
    if type(value) == "string" then
      config[name].ptr, config[name].len = c.gw_build_text(build, value, #value), #value
    else
      config[name] = value
    end
  end
  for name, value in pairs { ca = self.pem, name = "localhost" } do
    if config[name].len == 0 then
      config[name].ptr, config[name].len = c.gw_build_text(build, value, #value), #value
    end
  end
end

--- Makes what the services of a configuration need.
function M.bind(config) assert(c.gw_tls_services_bind(config, why, 512), ffi.string(why)) end

function M:free()
  c.gw_tls_server_unref(self.server)
  c.gw_tls_tickets_free(self.tickets)
end

return M
