--- TLS to services: what a service says of it, and what it comes to.
local certificates = require("moongate.config.certificates")
local collect = require("moongate.config.collect")
local pem = require("moongate.config.pem")
local fields = require("moongate.config.tls_service_fields")
local report = require("moongate.config.report")
local t = require("moongate.schema")

local M = {}

local ONLY_TLS = { "tls_verify", "tls_verify_depth", "ca_certificates", "client_certificate", "tls_server_name" }

local function refuse_without_tls(state, item)
  for _, key in ipairs(ONLY_TLS) do
    if item.value[key] ~= nil then
      report.error(state.report, report.join(item.path, key), "has no effect without TLS: write https")
    end
  end
end

local function trusted(state, item)
  local list, texts, path = item.value.ca_certificates, {}, report.join(item.path, "ca_certificates")
  for i, value in ipairs(list or {}) do
    local found = collect.resolve(state, "ca_certificates", value, report.join(path, i - 1))
    texts[#texts + 1] = found and found.made and found.made.cert
  end
  return #texts > 0 and table.concat(texts, "\n") or nil
end

local function certificate_of(state, config, value, path)
  if type(value) == "table" and (value.cert ~= nil or value.key ~= nil) then
    local known = certificates.fields()
    local record, good = report.check(state.report, t.record { cert = known.cert, key = known.key }, value, path)
    return good and certificates.make(state, config, record, path) or nil
  end
  local found = collect.resolve(state, "certificates", value, path)
  if found then found.shown_to_services = true end
  return found and found.made
end

-- A service's own goes before its upstream's.
local function shown(state, config, item, upstream)
  local own, given = item.value.client_certificate, upstream and upstream.raw.client_certificate
  if own ~= nil then
    return certificate_of(state, config, own, report.join(item.path, "client_certificate"))
  elseif given ~= nil then
    return certificate_of(state, config, given, report.join(upstream.path, "client_certificate"))
  end
end

local function is_verified(state, item)
  local written = item.value.tls_verify
  if written ~= nil then return written end
  if state.report.kong then
    report.warn(
      state.report,
      report.join(item.path, "tls_verify"),
      "relies on the default false: whoever answers in the place of the service is believed"
    )
  end
  return not state.report.kong
end

local function warn_of_nobody(state, item)
  if pem.system_trusts() then return end
  report.warn(
    state.report,
    item.path,
    "nobody is trusted on this system, so every connection will be refused (install the package ca-certificates, set "
      .. "SSL_CERT_FILE, or write ca_certificates)"
  )
end

--- What the TLS of a service comes to; nil where it speaks without.
---@param state table   from collect.lua, after certificates.run()
---@param config table  the normal form so far
---@param item table
---@param protocol? string
---@param upstream? table  the item its host names
---@return table? tls  { verify, depth, ca (PEM; nil: the system's), cert, key, certificate (its id), name }
function M.run(state, config, item, protocol, upstream)
  if not fields.PROTOCOLS[protocol] then
    if protocol then refuse_without_tls(state, item) end
    return nil
  end
  local tls = {
    verify = is_verified(state, item),
    depth = item.value.tls_verify_depth or fields.DEPTH,
    ca = trusted(state, item),
    name = item.value.tls_server_name,
  }
  local pair = shown(state, config, item, upstream)
  if pair then
    tls.cert, tls.key, tls.certificate = pair.cert, pair.key, pair.id or "its own"
  end
  if tls.verify and not tls.ca then warn_of_nobody(state, item) end
  return tls
end

--- Whether the plugins of a configuration may fetch https:// URLs.
---@param config table
---@return boolean
function M.fetches(config)
  for _, service in ipairs(config.services) do
    if service.tls then return true end
  end
  return config.fetch ~= nil and #config.fetch.allow > 0
end

return M
