local regex = require("moongate.regex")
local t = require("moongate.schema")

return t.record {
  allow = t.array {
    t.string { len_min = 1, check = regex.check },
    default = {},
    about = "PCRE regexes of `User-Agent` that may pass, whatever else they look like.",
  },
  deny = t.array {
    t.string { len_min = 1, check = regex.check },
    default = {},
    about = "PCRE regexes of `User-Agent` that may not pass, besides the known crawlers.",
  },
}
