--- TLS of listeners: which certificates they show by which name, and what they ask of clients.
local certificates = require("moongate.config.certificates")
local pem = require("moongate.config.pem")
local report = require("moongate.config.report")
local t = require("moongate.schema")

local M = {}

local function record()
  local fields = certificates.fields()
  fields.cert = certificates.pem(
    "PEM, or a file: the certificate for all other names; without it the first of `certificates`."
  )
  fields.key = certificates.secret("The key of `cert`.")
  fields.min_version =
    t.one_of { "1.2", "1.3", default = "1.2", about = "The oldest version of TLS that is spoken." }
  fields.strict_sni = t.boolean {
    default = false,
    about = "Refuse clients that ask for no name, or for one that no certificate has.",
  }
  fields.handshake_timeout = t.duration { unit = "ms", default = "10s", off = true, about = "For the handshake." }
  fields.client_certificate = t.one_of {
    "none",
    "optional",
    "required",
    default = "none",
    about = "Whether clients must show a certificate. `optional`: one that is shown must be good.",
  }
  fields.client_ca = certificates.pem("PEM, or a file: who must have signed it.")
  fields.client_depth = t.integer {
    between = { 0, 16 },
    default = 3,
    about = "Certificates that may stand between the client's and that one.",
  }
  fields.crl = certificates.pem("PEM, or a file: revoked client certificates.")
  local kind = t.record(fields, { default = t.none })
  return kind
end

M.of_listener = record()

-- Those that services see and that have no name are not for clients.
local function is_for_clients(item) return not (item.shown_to_services and item.made and #item.made.names == 0) end

local function any_for_clients(state)
  for _, item in ipairs(state.items.certificates) do
    if is_for_clients(item) then return true end
  end
  return false
end

-- Every certificate for clients, the one for all other names first.
local function shared_certificates(state)
  local list = {}
  for _, item in ipairs(state.items.certificates) do
    if item.made and is_for_clients(item) then
      list[#list + 1], item.made.order = item.made, #list + 1
    end
  end
  table.sort(list, function(a, b)
    local a_rest, b_rest = false, false
    for _, name in ipairs(a.names) do
      a_rest = a_rest or name == "*"
    end
    for _, name in ipairs(b.names) do
      b_rest = b_rest or name == "*"
    end
    if a_rest ~= b_rest then return a_rest end
    return a.order < b.order
  end)
  return list
end

local function clients(state, config, tls, path)
  local asked = tls.client_certificate ~= "none"
  if asked and not tls.client_ca then
    report.error(state.report, path, "client_certificate needs client_ca: whose signature counts")
  elseif not asked and (tls.client_ca or tls.crl) then
    report.error(
      state.report,
      report.join(path, tls.client_ca and "client_ca" or "crl"),
      "has no effect without client_certificate: optional or required"
    )
  end
  if not asked then return nil end
  local ca = pem.text(state, config, tls.client_ca, report.join(path, "client_ca"))
  local crl = pem.text(state, config, tls.crl, report.join(path, "crl"))
  if ca then pem.check(state, report.join(path, "client_ca"), "gw_tls_check_ca", ca, #ca) end
  if crl then pem.check(state, report.join(path, "crl"), "gw_tls_check_crl", crl, #crl) end
  return ca, crl
end

local function listener(state, config, tls, path, shared)
  local own = (tls.cert or tls.key or tls.cert_alt or tls.key_alt) and certificates.make(state, config, tls, path)
  local made = {
    min_version = tls.min_version,
    strict_sni = tls.strict_sni,
    handshake_timeout = tls.handshake_timeout,
    client_certificate = tls.client_certificate,
    client_depth = tls.client_depth,
    certificates = {},
  }
  if tls.ocsp and not tls.cert then
    report.error(state.report, report.join(path, "ocsp"), "stands beside a cert")
  end
  made.client_ca, made.crl = clients(state, config, tls, path)
  if own then
    own.id, own.label = "of the listener", "the listener's certificate"
    made.certificates[1] = own
  end
  for _, one in ipairs(shared) do
    made.certificates[#made.certificates + 1] = one
  end
  if #made.certificates == 0 and not any_for_clients(state) and not tls.cert then
    report.warn(state.report, path, "shows a certificate that was made for development: nobody can verify it")
  end
  return made
end

--- Settles the TLS of every listener.
---@param state table   from collect.lua
---@param config table  the normal form so far
function M.run(state, config)
  local shared = shared_certificates(state)
  for i, entry in ipairs(config.listeners) do
    if entry.tls and entry.tls.min_version then
      entry.tls = listener(state, config, entry.tls, { "listeners", i - 1, "tls" }, shared)
    end
  end
end

return M
