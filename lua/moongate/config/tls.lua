--- TLS of listeners: which certificates they show by which name, and what they ask of clients.
local certificates = require("moongate.config.certificates")
local clients = require("moongate.config.clients")
local report = require("moongate.config.report")
local t = require("moongate.schema")

local M = {}

-- Entities and listeners refer to others in the same way; the type comes from who knows it.
---@param reference fun(about: string): table
---@return table
function M.of_listener(reference)
  local fields = certificates.fields()
  fields.cert = certificates.pem(
    "PEM, or a file: the certificate for all other names; without it the first of `certificates`."
  )
  fields.key = certificates.secret("The key of `cert`.")
  fields.certificates = t.set {
    reference(),
    about = "Which of `certificates` at the top are shown here, by id or name; all of them where nothing is written.",
  }
  fields.min_version =
    t.one_of { "1.2", "1.3", default = "1.2", about = "The oldest version of TLS that is spoken." }
  fields.strict_sni = t.boolean {
    default = false,
    about = "Refuse clients that ask for no name, or for one that is in no `snis` of a certificate.",
  }
  fields.handshake_timeout = t.duration { unit = "ms", default = "10s", off = true, about = "For the handshake." }
  local about = "Whether clients must show a certificate. `optional`: one that is shown must be good."
  for name, kind in pairs(clients.fields(about, reference)) do
    fields[name] = kind
  end
  return t.record(fields, { default = t.none })
end

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

-- Those of them that the listener names.
local function chosen(state, tls, path, shared)
  if not tls.certificates then return shared end
  local wanted, list = {}, {}
  for i, name in ipairs(tls.certificates) do
    local item = state.resolve(state, "certificates", name, report.join(path, "certificates", i - 1))
    if item and item.made then wanted[item.made] = true end
  end
  for _, one in ipairs(shared) do
    if wanted[one] then list[#list + 1] = one end
    wanted[one] = nil
  end
  for one in pairs(wanted) do -- without a name, and so not among the shared ones
    list[#list + 1] = one
  end
  return list
end

local function has_names(list)
  for _, one in ipairs(list) do
    if #(one.names or {}) > 0 then return true end
  end
  return false
end

local function listener(state, config, entry, path, shared)
  local tls, text = entry.tls, entry.text
  local own = (tls.cert or tls.key or tls.cert_alt or tls.key_alt) and certificates.make(state, config, tls, path)
  local made = {
    min_version = tls.min_version,
    strict_sni = tls.strict_sni,
    handshake_timeout = tls.handshake_timeout,
    certificates = {},
  }
  if tls.ocsp and not tls.cert then
    report.error(state.report, report.join(path, "ocsp"), "stands beside a cert")
  end
  local asked = clients.read(state, config, tls, path)
  if asked.mode ~= "none" and not asked.written then
    report.error(
      state.report,
      path,
      "client_certificate needs client_ca or ca_certificates: whose signature counts"
    )
  end
  made.clients = clients.of_listener(state, { text = text, clients = asked }, config.routes)
  if own then
    own.id, own.label = "of the listener", "the listener's certificate"
    made.certificates[1] = own
  end
  for _, one in ipairs(chosen(state, tls, path, shared)) do
    made.certificates[#made.certificates + 1] = one
  end
  if tls.strict_sni and not has_names(made.certificates) then
    report.error(
      state.report,
      report.join(path, "strict_sni"),
      "refuses everybody: no certificate here has names (write certificates with snis)"
    )
  end
  if #made.certificates == 0 and (tls.certificates or not any_for_clients(state)) and not tls.cert then
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
      entry.tls = listener(state, config, entry, { "listeners", i - 1, "tls" }, shared)
    end
  end
end

return M
