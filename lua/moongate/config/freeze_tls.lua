--- Freezes what the normal form says of TLS; a part of freeze.lua.
local native = require("moongate.config.native")

local C = native.available and require("moongate.cdef") or nil

local M = {}

local function put_texts(build, struct, values)
  for field, text in pairs(values) do
    struct[field].ptr, struct[field].len = C.gw_build_text(build, text, #text), #text
  end
end

local CLIENT_MODES = { none = 0, requested = 1, optional = 2, required = 3 } -- enum gw_tls_client_mode

local function put_names(build, target, names)
  for i, name in ipairs(names) do
    target[i - 1].ptr, target[i - 1].len = C.gw_build_text(build, name, #name), #name
  end
end

local function put_clients(build, target, clients)
  target.mode, target.depth = CLIENT_MODES[clients.mode], clients.depth
  put_texts(build, target, { ca = clients.ca, crl = clients.crl })
end

--- TLS of a listener.
---@param build userdata
---@param index integer  from 0
---@param tls table
function M.listener(build, index, tls)
  local target = C.gw_build_tls(build, index)
  target.tls13_only, target.strict = tls.min_version == "1.3", tls.strict_sni
  target.handshake_timeout_us = tls.handshake_timeout * 1000
  local clients = C.gw_build_listener_clients(build, index, #tls.clients)
  for i, one in ipairs(tls.clients) do
    put_clients(build, clients[i - 1], one)
    put_names(build, C.gw_build_clients_names(build, clients + (i - 1), #one.names), one.names)
  end
  if #tls.certificates == 0 then return end
  local certificates = C.gw_build_certificates(build, index, #tls.certificates)
  for i, certificate in ipairs(tls.certificates) do
    put_texts(build, certificates + (i - 1), {
      label = certificate.label,
      cert = certificate.cert,
      key = certificate.key,
      cert_alt = certificate.cert_alt,
      key_alt = certificate.key_alt,
      ocsp = certificate.ocsp,
    })
    local names = C.gw_build_certificate_names(build, certificates + (i - 1), #certificate.names)
    put_names(build, names, certificate.names)
  end
end

--- What a route asks of its clients.
---@param build userdata
---@param index integer  from 0
---@param clients? table
function M.route(build, index, clients)
  if clients and clients.mode ~= "none" then
    put_clients(build, C.gw_build_route_clients(build, index), clients)
  end
end

--- TLS to a service.
---@param build userdata
---@param target userdata
---@param tls table
function M.service(build, target, tls)
  local config = C.gw_build_service_tls(build, target)
  config.verify, config.depth = tls.verify, tls.depth
  put_texts(build, config, { ca = tls.ca, cert = tls.cert, key = tls.key, name = tls.name })
end

--- When certificates and lists end.
---@param build userdata
---@param expiries table[]
function M.expiries(build, expiries)
  local target = C.gw_build_expiries(build, #expiries)
  for i, expiry in ipairs(expiries) do
    put_texts(build, target + (i - 1), { kind = expiry.kind, name = expiry.name })
    target[i - 1].at = expiry.at
  end
end

return M
