--- ctx.client.tls: how the client is connected, and the certificate it showed. Over plain HTTP there is nothing of it.
local ffi = require("ffi")
local check = require("moongate.pdk.check")

local C = require("moongate.cdef")
local enter, later, ffi_string = check.enter, check.later, ffi.string
local ANY, ANSWER = check.ANY, check.ANSWER
local text_of, number = C.gw_pdk_tls_text, C.gw_pdk_tls_number

local NAMES_MAX = 100

local M = {}

local function text(h, what)
  if text_of(h, what) ~= 0 then return ffi_string(h.ptr, h.len) end
end

--- The version of TLS: "TLSv1.3" or "TLSv1.2"; nil over plain HTTP.
---@phase rewrite, access, request_body, response, body, log
---@return string?
function M:get_version() return text(enter(self, "ctx.client.tls:get_version", ANY), C.GW_PDK_TLS_VERSION) end

--- The cipher suite, such as "TLS_AES_128_GCM_SHA256"; nil over plain HTTP.
---@phase rewrite, access, request_body, response, body, log
---@return string?
function M:get_cipher() return text(enter(self, "ctx.client.tls:get_cipher", ANY), C.GW_PDK_TLS_CIPHER) end

--- What both sides agreed to speak (ALPN): "h2" or "http/1.1"; nil where the client did not ask.
---@phase rewrite, access, request_body, response, body, log
---@return string?
function M:get_protocol() return text(enter(self, "ctx.client.tls:get_protocol", ANY), C.GW_PDK_TLS_PROTOCOL) end

--- The name the client asked for in its handshake (SNI), in lower case; nil where it asked for none.
---@phase rewrite, access, request_body, response, body, log
---@return string?
function M:get_sni() return text(enter(self, "ctx.client.tls:get_sni", ANY), C.GW_PDK_TLS_SNI) end

--- Whether the client took an earlier session up again.
---@phase rewrite, access, request_body, response, body, log
---@return boolean
function M:is_resumed() return number(enter(self, "ctx.client.tls:is_resumed", ANY), C.GW_PDK_TLS_RESUMED) ~= 0 end

local function names_of(h)
  local names, n = {}, 0
  while n < NAMES_MAX and C.gw_pdk_tls_name(h, n) ~= 0 do
    n = n + 1
    names[n] = ffi_string(h.ptr, h.len) .. ":" .. ffi_string(h.ptr2, h.len2)
  end
  return names
end

--- The certificate the client showed, or nil. `subject` and `issuer` are written as in RFC 4514 ("CN=alice,O=Example"),
--- `names` as "DNS:a.example.com", "URI:spiffe://…", "email:…" (at most 100), `serial` and `fingerprint` (SHA-256) in
--- hexadecimal, times in seconds since 1970. One that is not `verified` has a `problem`.
---@phase rewrite, access, request_body, response, body, log
---@return table? certificate
function M:get_certificate()
  local h = enter(self, "ctx.client.tls:get_certificate", ANY)
  local shown = number(h, C.GW_PDK_TLS_SHOWN)
  if shown == 0 then return nil end
  return {
    subject = text(h, C.GW_PDK_TLS_SUBJECT) or "",
    issuer = text(h, C.GW_PDK_TLS_ISSUER) or "",
    serial = text(h, C.GW_PDK_TLS_SERIAL),
    fingerprint = text(h, C.GW_PDK_TLS_FINGERPRINT),
    names = names_of(h),
    verified = shown == 2,
    problem = text(h, C.GW_PDK_TLS_PROBLEM),
    not_before = number(h, C.GW_PDK_TLS_FROM),
    not_after = number(h, C.GW_PDK_TLS_UNTIL),
  }
end

--- The certificate the client showed, in PEM form; those above it are not kept. Nil where it showed none.
---@phase rewrite, access, request_body, response, body, log
---@return string? pem
function M:get_full_client_certificate_chain()
  return text(enter(self, "ctx.client.tls:get_full_client_certificate_chain", ANY), C.GW_PDK_TLS_PEM)
end

--- How the check of the client's certificate went, in nginx's words: "SUCCESS", "NONE", "FAILED:" with the problem; or
--- what a plugin said it was.
---@phase rewrite, access, request_body, response, body, log
---@return string
function M:get_client_verify()
  local h = enter(self, "ctx.client.tls:get_client_verify", ANY)
  local said = self[3].client_verify
  if said then return said end
  local shown = number(h, C.GW_PDK_TLS_SHOWN)
  if shown == 1 then return "FAILED:" .. (text(h, C.GW_PDK_TLS_PROBLEM) or "") end
  return shown == 2 and "SUCCESS" or "NONE"
end

--- Says how the check of the client's certificate went, for later plugins and the log: "SUCCESS", "NONE" or
--- "FAILED:" with a reason. It opens no route.
---@phase rewrite, access, response
---@param verdict string
function M:set_client_verify(verdict)
  local what = "ctx.client.tls:set_client_verify"
  enter(self, what, ANSWER)
  check.text(verdict, what, "the verdict")
  if verdict ~= "SUCCESS" and verdict ~= "NONE" and verdict:sub(1, 7) ~= "FAILED:" then
    error(what .. ': the verdict must be "SUCCESS", "NONE" or "FAILED:<reason>"', 2)
  end
  self[3].touched, self[3].client_verify = true, verdict
end

--- Not in this version: asks the client for its certificate; `client_certificate` of a listener or a route does.
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

return M
