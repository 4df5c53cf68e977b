return {
  name = "slow-lookup",
  fields = {
    { config = { type = "record", fields = { { url = { type = "string", required = true } } } } },
  },
}
