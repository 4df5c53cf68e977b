--- What a route may say of TLS from clients.
local t = require("moongate.schema")
local certificates = require("moongate.config.certificates")
local clients = require("moongate.config.clients")

local M = {}

--- The fields of a route.
---@param reference fun(about?: string): table  the type of a reference to another entity
---@return table
function M.fields(reference)
  local fields = clients.fields(
    "Whether its clients must have shown a certificate; who has none gets 403. They are asked under the names of "
      .. "`snis`, else of `hosts`, else under every name.",
    reference
  )
  fields.https_redirect_status_code = t.one_of {
    426,
    301,
    302,
    307,
    308,
    default = 426,
    about = "What plain HTTP gets where `protocols` is `[https]`: 426, or a redirect.",
  }
  fields.snis = t.set {
    certificates.server_name {
      check = function(name) return name ~= "*", "names one server, or *.example.com" end,
    },
    about = "Names that the client must have asked for in its handshake: `example.com`, `*.example.com` (one label). "
      .. "Not looked at over plain HTTP.",
  }
  return fields
end

return M
