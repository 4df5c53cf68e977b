local t = require("moongate.schema")

return t.record {
  status = t.integer { default = 200, between = { 200, 599 }, about = "Status of the answer." },
  include_body = t.boolean {
    default = true,
    about = "Read the request's body and show it. Bodies over `max_body` are left out.",
  },
  max_body = t.size { default = "64k", between = { 0, 1048576 }, about = "Largest body that is shown." },
}
