--- What `require("kong.db.schema.typedefs")` gives to a schema that was written for Kong: types with names, each a
--- table of attributes, or called with more of them.
local M = {}

local function define(base)
  return setmetatable(base, {
    __call = function(self, more)
      local field = {}
      for key, value in pairs(self) do
        field[key] = value
      end
      for key, value in pairs(more or {}) do
        field[key] = value
      end
      return field
    end,
  })
end

-- The types that moongate.schema has under its own name.
local function own(name, base)
  base.of = name
  return define(base)
end

M.header_name = own("header_name", { type = "string" })
M.http_method = own("http_method", { type = "string" })
M.host = own("host", { type = "string" })
M.ip = own("ip", { type = "string" })
M.cidr = own("cidr", { type = "string" })
M.ip_or_cidr = own("ip_or_cidr", { type = "string" })
M.path = own("path", { type = "string" })
M.url = own("url", { type = "string" })
M.uuid = own("uuid", { type = "string" })
M.tag = own("tag", { type = "string" })
M.port = own("port", { type = "integer" })
M.timeout = define { type = "integer", between = { 0, 2 ^ 31 - 2 } }
M.utf8_name = define { type = "string" }
M.name = own("name", { type = "string" })
M.lua_code = define { type = "map", keys = { type = "string" }, values = { type = "string" } }
M.cidr_v4 = M.cidr
M.redis_host = M.host
M.sni = M.host
M.wildcard_host = define { type = "string", match = "^[%w%-_.*]+$" }
M.host_with_optional_port = define { type = "string", match = "^%[?[%w%-_.:]+%]?$" }
M.cookie_name = define { type = "string", match = "^[%w!#$%%&'*+%-.^_`|~]+$" }
M.protocol = define {
  type = "string",
  one_of = { "http", "https", "tcp", "tls", "udp", "grpc", "grpcs", "tls_passthrough", "ws", "wss" },
}
M.semantic_version = define { type = "string", match = "^%d+%.%d+%.%d+" }
M.certificate = define { type = "string", match = "^%s*%-%-%-%-%-BEGIN [%u%d ]*CERTIFICATE%-%-%-%-%-" }
M.key = define { type = "string", match = "^%s*%-%-%-%-%-BEGIN [%u%d ]*KEY%-%-%-%-%-", encrypted = true }
M.methods = define { type = "set", elements = own("http_method", { type = "string" }) }
M.hosts = define { type = "array", elements = M.wildcard_host }
M.paths = define { type = "array", elements = own("path", { type = "string" }) }
M.headers = define {
  type = "map",
  keys = own("header_name", { type = "string" }),
  values = { type = "array", elements = { type = "string" } },
}

-- Of the plugin, not of its configuration: what they say holds here anyway, or is said at the use.
for _, name in ipairs {
  "protocols",
  "protocols_http",
  "protocols_http_and_websocket",
  "protocols_stream",
  "no_consumer",
  "no_route",
  "no_service",
  "no_consumer_group",
  "tags",
  "auto_timestamp_s",
  "auto_timestamp_ms",
} do
  M[name] = define { type = "set", elements = { type = "string" } }
end

return setmetatable(M, {
  __index = function(_, name)
    error(("typedefs.%s has no like here: write the type out"):format(tostring(name)), 2)
  end,
})
