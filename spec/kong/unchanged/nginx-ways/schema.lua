return { name = "nginx-ways", fields = { { config = { type = "record", fields = {} } } } }
