local t = require("moongate.schema")

return t.record {
  host = t.host { required = true, about = "Who receives the lines: a name or an IP address." },
  port = t.port { required = true, about = "Its port." },
  timeout = t.timeout { default = 10000, about = "How long connecting, and one delivery, may take." },
  keepalive = t.timeout { default = 60000, about = "How long an idle connection is kept." },
  tls = t.boolean { default = false, later = "TLS", about = "Whether the connection is encrypted." },
  tls_sni = t.string { later = "TLS", about = "The name the receiver's certificate must have." },
  custom_fields_by_lua = t.map {
    t.string {},
    later = "use ctx.log:set_serialize_value() in a plugin",
    about = "Lua expressions for fields of the line.",
  },
}
