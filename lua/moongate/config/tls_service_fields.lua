--- What a service may say of TLS.
local t = require("moongate.schema")

local M = {}

--- Certificates between a server's and a trusted one, where nothing is written.
M.DEPTH = 16

--- The protocols of services that go over TLS.
M.PROTOCOLS = { https = true, grpcs = true }

--- A name or id, as Kong has it, or a certificate that stands here.
---@param about string
---@return table
function M.shown_certificate(about)
  local kind = t.any {
    by_reference = true,
    about = about,
    check = function(value)
      if type(value) == "table" and (value.cert ~= nil or value.key ~= nil) then return true end
      if type(value) == "table" then value = value.id or value.name end
      return type(value) == "string", "must be the id of a certificate, or { cert, key }"
    end,
  }
  kind.noun = { "a certificate", "certificates" }
  return kind
end

local function authority()
  local kind = t.any {
    by_reference = true,
    check = function(value)
      if type(value) == "table" then value = value.id or value.name end
      return type(value) == "string", "must be the name or id of a CA certificate"
    end,
  }
  kind.noun = { "a name or id", "names or ids" }
  return kind
end

--- The fields of a service.
M.FIELDS = {
  client_certificate_header = t.one_of {
    "client-cert",
    "x-forwarded-client-cert",
    about = "Tell it of the certificate that its client has shown, where that is good: in `Client-Cert` (RFC 9440, the "
      .. "certificate itself) or as Envoy does (fingerprint, subject, names). What clients send under these names is "
      .. "taken away in any case.",
  },
  tls_verify = t.boolean {
    about = "Over TLS: whether its certificate is verified: signed by somebody trusted, valid, for its name. `true` "
      .. "where nothing is written; in files with `_format_version` `false`.",
  },
  tls_verify_depth = t.integer {
    between = { 0, 64 },
    about = ("Certificates that may stand between its own and a trusted one; %d where nothing is written."):format(
      M.DEPTH
    ),
  },
  ca_certificates = t.array {
    authority(),
    about = "Who is trusted: entries of `ca_certificates` at the top; where nothing is written whom the system trusts.",
  },
  client_certificate = M.shown_certificate(
    "What is shown to a server that asks for a certificate: one of `certificates`, by its id, or `{ cert, key }` as "
      .. "there."
  ),
  tls_server_name = t.host {
    about = "The name that it is asked for (SNI) and that its certificate must have, instead of what it is called: "
      .. "`host_header` of its upstream, else the target's own, else `host`.",
  },
}

return M
