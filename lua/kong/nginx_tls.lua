--- nginx's variables of TLS, as ngx.var has them. Over plain HTTP they are nil, as unset variables are.
local ffi = require("ffi")
local check = require("moongate.pdk.check")
local request = require("moongate.pdk.request")
local tls = require("moongate.pdk.client_tls")

local C = require("moongate.cdef")

local function text(what)
  return function(ctx)
    local h = check.enter(ctx, "ngx.var", check.ANY)
    if C.gw_pdk_tls_text(h, what) ~= 0 then return ffi.string(h.ptr, h.len) end
  end
end

local function moment(what)
  return function(ctx)
    local at = C.gw_pdk_tls_number(check.enter(ctx, "ngx.var", check.ANY), what)
    return at ~= 0 and os.date("!%b %e %H:%M:%S %Y GMT", at) or nil
  end
end

local function secure(read)
  return function(ctx) return tls.get_version(ctx) and read(ctx) or nil end
end

local pem = text(C.GW_PDK_TLS_PEM)

return {
  https = function(ctx) return request.get_scheme(ctx) == "https" and "on" or "" end,
  server_protocol = function(ctx) return ("HTTP/%.1f"):format(request.get_http_version(ctx)) end,
  ssl_protocol = tls.get_version,
  ssl_cipher = tls.get_cipher,
  ssl_alpn_protocol = tls.get_protocol,
  ssl_server_name = tls.get_sni,
  ssl_session_reused = secure(function(ctx) return tls.is_resumed(ctx) and "r" or "." end),
  ssl_client_verify = secure(tls.get_client_verify),
  ssl_client_s_dn = text(C.GW_PDK_TLS_SUBJECT),
  ssl_client_i_dn = text(C.GW_PDK_TLS_ISSUER),
  ssl_client_serial = text(C.GW_PDK_TLS_SERIAL),
  ssl_client_fingerprint = text(C.GW_PDK_TLS_SHA1),
  ssl_client_v_start = moment(C.GW_PDK_TLS_FROM),
  ssl_client_v_end = moment(C.GW_PDK_TLS_UNTIL),
  ssl_client_raw_cert = pem,
  ssl_client_cert = pem,
  ssl_client_escaped_cert = function(ctx)
    local certificate = pem(ctx)
    return certificate
      and (certificate:gsub("[^%w%-_.~]", function(char) return ("%%%02X"):format(char:byte()) end))
  end,
}
