local t = require("moongate.schema")
local keys = require("moongate.limit.keys")

local SLOWEST, FASTEST = 64, 2 ^ 40

local function with(one, more)
  for key, kind in pairs(more) do
    one[key] = kind
  end
  return one
end

local function numbers()
  return {
    down = t.size { between = { SLOWEST, FASTEST }, about = "Bytes a second to the client: of responses." },
    up = t.size { between = { SLOWEST, FASTEST }, about = "Bytes a second from the client: of request bodies." },
    burst = t.size {
      between = { 1, FASTEST },
      about = "Bytes that pass without waiting, at first and after a pause; those of a second where nothing is said.",
    },
  }
end

local function has_one(record)
  if record.down or record.up then return true end
  return nil, "says how fast neither `down` nor `up`"
end

local function tier()
  return t.record(with(numbers(), {
    unlimited = t.boolean { default = false, about = "As fast as it goes." },
    t.check(function(record)
      if record.unlimited then return true end
      return has_one(record)
    end),
  }))
end

return t.record(with(with(keys.fields(), numbers()), {
  tiers = t.map {
    keys = t.string { len_min = 1 },
    values = tier(),
    about = "Numbers for members of a consumer group, by its name.",
  },
  t.check(function(record)
    local message, field = keys.problem(record)
    if message then return nil, message, field end
    for _, name in ipairs { "header_name", "path", "ipv6_prefix", "missing_key" } do
      if record[name] ~= nil and record.limit_by == nil then
        return nil, "says nothing without limit_by: each stream is on its own", name
      end
    end
    return has_one(record)
  end),
}))
