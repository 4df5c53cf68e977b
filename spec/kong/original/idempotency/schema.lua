local typedefs = require "kong.db.schema.typedefs"

return {
  name = "idempotency",
  fields = {
    { protocols = typedefs.protocols_http },
    { config = {
        type = "record",
        fields = {
          { header = typedefs.header_name { default = "Idempotency-Key" } },
          { methods = { type = "set", elements = typedefs.http_method, default = { "POST", "PATCH" } } },
          { required = { type = "boolean", default = false } },
          { max_length = { type = "integer", default = 128, between = { 1, 1024 } } },
          { ttl = { type = "number", default = 86400, gt = 0 } },
        },
    } },
  },
}
