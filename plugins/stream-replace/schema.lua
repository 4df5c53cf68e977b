local t = require("moongate.schema")

return t.record {
  replace = t.array {
    t.record {
      find = t.string { required = true, len_min = 1, len_max = 1024, about = "The text, byte for byte." },
      with = t.string { default = "", len_max = 16384, about = "What stands there instead." },
    },
    required = true,
    len_min = 1,
    len_max = 100,
    check = function(pairs)
      local seen = {}
      for _, pair in ipairs(pairs) do
        if seen[pair.find] then return nil, ('looks for "%s" twice'):format(pair.find) end
        seen[pair.find] = true
      end
      return true
    end,
    about = "What is replaced: entries of `find` and `with`. The leftmost wins, of two at one place the longer.",
  },
  types = t.array {
    t.string { match = "^[%w*.+-]+/[%w*.+-]+$" },
    default = {
      "text/*",
      "application/json",
      "application/*+json",
      "application/xml",
      "application/*+xml",
      "application/javascript",
      "image/svg+xml",
    },
    about = "Media types of the answers that are looked into; `*` stands for anything.",
  },
  ask_plain = t.boolean {
    default = true,
    about = "Ask the service for answers that are not compressed: compressed ones pass as they are.",
  },
}
