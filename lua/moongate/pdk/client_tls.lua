--- ctx.client.tls: the client's certificate. Comes with TLS.
local check = require("moongate.pdk.check")

local enter, later = check.enter, check.later
local ANY, ANSWER = check.ANY, check.ANSWER

local M = {}

--- Not in this version: asks the client for its certificate.
---@phase rewrite, access, response
---@param authorities? any
function M:request_client_certificate(authorities)
  enter(self, "ctx.client.tls:request_client_certificate", ANSWER)
  later("ctx.client.tls:request_client_certificate")
end

--- Not in this version: the client may not take its TLS session up again.
---@phase rewrite, access, response
function M:disable_session_reuse()
  enter(self, "ctx.client.tls:disable_session_reuse", ANSWER)
  later("ctx.client.tls:disable_session_reuse")
end

--- Not in this version: the client's certificate and those that lead to its authority.
---@phase rewrite, access, request_body, response, body, log
---@return string? chain
function M:get_full_client_certificate_chain()
  enter(self, "ctx.client.tls:get_full_client_certificate_chain", ANY)
  later("ctx.client.tls:get_full_client_certificate_chain")
end

--- Not in this version: says how the check of the client's certificate went.
---@phase rewrite, access, response
---@param verdict string
function M:set_client_verify(verdict)
  enter(self, "ctx.client.tls:set_client_verify", ANSWER)
  later("ctx.client.tls:set_client_verify")
end

return M
