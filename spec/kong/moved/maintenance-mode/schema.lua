local typedefs = require "kong.db.schema.typedefs"

return {
  name = "maintenance-mode",
  fields = {
    { protocols = typedefs.protocols_http },
    { config = {
        type = "record",
        fields = {
          { enabled = { type = "boolean", default = true } },
          { message = { type = "string", default = "We are working on it.", len_min = 1, len_max = 500 } },
          { retry_after = { type = "integer", default = 600, between = { 1, 86400 } } },
          { allowed_ips = { type = "set", elements = typedefs.ip, default = {} } },
          { allowed_paths = { type = "array", elements = { type = "string", starts_with = "/" }, default = {} } },
          { password = { type = "string", encrypted = true, required = true } },
        },
    } },
  },
}
