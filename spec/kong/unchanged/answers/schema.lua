return {
  name = "answers",
  fields = { { config = { type = "record", fields = { { what = { type = "string", required = true } } } } } },
}
