return {
  name = "url-rewrite",
  fields = {
    { config = {
        type = "record",
        fields = {
          { path = { type = "string", required = true, starts_with = "/" } },
          { query = { type = "map", keys = { type = "string" }, values = { type = "string" } } },
        },
    } },
  },
}
