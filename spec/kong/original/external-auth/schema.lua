local typedefs = require "kong.db.schema.typedefs"

return {
  name = "external-auth",
  fields = {
    { protocols = typedefs.protocols_http },
    { config = {
        type = "record",
        fields = {
          { url = typedefs.url { required = true } },
          { method = { type = "string", default = "GET", one_of = { "GET", "POST", "HEAD" } } },
          { connect_timeout = typedefs.timeout { default = 1000 } },
          { send_timeout = typedefs.timeout { default = 1000 } },
          { read_timeout = typedefs.timeout { default = 3000 } },
          { forward_headers = { type = "array", elements = { type = "string" }, default = { "authorization" } } },
          { copy_headers = { type = "array", elements = { type = "string" }, default = {} } },
          { fail_open = { type = "boolean", default = false } },
        },
    } },
  },
}
