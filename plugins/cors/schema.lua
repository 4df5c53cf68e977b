local regex = require("moongate.regex")
local t = require("moongate.schema")

--- As the handler will use it: the whole origin must match.
local function origin(text)
  if text == "*" then return true end
  local ok, reason = regex.check(text)
  if ok then
    ok, reason = regex.check("^(?:" .. text .. ")$")
  end
  return ok, reason
end

return t.record {
  origins = t.array {
    t.string { len_min = 1, check = origin },
    kong_default = { "*" },
    about = "Whose pages may read answers: `*` for all, an origin such as `https://app.example.com`, or a PCRE regex"
      .. " that must match all of it (all of its host, when it holds no colon). None given: all, without credentials.",
  },
  methods = t.array {
    t.http_method {},
    default = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" },
    kong_default = { "GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT" },
    about = "Methods that preflights allow.",
  },
  headers = t.array {
    t.header_name {},
    about = "Request headers that preflights allow. None given, or `*`: whichever the page asks for.",
  },
  exposed_headers = t.array { t.header_name {}, about = "Response headers that pages may read." },
  max_age = t.number {
    between = { -1, 2147483647 },
    about = "Seconds a browser may remember a preflight's answer.",
  },
  credentials = t.boolean {
    default = false,
    about = "Allow requests with cookies and other credentials. The origin is then always named, never `*`.",
  },
  private_network = t.boolean {
    default = false,
    about = "Allow pages of the public internet to reach this private network, when a preflight asks.",
  },
  preflight_continue = t.boolean { default = false, about = "Leave preflights to the service." },
  allow_origin_absent = t.boolean {
    default = true,
    about = "Say what is allowed also to requests without an `Origin` header.",
  },
  t.check(function(conf, kong)
    local named = conf.origins and conf.origins[1] ~= nil
    for _, entry in ipairs(conf.origins or {}) do
      if entry == "*" then named = false end
    end
    if named or not conf.credentials then return true end
    return kong, 'need named origins: with "*" every page there is may act for your users', "credentials"
  end),
}
