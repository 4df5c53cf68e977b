local t = require("moongate.schema")

return t.record {
  seconds = t.number { default = 0.001, about = "How long each chunk waits." },
}
