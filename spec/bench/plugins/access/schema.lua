local t = require("moongate.schema")

return t.record {}
