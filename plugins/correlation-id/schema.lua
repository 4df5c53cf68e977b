local t = require("moongate.schema")

return t.record {
  header_name = t.header_name {
    default = "X-Correlation-ID",
    kong_default = "Kong-Request-ID",
    about = "The header that carries the id, to the service and back to the client.",
  },
  generator = t.one_of {
    "uuid",
    "uuid#counter",
    "tracker",
    default = "uuid",
    kong_default = "uuid#counter",
    about = "How a new id is made: a UUIDv7; a UUID with a counter; or tracker (address-port-connection-time).",
  },
  echo_downstream = t.boolean {
    default = true,
    kong_default = false,
    about = "Send the id back to the client.",
  },
  accept = t.one_of {
    "trusted",
    "always",
    "never",
    default = "trusted",
    kong_default = "always",
    about = "From whom an id in the request is taken over: trusted proxies, everybody, nobody.",
  },
}
