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
function M:get_ip()
  return text(enter(self, "ctx.client:get_ip", ANY), C.GW_PDK_CLIENT_IP)
end

--- The client's address, behind the proxies that trusted_proxies names.
---@phase rewrite, access, request_body, response, body, log
---@return string
function M:get_forwarded_ip()
  return text(enter(self, "ctx.client:get_forwarded_ip", ANY), C.GW_PDK_FORWARDED_IP)
end

--- The port of who is connected.
---@phase rewrite, access, request_body, response, body, log
---@return integer
function M:get_port()
  return C.gw_pdk_number(enter(self, "ctx.client:get_port", ANY), C.GW_PDK_CLIENT_PORT)
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
  if credential ~= nil and type(credential) ~= "table" then error(what .. ": the credential must be a table", 2) end
  local index = 0
  if consumer ~= nil then
    index = type(consumer) == "table" and plan.consumer_index[consumer.id]
    if not index then error(what .. ": that is no consumer of the configuration", 2) end
  end
  C.gw_pdk_set_consumer(h, index)
  self[3].touched, self[3].credential = true, credential
end

return M
