local t = require("moongate.schema")

local LATER = "One call instead of six"

--- "name:value" entries; a template is a promise this version cannot keep yet, so it is refused by name.
local function pair(entry)
  if not entry:find("^[^:%s]+:") then return nil, "expected name:value" end
  if entry:find("$(", 1, true) then return nil, "templates $(...) are known, not in this version" end
  return true
end

local function pairs_of(about) return t.array { t.string { check = pair }, default = {}, about = about } end

local function names_of(about) return t.array { t.string { len_min = 1 }, default = {}, about = about } end

local function no_body()
  return t.array { t.string {}, default = {}, later = LATER, about = "Not in this version." }
end

local function plain(value)
  if value:find("$(", 1, true) then return nil, "templates $(...) are known, not in this version" end
  return true
end

return t.record {
  http_method = t.http_method { about = "Method of the request to the service." },
  remove = t.record {
    headers = names_of("Headers to take out."),
    querystring = names_of("Query arguments to take out."),
    body = no_body(),
  },
  rename = t.record {
    headers = pairs_of("`old:new`: what has the old name gets the new one."),
    querystring = pairs_of("`old:new`: what has the old name gets the new one."),
    body = no_body(),
  },
  replace = t.record {
    headers = pairs_of("`name:value`, only where the name is there."),
    querystring = pairs_of("`name:value`, only where the name is there."),
    uri = t.path { check = plain, about = "Path of the request to the service." },
    body = no_body(),
  },
  add = t.record {
    headers = pairs_of("`name:value`, only where the name is not there."),
    querystring = pairs_of("`name:value`, only where the name is not there."),
    body = no_body(),
  },
  append = t.record {
    headers = pairs_of("`name:value`, beside what is there."),
    querystring = pairs_of("`name:value`, beside what is there."),
    body = no_body(),
  },
}
