local t = require("moongate.schema")

local COOKIE = "^[%w!#$%%&'*+%-.^_`|~]+$"

return t.record {
  upstream_host = t.host {
    about = "Where the canary is: the name of an upstream, or a host; without it the service's own.",
  },
  upstream_port = t.port { about = "Its port, where it is a host; 80 where none is written." },
  upstream_uri = t.path { about = "The path that the canary sees instead of the request's." },
  percentage = t.number { between = { 0, 100 }, about = "Its share of the requests: 5, or 0.5." },
  start = t.number { gt = 0, about = "When the share begins to grow from 0 to 100 %, in seconds since 1970." },
  duration = t.seconds { default = 3600, gt = 0, about = "How long that takes." },
  steps = t.integer { between = { 1, 100000 }, default = 1000, about = "In how many steps it grows." },
  hash = t.one_of {
    "consumer",
    "ip",
    "header",
    "cookie",
    "none",
    "allow",
    "deny",
    default = "consumer",
    about = "Who stays on one side: requests with the same key. `consumer` and `header` are `ip` where there is none; "
      .. "`none`: each request by chance; `allow`, `deny`: not a share, but those in `groups`, or the others.",
  },
  hash_header = t.header_name { about = "The header of `hash: header`." },
  hash_cookie = t.string {
    match = COOKIE,
    default = "canary-id",
    about = "The cookie of `hash: cookie`; a client that has none is given one.",
  },
  groups = t.set { t.string { len_min = 1 }, about = "Groups of consumers, for `allow` and `deny`." },
  canary_by_header_name = t.header_name {
    about = "A header that decides before all else: `always` or `never`.",
  },
  canary_by_cookie_name = t.string { match = COOKIE, about = "A cookie that does the same." },
  upstream_fallback = t.boolean {
    default = false,
    about = "While the canary's upstream has no target that may be used, its requests stay with the service's own.",
  },
  t.at_least_one_of { "upstream_host", "upstream_uri" },
  t.only_one_of { "percentage", "start" },
  t.conditional { if_field = "upstream_fallback", if_equals = true, then_field = "upstream_host" },
  t.conditional { if_field = "hash", if_equals = "header", then_field = "hash_header" },
  t.conditional { if_field = "hash", if_one_of = { "allow", "deny" }, then_field = "groups" },
}
