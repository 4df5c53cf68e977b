--- ctx.service: where the request goes.
local check = require("moongate.pdk.check")

local C = require("moongate.cdef")
local enter = check.enter
local ROUTED, later = check.ROUTED, check.later

local M = {}

--- Sends the request to the upstream of that name instead of the service's host.
---@phase rewrite after routing, access
---@param name string
---@return true? ok, string? reason  nil when there is no such upstream
function M:set_upstream(name)
  local h = enter(self, "ctx.service:set_upstream", ROUTED)
  name = check.text(name, "ctx.service:set_upstream", "the name")
  if C.gw_pdk_set_upstream(h, name, #name) ~= 0 then
    return nil, ("no upstream named %q in the configuration"):format(name)
  end
  return true
end

--- Sends the request to that host and port, without balancing.
---@phase rewrite after routing, access
---@param host string  a name or an IP address
---@param port integer
function M:set_target(host, port)
  local h = enter(self, "ctx.service:set_target", ROUTED)
  host = check.text(host, "ctx.service:set_target", "the host")
  check.integer(port, "ctx.service:set_target", "the port", 1, 65535)
  if C.gw_pdk_set_target(h, host, #host, port) ~= 0 then
    error(("ctx.service:set_target: %q is not a host name or an IP address"):format(host), 2)
  end
end

--- How often a failed attempt is tried again.
---@phase rewrite after routing, access
---@param retries integer  0 to 100
function M:set_retries(retries)
  local h = enter(self, "ctx.service:set_retries", ROUTED)
  C.gw_pdk_set_retries(h, check.integer(retries, "ctx.service:set_retries", "retries", 0, 100))
end

--- Milliseconds for connecting, between two writes and between two reads.
---@phase rewrite after routing, access
---@param connect integer
---@param write integer
---@param read integer
function M:set_timeouts(connect, write, read)
  local what, max = "ctx.service:set_timeouts", 2147483646
  local h = enter(self, what, ROUTED)
  check.integer(connect, what, "connect", 1, max)
  check.integer(write, what, "write", 1, max)
  check.integer(read, what, "read", 1, max)
  C.gw_pdk_set_timeouts(h, connect, write, read)
end

--- Not in this version: a function to be called before a failed attempt is followed by another.
---@phase rewrite after routing, access
---@param callback function
function M:set_target_retry_callback(callback)
  enter(self, "ctx.service:set_target_retry_callback", ROUTED)
  later("ctx.service:set_target_retry_callback")
end

--- Not in this version: the certificate that is shown to the service, and its key.
---@phase rewrite after routing, access
---@param chain string
---@param key string
function M:set_tls_cert_key(chain, key)
  enter(self, "ctx.service:set_tls_cert_key", ROUTED)
  later("ctx.service:set_tls_cert_key")
end

--- Not in this version: whether the service's certificate is verified.
---@phase rewrite after routing, access
---@param on boolean
function M:set_tls_verify(on)
  enter(self, "ctx.service:set_tls_verify", ROUTED)
  later("ctx.service:set_tls_verify")
end

--- Not in this version: how long the service's chain of certificates may be.
---@phase rewrite after routing, access
---@param depth integer
function M:set_tls_verify_depth(depth)
  enter(self, "ctx.service:set_tls_verify_depth", ROUTED)
  later("ctx.service:set_tls_verify_depth")
end

--- Not in this version: which authorities the service's certificate may come from.
---@phase rewrite after routing, access
---@param store any
function M:set_tls_verify_store(store)
  enter(self, "ctx.service:set_tls_verify_store", ROUTED)
  later("ctx.service:set_tls_verify_store")
end

return M
