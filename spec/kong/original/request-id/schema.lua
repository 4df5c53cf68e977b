local typedefs = require "kong.db.schema.typedefs"

return {
  name = "request-id",
  fields = {
    { protocols = typedefs.protocols },
    { config = {
        type = "record",
        fields = {
          { header = typedefs.header_name { default = "X-Request-ID", required = true } },
          { trust_client = { type = "boolean", default = false, required = true } },
          { echo = { type = "boolean", default = true, required = true } },
        },
    } },
  },
}
