return { name = "nosy", fields = { { config = { type = "record", fields = {} } } } }
