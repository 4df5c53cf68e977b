local t = require("moongate.schema")

return t.record {
  greeting = t.string { default = "Hello", len_min = 1, about = "How the visitor is greeted." },
}
