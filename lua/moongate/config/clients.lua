--- What is asked of clients in their handshake: a certificate, of whom. Said of a listener, and of routes, which ask
--- for it where their names are asked for.
---
--- The normal form: { mode = "none" | "optional" | "required", ca, crl, depth }; a route's has no `ca` where it takes
--- what the listener trusts.
local certificates = require("moongate.config.certificates")
local pem = require("moongate.config.pem")
local report = require("moongate.config.report")
local t = require("moongate.schema")
local words = require("moongate.schema.words")

local M = {}

local TRUST = { "client_ca", "ca_certificates", "crl" } -- what has no effect where nobody is asked

--- The fields of both.
---@param about string  of client_certificate
---@param reference fun(about: string): table
---@return table
function M.fields(about, reference)
  return {
    client_certificate = t.one_of { "none", "optional", "required", default = "none", about = about },
    client_ca = certificates.pem("PEM, or a file: whose signature counts."),
    ca_certificates = t.set { reference(), about = "The same as ids or names of `ca_certificates` at the top." },
    client_depth = t.integer {
      between = { 0, 16 },
      default = 3,
      about = "Certificates that may stand between the client's and that one.",
    },
    crl = certificates.pem("PEM, or a file: lists of client certificates that were revoked."),
  }
end

-- The certificates of client_ca and ca_certificates, as one text.
local function authorities(state, config, value, path)
  local parts = {}
  if value.client_ca then
    local ca_path = report.join(path, "client_ca")
    local ca = pem.text(state, config, value.client_ca, ca_path)
    if ca and pem.check(state, ca_path, "gw_tls_check_ca", ca, #ca) then parts[1] = ca end
  end
  for i, name in ipairs(value.ca_certificates or {}) do
    local item = state.resolve(state, "ca_certificates", name, report.join(path, "ca_certificates", i - 1))
    if item and item.made then parts[#parts + 1] = item.made.cert end
  end
  return #parts > 0 and table.concat(parts, "\n") or nil
end

--- Reads what a listener or a route says of client certificates.
---@param state table   from collect.lua
---@param config table  the normal form so far
---@param value table   the record with M.fields
---@param path (string|integer)[]
---@return table clients
function M.read(state, config, value, path)
  local made = { mode = value.client_certificate or "none", depth = value.client_depth }
  if made.mode == "none" then
    for _, name in ipairs(TRUST) do
      if value[name] then
        report.error(
          state.report,
          report.join(path, name),
          "has no effect without client_certificate: optional or required"
        )
      end
    end
    return made
  end
  made.ca = authorities(state, config, value, path)
  made.written = value.client_ca ~= nil or value.ca_certificates ~= nil
  local crl_path = report.join(path, "crl")
  local crl = pem.text(state, config, value.crl, crl_path)
  if crl and pem.check(state, crl_path, "gw_tls_check_crl", crl, #crl) then
    pem.warn_of_list(state, crl_path, crl)
    made.crl = crl
  end
  return made
end

local function same(one, other) return one.ca == other.ca and one.crl == other.crl and one.depth == other.depth end

-- The names that lead to a route: its own, else its hosts.
local function names_of(route)
  local names, ends_open = {}, false
  for _, name in ipairs(route.snis) do
    names[#names + 1] = name
  end
  if #names > 0 then return names end
  for _, host in ipairs(route.hosts) do
    names[#names + 1] = host.text
    ends_open = ends_open or host.kind == "trailing"
  end
  return names, ends_open
end

local function error_of(state, route, message) report.error(state.report, route.item_path, message) end

local function name_of(route) return words.quote(route.name or route.id) end

-- One that comes through a listener which asks everybody: it can only be stricter.
local function check_against(state, listener, route)
  if route.clients.written and not same(route.clients, listener.clients) then
    error_of(
      state,
      route,
      ("asks for other client certificates than the listener %s, which asks everybody; leave client_ca to it"):format(
        listener.text
      )
    )
  end
end

local function add_name(state, by_name, list, name, route)
  local before = by_name[name]
  if not before then
    before = { mode = "requested", ca = route.clients.ca, crl = route.clients.crl, depth = route.clients.depth }
    before.names, before.route = name ~= "" and { name } or {}, route
    by_name[name], list[#list + 1] = before, before
  elseif not same(before, route.clients) then
    local text = "asks for other client certificates than the route %s under the same name%s (a handshake asks for one "
      .. "kind)"
    error_of(state, route, text:format(name_of(before.route), name ~= "" and " " .. name or ""))
  end
end

--- What a listener asks of whom: the first one holds where no other does.
---@param state table
---@param listener table  in the normal form, with its own `clients`
---@param routes table[]  in the normal form
---@return table[] list  { mode, ca, crl, depth, names }
function M.of_listener(state, listener, routes)
  local own = listener.clients
  local list, by_name = {}, {}
  for _, route in ipairs(routes) do
    if route.enabled and route.clients.mode ~= "none" then
      if own.mode ~= "none" then
        check_against(state, listener, route)
      elseif not route.clients.ca then
        if not route.clients.written then
          error_of(state, route, "client_certificate needs client_ca or ca_certificates: whose signature counts")
        end
      else
        local names, ends_open = names_of(route)
        if ends_open then
          error_of(state, route, "client_certificate beside a host that ends in * needs snis: names to ask under")
        end
        for _, name in ipairs(#names > 0 and names or { "" }) do
          add_name(state, by_name, list, name, route)
        end
      end
    end
  end
  local rest = by_name[""]
  for i, one in ipairs(list) do
    if one == rest then table.remove(list, i) end
  end
  table.insert(list, 1, rest or { mode = own.mode, ca = own.ca, crl = own.crl, depth = own.depth, names = {} })
  return list
end

return M
