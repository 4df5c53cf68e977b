local t = require("moongate.schema")

return t.record {
  allowed_payload_size = t.integer {
    default = 128,
    between = { 0, 8589934592 },
    about = "The largest body, in `size_unit`.",
  },
  size_unit = t.one_of {
    "megabytes",
    "kilobytes",
    "bytes",
    default = "megabytes",
    about = "What `allowed_payload_size` counts: 1048576 bytes, 1024 bytes or bytes.",
  },
  require_content_length = t.boolean {
    default = false,
    about = "Refuse bodies whose length is not told beforehand, with 411.",
  },
}
