local t = require("moongate.schema")

return t.record {
  proto = t.string {
    later = "JSON for gRPC",
    about = "The file that says what messages are like, for JSON in their place. Not in this version.",
  },
  pass_stripped_path = t.boolean {
    default = false,
    about = "Call the method that the route's `strip_path` left of the path, not the one the client wrote.",
  },
  allow_origin_header = t.string {
    default = "*",
    about = "Which pages may read the answers: `Access-Control-Allow-Origin`.",
  },
}
