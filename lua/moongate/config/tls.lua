--- TLS of listeners: certificates with their names, and what is asked of clients. Texts may stand in the file, as
--- Kong has them, or in files of their own: what does not begin as PEM does is a path.
local ffi = require("ffi")
local files = require("moongate.config.files")
local native = require("moongate.config.native")
local report = require("moongate.config.report")
local t = require("moongate.schema")
local types = require("moongate.schema.types")
local words = require("moongate.schema.words")

local C = native.available and require("moongate.cdef") or nil

local M = {}

local SOON_SECONDS = 14 * 24 * 3600

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

local function pem(about) return t.string { len_min = 1, about = about } end

local function secret(about) return t.string { len_min = 1, secret = true, about = about } end

--- The fields of a certificate; `snis` is what stands in it.
---@param snis? table
---@return table
function M.certificate(snis)
  return {
    cert = t.string { required = true, len_min = 1, about = "PEM, or a file: the certificate, then who signed it." },
    key = t.string {
      required = true,
      len_min = 1,
      secret = true,
      about = "Its key: PEM, or a file; without a passphrase.",
    },
    cert_alt = pem("Another one with a key of another kind: RSA beside ECDSA."),
    key_alt = secret("The key of `cert_alt`."),
    ocsp = pem("A file with an OCSP response in DER form, which clients that ask get with the certificate."),
    snis = snis,
    passphrase = snis and t.any { later = "Every connection" } or nil,
  }
end

local function record()
  local fields = M.certificate()
  fields.cert = pem("PEM, or a file: the certificate for all other names; without it the first of `certificates`.")
  fields.key = secret("The key of `cert`.")
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
  fields.client_ca = pem("PEM, or a file: who must have signed it.")
  fields.client_depth = t.integer {
    between = { 0, 16 },
    default = 3,
    about = "Certificates that may stand between the client's and that one.",
  }
  fields.crl = pem("PEM, or a file: revoked client certificates.")
  local kind = t.record(fields, { default = t.none })
  return kind
end

M.of_listener = record()

-- The text itself, or what is in the file; notes the file's folder.
local function text_of(state, config, value, path, binary)
  if value == nil or (not binary and value:find("^%s*%-%-%-%-%-BEGIN")) then return value end
  if value:find("[\n%z]") then
    report.error(state.report, path, "is neither PEM (-----BEGIN …) nor a path")
    return nil
  end
  local place = value:sub(1, 1) == "/" and value or config.folder .. "/" .. value
  local text, reason = files.read(place)
  if not text then
    report.error(
      state.report,
      path,
      ("%s cannot be read: %s"):format(words.quote(value), tostring(reason):gsub("^.-: ", ""))
    )
    return nil
  end
  state.folders[files.folder(place)] = true
  return text
end

local function check(state, path, ...)
  if not C then return true end
  local why = C[select(1, ...)](select(2, ...))
  if why == nil then return true end
  report.error(state.report, path, ffi.string(why))
  return false
end

local function warn_of_time(state, path, cert)
  if not C then return end
  local validity = ffi.new("struct gw_tls_validity")
  C.gw_tls_validity(cert, #cert, validity)
  local now, from, till = os.time(), tonumber(validity.from), tonumber(validity["until"])
  local function day(at) return os.date("!%Y-%m-%d %H:%M UTC", at) end
  if till < now then
    report.warn(state.report, path, ("the certificate expired on %s"):format(day(till)))
  elseif from > now then
    report.warn(state.report, path, ("the certificate is not valid before %s"):format(day(from)))
  elseif till < now + SOON_SECONDS then
    report.warn(state.report, path, ("the certificate expires on %s"):format(day(till)))
  end
end

-- Certificate and key under these two fields, checked.
local function pair(state, config, value, path, cert_field, key_field)
  local cert_path, key_path = report.join(path, cert_field), report.join(path, key_field)
  if (value[cert_field] == nil) ~= (value[key_field] == nil) then
    local there, missing = cert_field, key_field
    if value[cert_field] == nil then
      there, missing = key_field, cert_field
    end
    report.error(state.report, path, ("%s needs %s beside it"):format(there, missing))
    return nil
  end
  local cert = text_of(state, config, value[cert_field], cert_path)
  local key = text_of(state, config, value[key_field], key_path)
  if not cert or not key then return nil end
  local good = check(state, cert_path, "gw_tls_check_chain", cert, #cert)
  good = check(state, key_path, "gw_tls_check_key", key, #key) and good
  good = good and check(state, key_path, "gw_tls_check_pair", cert, #cert, key, #key)
  if not good then return nil end
  warn_of_time(state, cert_path, cert)
  return cert, key
end

local function certificate(state, config, value, path)
  local cert, key = pair(state, config, value, path, "cert", "key")
  local cert_alt, key_alt = pair(state, config, value, path, "cert_alt", "key_alt")
  if cert_alt and not cert then
    if value.cert == nil then report.error(state.report, path, "cert_alt stands beside a cert") end
  elseif cert_alt and C and C.gw_tls_same_kind(cert, #cert, cert_alt, #cert_alt) then
    report.error(state.report, report.join(path, "cert_alt"), "has a key of the same kind as cert")
  end
  local ocsp = text_of(state, config, value.ocsp, report.join(path, "ocsp"), true)
  if ocsp then check(state, report.join(path, "ocsp"), "gw_tls_check_ocsp", ocsp, #ocsp) end
  if not cert then return nil end
  return { cert = cert, key = key, cert_alt = cert_alt, key_alt = key_alt, ocsp = ocsp, names = {} }
end

-- Every certificate of the file, with its names; names are given once.
local function all_certificates(state, config)
  local by_item, list = {}, {}
  for _, item in ipairs(state.items.certificates) do
    if item.good then
      local made = certificate(state, config, item.value, item.path)
      if made then
        made.id, made.label = item.id, "certificate " .. item.id
        by_item[item], list[#list + 1], made.order = made, made, #list
      end
    end
  end
  for _, item in ipairs(state.items.snis) do
    local owner = item.parents.certificate
    if not owner then
      if item.good and not item.dangling then report.error(state.report, item.path, "needs a certificate") end
    elseif item.good and by_item[owner] then
      local names = by_item[owner].names
      names[#names + 1] = item.value.name
    end
  end
  -- The one for all other names goes first.
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
  local ca = text_of(state, config, tls.client_ca, report.join(path, "client_ca"))
  local crl = text_of(state, config, tls.crl, report.join(path, "crl"))
  if ca then check(state, report.join(path, "client_ca"), "gw_tls_check_ca", ca, #ca) end
  if crl then check(state, report.join(path, "crl"), "gw_tls_check_crl", crl, #crl) end
  return ca, crl
end

local function listener(state, config, tls, path, shared)
  local own = (tls.cert or tls.key or tls.cert_alt or tls.key_alt) and certificate(state, config, tls, path)
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
  if #made.certificates == 0 and #state.items.certificates == 0 and not tls.cert then
    report.warn(state.report, path, "shows a certificate that was made for development: nobody can verify it")
  end
  return made
end

--- Settles the TLS of every listener, and gives back the folders of the files that were read.
---@param state table   from collect.lua
---@param config table  the normal form so far
---@return string[] folders
function M.run(state, config)
  state.folders = {}
  local shared = all_certificates(state, config)
  for i, entry in ipairs(config.listeners) do
    if entry.tls and entry.tls.min_version then
      entry.tls = listener(state, config, entry.tls, { "listeners", i - 1, "tls" }, shared)
    end
  end
  return words.keys(state.folders)
end

return M
