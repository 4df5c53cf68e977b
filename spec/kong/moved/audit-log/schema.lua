return {
  name = "audit-log",
  fields = {
    { config = {
        type = "record",
        fields = {
          { log_reads = { type = "boolean", default = false } },
          { tags = { type = "array", elements = { type = "string" }, default = { "audit" } } },
          { hidden_headers = { type = "set", elements = { type = "string" }, default = { "cookie", "x-api-key" } } },
        },
    } },
  },
}
