--- `certificates` with their `snis`, and `ca_certificates`: read and checked once, for everything that shows them or
--- trusts them. What is made of an entity is kept in its item as `made`; who refers to one finds it with
--- collect.resolve() and reads that (nil: it was bad, and the report says so).
---
---     of certificates      { id, label, cert, key, cert_alt, key_alt, ocsp, names = { … } }
---     of ca_certificates   { id, name, cert }
local pem = require("moongate.config.pem")
local report = require("moongate.config.report")
local t = require("moongate.schema")
local types = require("moongate.schema.types")

local M = {}

--- A type for the names that clients ask for.
---@param attributes table
---@return table
function M.server_name(attributes)
  local kind = t.string(attributes)
  kind.noun = { "a server name", "server names" }
  kind.parse = function(text)
    local name = text:lower():gsub("%.$", "")
    if name == "*" then return name end
    local host = name:match("^%*%.(.+)$") or name
    if host:find(":", 1, true) or not types.SCALARS.host.parse(host) then
      return nil, "must be a host name, *.example.com or *"
    end
    return name
  end
  return kind
end

--- The type of a text that is no secret.
---@param about string
---@return table
function M.pem(about) return t.string { len_min = 1, about = about } end

--- The type of a key.
---@param about string
---@return table
function M.secret(about) return t.string { len_min = 1, secret = true, about = about } end

--- The fields of a certificate; `snis` is what stands in it.
---@param snis? table
---@return table
function M.fields(snis)
  return {
    cert = t.string { required = true, len_min = 1, about = "PEM, or a file: the certificate, then who signed it." },
    key = t.string {
      required = true,
      len_min = 1,
      secret = true,
      about = "Its key: PEM, or a file; without a passphrase.",
    },
    cert_alt = M.pem("Another one with a key of another kind: RSA beside ECDSA."),
    key_alt = M.secret("The key of `cert_alt`."),
    ocsp = M.pem("A file with an OCSP response in DER form, which clients that ask get with the certificate."),
    snis = snis,
    name = snis and t.name { about = "How others call it, beside its id." } or nil,
    passphrase = snis and t.any { later = "Every connection" } or nil,
  }
end

--- The fields of a CA certificate.
---@return table
function M.ca_fields()
  return {
    name = t.name { about = "How others call it, beside its id." },
    cert = t.string {
      required = true,
      len_min = 1,
      about = "PEM, or a file: one certificate or several, whose signatures count.",
    },
    cert_digest = t.string {
      match = "^%x+$",
      about = "Kong's: the SHA-256 of the certificate in hexadecimal; must be right where it is written.",
    },
  }
end

-- Certificate and key under these two fields, checked.
local function pair(state, config, value, path, cert_field, key_field, name)
  local cert_path, key_path = report.join(path, cert_field), report.join(path, key_field)
  if (value[cert_field] == nil) ~= (value[key_field] == nil) then
    local there, missing = cert_field, key_field
    if value[cert_field] == nil then
      there, missing = key_field, cert_field
    end
    report.error(state.report, path, ("%s needs %s beside it"):format(there, missing))
    return nil
  end
  local cert = pem.text(state, config, value[cert_field], cert_path)
  local key = pem.text(state, config, value[key_field], key_path)
  if not cert or not key then return nil end
  local good = pem.check(state, cert_path, "gw_tls_check_chain", cert, #cert)
  good = pem.check(state, key_path, "gw_tls_check_key", key, #key) and good
  good = good and pem.check(state, key_path, "gw_tls_check_pair", cert, #cert, key, #key)
  if not good then return nil end
  pem.warn_of_time(state, cert_path, cert, name)
  return cert, key
end

--- Certificate and key of an entity or of a listener.
---@param state table
---@param config table
---@param value table
---@param path (string|integer)[]
---@param name? string  what /metrics calls it
---@return table? made
function M.make(state, config, value, path, name)
  local cert, key = pair(state, config, value, path, "cert", "key", name)
  local cert_alt, key_alt = pair(state, config, value, path, "cert_alt", "key_alt", name and name .. " alt")
  if cert_alt and not cert then
    if value.cert == nil then report.error(state.report, path, "cert_alt stands beside a cert") end
  elseif cert_alt and pem.same_kind(cert, cert_alt) then
    report.error(state.report, report.join(path, "cert_alt"), "has a key of the same kind as cert")
  end
  local ocsp = pem.text(state, config, value.ocsp, report.join(path, "ocsp"), true)
  if ocsp then pem.check(state, report.join(path, "ocsp"), "gw_tls_check_ocsp", ocsp, #ocsp) end
  if not cert then return nil end
  return { cert = cert, key = key, cert_alt = cert_alt, key_alt = key_alt, ocsp = ocsp, names = {} }
end

local function make_authority(state, config, item)
  local path = report.join(item.path, "cert")
  local cert = pem.text(state, config, item.value.cert, path)
  if not cert or not pem.check(state, path, "gw_tls_check_ca", cert, #cert) then return nil end
  local digest = item.value.cert_digest
  if digest then
    local digest_path = report.join(item.path, "cert_digest")
    if not pem.check(state, digest_path, "gw_tls_check_digest", cert, #cert, digest, #digest) then return nil end
  end
  pem.warn_of_time(state, path, cert, item.name or item.id)
  return { id = item.id, name = item.name, cert = cert }
end

--- Makes every certificate, with its names, and every CA certificate; before anything refers to them.
---@param state table   from collect.lua
---@param config table  the normal form so far
function M.run(state, config)
  state.folders, state.expiries = {}, {}
  for _, item in ipairs(state.items.certificates) do
    local made = item.good and M.make(state, config, item.value, item.path, item.name or item.id) or nil
    if made then
      made.id, made.label = item.id, "certificate " .. item.id
    end
    item.made = made
  end
  for _, item in ipairs(state.items.ca_certificates) do
    item.made = item.good and make_authority(state, config, item) or nil
  end
  for _, item in ipairs(state.items.snis) do
    local owner = item.parents.certificate
    if not owner then
      if item.good and not item.dangling then report.error(state.report, item.path, "needs a certificate") end
    elseif item.good and owner.made then
      local names = owner.made.names
      names[#names + 1] = item.value.name
    end
  end
end

return M
