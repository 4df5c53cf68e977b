local t = require("moongate.schema")

local function header(default, about) return t.string { default = default, match = "^[^%c]+$", about = about } end

return t.record {
  strict_transport_security = header(
    "max-age=31536000",
    "`Strict-Transport-Security`, sent on https only (RFC 6797)."
  ),
  content_type_options = header("nosniff", "`X-Content-Type-Options`."),
  frame_options = header("DENY", "`X-Frame-Options`, for browsers that do not know `frame-ancestors`."),
  content_security_policy = header("frame-ancestors 'none'", "`Content-Security-Policy`."),
  content_security_policy_report_only = header(
    "off",
    "`Content-Security-Policy-Report-Only`, to try a policy out."
  ),
  referrer_policy = header("no-referrer", "`Referrer-Policy`."),
  permissions_policy = header("camera=(), geolocation=(), microphone=()", "`Permissions-Policy`."),
  cross_origin_opener_policy = header("same-origin", "`Cross-Origin-Opener-Policy`."),
  cross_origin_resource_policy = header("same-origin", "`Cross-Origin-Resource-Policy`."),
  cross_origin_embedder_policy = header("off", "`Cross-Origin-Embedder-Policy`."),
  existing = t.one_of {
    "keep",
    "replace",
    default = "keep",
    about = "What becomes of a header that the service sent: it knows its own pages, so `keep`; or `replace`.",
  },
  remove = t.set {
    t.header_name {},
    default = { "server", "x-powered-by", "x-aspnet-version", "x-aspnetmvc-version" },
    about = "Headers to take out, because they tell what the service is made of.",
  },
}
