local typedefs = require "kong.db.schema.typedefs"

local rule = { type = "string", match = "^[^:]+:.*$" }

return {
  name = "header-rules",
  fields = {
    { protocols = typedefs.protocols_http },
    { consumer = typedefs.no_consumer },
    { config = {
        type = "record",
        fields = {
          { request = {
              type = "record", required = true,
              fields = {
                { add = { type = "array", elements = rule, default = {} } },
                { rename = { type = "array", elements = rule, default = {} } },
                { remove = { type = "array", elements = typedefs.header_name, default = {} } },
              },
          } },
          { response = {
              type = "record", required = true,
              fields = {
                { add = { type = "array", elements = rule, default = {} } },
                { remove = { type = "array", elements = typedefs.header_name, default = {} } },
              },
          } },
        },
    } },
  },
}
