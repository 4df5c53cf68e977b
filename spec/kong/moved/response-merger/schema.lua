local typedefs = require "kong.db.schema.typedefs"

return {
  name = "response-merger",
  fields = {
    { protocols = typedefs.protocols_http },
    { config = {
        type = "record",
        fields = {
          { url = typedefs.url { required = true } },
          { field = { type = "string", required = true, match = "^[%w_]+$" } },
          { timeout = { type = "number", default = 2000, gt = 0 } },
        },
    } },
  },
}
