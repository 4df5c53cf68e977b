local sink_url = require("moongate.sink_url")
local t = require("moongate.schema")

local OURS = { ["host"] = true, ["content-type"] = true, ["content-length"] = true }

return t.record {
  http_endpoint = t.url {
    required = true,
    secret = true, -- users and tokens stand in it
    check = function(url)
      local place, reason = sink_url.read(url)
      return place and true, reason
    end,
    about = "Where the lines go: an http:// or https:// URL; a user in it becomes basic authentication.",
  },
  method = t.one_of { "POST", "PUT", "PATCH", default = "POST", about = "Method of the requests." },
  content_type = t.one_of {
    "application/json",
    "application/json; charset=utf-8",
    default = "application/json",
    about = "Their Content-Type.",
  },
  timeout = t.timeout { default = 10000, about = "How long connecting, sending and the answer may take, each." },
  keepalive = t.timeout { default = 60000, about = "How long an idle connection is kept." },
  headers = t.map {
    t.header_name {
      check = function(name) return not OURS[name:lower()], "the gateway writes it itself" end,
    },
    t.string { match = "^[^%c]*$" },
    secret = true,
    about = "More headers of the requests.",
  },
  queue = require("moongate.schema.queue"),
  custom_fields_by_lua = t.map {
    t.string {},
    later = "use ctx.log:set_serialize_value() in a plugin",
    about = "Lua expressions for fields of the line.",
  },
  t.check(function(conf)
    for name in pairs(conf.headers or {}) do
      if name:lower() == "authorization" and conf.http_endpoint:find("^%a+://[^/?]*@") then
        return nil, "Authorization cannot stand beside a user in http_endpoint", "headers"
      end
    end
    return true
  end),
}
