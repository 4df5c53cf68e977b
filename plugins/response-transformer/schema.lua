local t = require("moongate.schema")

local LATER = "One call instead of six"

local function pairs_of(about) return t.array { t.string { match = "^[^:%s]+:" }, default = {}, about = about } end

local function later() return t.array { t.string {}, default = {}, later = LATER, about = "Not in this version." } end

return t.record {
  remove = t.record {
    headers = t.array {
      t.string { len_min = 1 },
      default = {},
      about = "Headers to take out; `name:value` takes out only that value.",
    },
    json = later(),
  },
  rename = t.record { headers = pairs_of("`old:new`: what has the old name gets the new one."), json = later() },
  replace = t.record {
    headers = pairs_of("`name:value`, only where the name is there."),
    json = later(),
    json_types = later(),
  },
  add = t.record {
    headers = pairs_of("`name:value`, only where the name is not there."),
    json = later(),
    json_types = later(),
  },
  append = t.record {
    headers = pairs_of("`name:value`, beside what is there."),
    json = later(),
    json_types = later(),
  },
}
