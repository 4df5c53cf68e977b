local t = require("moongate.schema")

return t.record {
  status_code = t.integer {
    default = 301,
    one_of = { 300, 301, 302, 303, 307, 308 },
    about = "Status of the answer. 307 and 308 keep method and body; 301 and 308 are remembered by browsers.",
  },
  location = t.url {
    required = true,
    match = "^[Hh][Tt][Tt][Pp][Ss]?://",
    about = "Where to, as a whole URL.",
  },
  keep_incoming_path = t.boolean {
    default = false,
    about = "Take path and query of the request in place of those of `location`.",
  },
}
