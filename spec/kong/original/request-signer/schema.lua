local typedefs = require "kong.db.schema.typedefs"

return {
  name = "request-signer",
  fields = {
    { protocols = typedefs.protocols_http },
    { config = {
        type = "record",
        fields = {
          { key_id = { type = "string", required = true } },
          { secret = { type = "string", required = true, encrypted = true, referenceable = true } },
          { signed_headers = { type = "array", elements = typedefs.header_name, default = { "host" } } },
        },
    } },
  },
}
