return require("moongate.functions_schema").schema()
