local typedefs = require "kong.db.schema.typedefs"

return {
  name = "legacy-auth",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = {
        type = "record",
        fields = {
          { header = typedefs.header_name { required = true, default = "X-Token" } },
          { tokens = { type = "array", required = true, len_min = 1, elements = { type = "string", referenceable = true } } },
        },
    } },
  },
}
