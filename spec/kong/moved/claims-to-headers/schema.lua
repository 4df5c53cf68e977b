local typedefs = require "kong.db.schema.typedefs"

return {
  name = "claims-to-headers",
  fields = {
    { protocols = typedefs.protocols_http },
    { config = {
        type = "record",
        fields = {
          { userinfo_header = typedefs.header_name { required = true, default = "X-Userinfo" } },
          { required = { type = "boolean", default = false, required = true } },
          { mapping = {
              type = "map",
              required = true,
              keys = { type = "string", len_min = 1 },
              values = typedefs.header_name,
              default = { sub = "X-User-ID", email = "X-User-Email" },
          } },
        },
    } },
  },
}
