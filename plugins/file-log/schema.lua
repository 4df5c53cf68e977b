local t = require("moongate.schema")

return t.record {
  path = t.string {
    required = true,
    match = "^/[^%c]*$",
    about = "The file, from the root. Its folder must be there; the file is made (mode 0640).",
  },
  reopen = t.boolean {
    default = false,
    about = "Open the file again as soon as another one, or none, has its name (it was rotated).",
  },
  custom_fields_by_lua = t.map {
    t.string {},
    later = "use ctx.log:set_serialize_value() in a plugin",
    about = "Lua expressions for fields of the line.",
  },
}
