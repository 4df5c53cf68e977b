local t = require("moongate.schema")

return t.record {
  host = t.host { required = true, about = "Who receives the datagrams: a name or an IP address." },
  port = t.port { required = true, about = "Its port." },
  timeout = t.timeout { default = 10000, about = "Of no effect: a datagram is sent at once or not at all." },
  custom_fields_by_lua = t.map {
    t.string {},
    later = "use ctx.log:set_serialize_value() in a plugin",
    about = "Lua expressions for fields of the line.",
  },
}
