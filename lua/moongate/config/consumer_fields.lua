--- The fields of consumers: who they are, their groups and what they are recognised by.
local t = require("moongate.schema")

local M = {}

--- The collections of Kong's credentials, by the plugin that reads them.
M.COLLECTIONS = {
  keyauth_credentials = "key-auth",
  basicauth_credentials = "basic-auth",
  hmacauth_credentials = "hmac-auth",
  jwt_secrets = "jwt",
  oauth2_credentials = "oauth2",
  acls = "acl",
}

--- A list of names.
function M.names(about)
  local kind = t.any { by_reference = true, about = about }
  kind.noun = { "a list of names", "lists of names" }
  return kind
end

---@param child fun(one: string, many: string, about?: string): table  the type of entities that stand inside
---@return table<string, table>
function M.fields(child)
  local fields = {
    username = t.string { len_min = 1, len_max = 256, about = "How plugins, logs and services call it." },
    custom_id = t.string { len_min = 1, len_max = 256, about = "What you call it elsewhere." },
    groups = M.names("Names of the groups it belongs to; of two that say different things the first counts."),
    consumer_groups = M.names("The same, as Kong calls it."),
    credentials = t.map {
      child("a credential", "credentials"),
      about = "What it is recognised by: lists by the name of the plugin.",
    },
    plugins = child("a plugin", "plugins"),
  }
  for name in pairs(M.COLLECTIONS) do
    fields[name] = child(
      "a credential",
      "credentials",
      ("Its credentials for %s, as Kong's files have them."):format(M.COLLECTIONS[name])
    )
  end
  return fields
end

return M
