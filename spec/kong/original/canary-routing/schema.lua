local typedefs = require "kong.db.schema.typedefs"

return {
  name = "canary-routing",
  fields = {
    { protocols = typedefs.protocols_http },
    { config = {
        type = "record",
        fields = {
          { header = typedefs.header_name { default = "X-Canary" } },
          { consumers = { type = "array", elements = { type = "string" } } },
          { percentage = { type = "number", default = 0, between = { 0, 100 } } },
          { upstream = { type = "string" } },
          { host = typedefs.host },
          { port = typedefs.port },
        },
        entity_checks = {
          { at_least_one_of = { "upstream", "host" } },
          { mutually_required = { "host", "port" } },
        },
    } },
  },
  entity_checks = {
    { only_one_of = { "config.upstream", "config.host" } },
  },
}
