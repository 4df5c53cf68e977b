--- ctx.client: who asks.
local ffi = require("ffi")
local check = require("moongate.pdk.check")
local plan = require("moongate.entities")

local C = require("moongate.cdef")
local enter, ffi_string = check.enter, ffi.string
local ANY, KNOWN, ACCESS = check.ANY, check.KNOWN, check.ACCESS

local M = {}

local function text(h, what)
  C.gw_pdk_text(h, what)
  return ffi_string(h.ptr, h.len)
end

--- The address of who is connected.
---@phase rewrite, access, request_body, response, body, log
---@return string
function M:get_ip() return text(enter(self, "ctx.client:get_ip", ANY), C.GW_PDK_CLIENT_IP) end

--- The client's address, behind the proxies that trusted_proxies names.
---@phase rewrite, access, request_body, response, body, log
---@return string
function M:get_forwarded_ip() return text(enter(self, "ctx.client:get_forwarded_ip", ANY), C.GW_PDK_FORWARDED_IP) end

--- The client's network, behind the proxies that trusted_proxies names: an IPv4 address as it is, and of an IPv6 one
--- the network it lies in (`2001:db8:0:1::/64`), because one subscriber has all of that.
---@phase rewrite, access, request_body, response, body, log
---@param bits? integer  of an IPv6 network, 1 to 128 (64)
---@return string
function M:get_forwarded_network(bits)
  local h = enter(self, "ctx.client:get_forwarded_network", ANY)
  C.gw_pdk_client_network(h, check.integer(bits, "ctx.client:get_forwarded_network", "bits", 1, 128, 64))
  return ffi_string(h.ptr, h.len)
end

--- The port of who is connected.
---@phase rewrite, access, request_body, response, body, log
---@return integer
function M:get_port() return C.gw_pdk_number(enter(self, "ctx.client:get_port", ANY), C.GW_PDK_CLIENT_PORT) end

--- The client's port. What stands between does not tell it, so this is the port of who is connected.
---@phase rewrite, access, request_body, response, body, log
---@return integer
function M:get_forwarded_port()
  return C.gw_pdk_number(enter(self, "ctx.client:get_forwarded_port", ANY), C.GW_PDK_CLIENT_PORT)
end

--- Whether who is connected is one of trusted_proxies.
---@phase rewrite, access, request_body, response, body, log
---@return boolean
function M:is_trusted()
  return C.gw_pdk_number(enter(self, "ctx.client:is_trusted", ANY), C.GW_PDK_PEER_TRUSTED) ~= 0
end

--- The protocol of the route: "http" or "https".
---@phase rewrite after routing, access, request_body, response, body, log
---@param allow_terminated? boolean  believe a trusted proxy that it ended TLS
---@return string
function M:get_protocol(allow_terminated)
  local h = enter(self, "ctx.client:get_protocol", KNOWN)
  return text(h, allow_terminated and C.GW_PDK_FORWARDED_SCHEME or C.GW_PDK_SCHEME)
end

--- The consumer, once a plugin knows who it is.
---@phase rewrite after routing, access, request_body, response, body, log
---@return table?
function M:get_consumer()
  local index = C.gw_pdk_number(enter(self, "ctx.client:get_consumer", KNOWN), C.GW_PDK_CONSUMER)
  return plan.consumers[index]
end

--- What the consumer was recognised by.
---@phase rewrite after routing, access, request_body, response, body, log
---@return table?
function M:get_credential()
  enter(self, "ctx.client:get_credential", KNOWN)
  return self[3].credential
end

--- Finds a consumer by its id, or by its username.
---@phase rewrite, access, request_body, response, body, log
---@param id_or_name string
---@param by_username? boolean  look for usernames too
---@return table? consumer, string? reason
function M:load_consumer(id_or_name, by_username)
  enter(self, "ctx.client:load_consumer", ANY)
  id_or_name = check.text(id_or_name, "ctx.client:load_consumer", "id or name")
  local consumer = plan.consumer_by_id[id_or_name] or by_username and plan.consumer_by_username[id_or_name]
  if not consumer then return nil, ("no consumer %q"):format(id_or_name) end
  return consumer
end

--- Says who the client is. The X-Consumer-* headers are set by moongate.auth.
---@phase access
---@param consumer table?  from the configuration
---@param credential table?
function M:authenticate(consumer, credential)
  local what = "ctx.client:authenticate"
  local h = enter(self, what, ACCESS)
  if consumer == nil and credential == nil then
    error(what .. ": either consumer or credential must be given", 2)
  end
  if credential ~= nil and type(credential) ~= "table" then
    error(what .. ": the credential must be a table", 2)
  end
  local index = 0
  if consumer ~= nil then
    index = type(consumer) == "table" and plan.consumer_index[consumer.id]
    if not index then error(what .. ": that is no consumer of the configuration", 2) end
  end
  C.gw_pdk_set_consumer(h, index)
  self[3].touched, self[3].credential = true, credential
end

local function group_problem(group)
  if type(group) ~= "table" or type(group.name) ~= "string" or group.name == "" then
    return "a group is a table with a name"
  end
end

-- { { name = "gold" }, … } of { "gold", … }
local function as_groups(names)
  local groups = {}
  for i, name in ipairs(names or {}) do
    groups[i] = { name = name }
  end
  return groups
end

--- The groups of the client: those a plugin set for this request, else the consumer's.
---@phase rewrite after routing, access, request_body, response, body, log
---@return { name: string }[]
function M:get_consumer_groups()
  local h = enter(self, "ctx.client:get_consumer_groups", KNOWN)
  local own = self[3].groups
  if own then return own end
  local consumer = plan.consumers[C.gw_pdk_number(h, C.GW_PDK_CONSUMER)]
  return as_groups(consumer and consumer.groups)
end

--- The first of the groups, or nil.
---@phase rewrite after routing, access, request_body, response, body, log
---@return { name: string }?
function M:get_consumer_group()
  enter(self, "ctx.client:get_consumer_group", KNOWN)
  return M.get_consumer_groups(self)[1]
end

--- Says which groups the client is in, for this request: what a token or a directory says of it.
---@phase access
---@param groups { name: string }[]
function M:set_authenticated_consumer_groups(groups)
  local what = "ctx.client:set_authenticated_consumer_groups"
  enter(self, what, ACCESS)
  if type(groups) ~= "table" then error(what .. ": the groups must be a table", 2) end
  for _, group in ipairs(groups) do
    local reason = group_problem(group)
    if reason then error(what .. ": " .. reason, 2) end
  end
  self[3].touched, self[3].groups = true, groups
end

--- The same of one group.
---@phase access
---@param group { name: string }
function M:set_authenticated_consumer_group(group)
  local what = "ctx.client:set_authenticated_consumer_group"
  enter(self, what, ACCESS)
  local reason = group_problem(group)
  if reason then error(what .. ": " .. reason, 2) end
  self[3].touched, self[3].groups = true, { group }
end

--- Puts the client into the groups that the configuration gives that consumer.
---@phase access
---@param id string
---@return { name: string }[]? groups, string? reason
function M:authenticate_consumer_group_by_consumer_id(id)
  local what = "ctx.client:authenticate_consumer_group_by_consumer_id"
  enter(self, what, ACCESS)
  local consumer = plan.consumer_by_id[check.text(id, what, "the id")]
  if not consumer then return nil, ("no consumer %q"):format(id) end
  self[3].touched, self[3].groups = true, as_groups(consumer.groups)
  return self[3].groups
end

return M
