--- The tables of docs/configuration.md and of the plugins' READMEs, from the schemas.
local entities = require("moongate.config.entities")
local limits = require("moongate.config.limits")
local schema_text = require("moongate.docs.schema_text")
local top = require("moongate.config.top")

local M = {}

local LEAVES = {
  [limits.of_listener] = "[limits](#limits)",
  [limits.of_scope] = "[limits](#limits)",
}

local EVERY = { "id", "tags", "created_at", "updated_at", "_comment", "_ignore" }

local SECTIONS = {
  { "services", "Services", "What stands behind the gateway. Needs a `url`, or a `host`." },
  {
    "routes",
    "Routes",
    "Which requests go where. Needs one of `paths`, `hosts`, `methods`, `headers`, `query`, `cookies`, `sources`.",
  },
  { "upstreams", "Upstreams", "Several targets under one name, which the `host` of a service says." },
  { "targets", "Targets", "One address of an upstream." },
  {
    "certificates",
    "Certificates",
    "What listeners with `tls` show, by the name that a client asks for. Texts are PEM, or paths of files beside the "
      .. "configuration, which are read at load and watched.",
  },
  { "snis", "SNIs", "One name of a certificate." },
  {
    "ca_certificates",
    "CA certificates",
    "Whose signatures count. Others refer to them by `id` or `name`.",
  },
  { "consumers", "Consumers", "Who asks." },
  { "consumer_groups", "Consumer groups", "Names that consumers share." },
  { "plugins", "Plugins", "One use of a plugin; where it stands says for which requests." },
}

local LIMITS = [[
## Limits

At the top, on a listener, a service or a route; the nearest one holds. `target`, `head_timeout`, `connections`,
`connections_per_client` and `requests_per_connection` are decided before a route is known: at the top or on a
listener only. On a listener, what is said of requests (`body`, `buffer`, `body_min_rate`, `idle_timeout`,
`total_timeout`, `write_queue`, `pending`) holds where neither the route nor its service says it. `head` and
`headers` of a service or a route are those of responses.

What passes a limit is answered with a problem (`application/problem+json`) while nothing was sent yet, has a
line in the access log whose `error` says why, and counts in `moongate_limit_rejections_total{limit}`:

| Limit | The client gets | `error` |
|---|---|---|
| `head`, `headers` | 431; of a response 502 | `head_too_large`, `upstream_head_too_large` (both count as `head`) |
| `target` | 414 | `target_too_long` |
| `body` | 413 | `body_too_large` |
| `head_timeout` | 408 | `head_slow` |
| `body_min_rate` | 408; as a reader, the end of the connection | `body_slow`, `write_slow` |
| `total_timeout` | 504, or the end of the connection behind a begun answer | `total_timeout` |
| `connections` | 503 with `Retry-After`, before a byte is read | `connections` |
| `connections_per_client` | 429 with `Retry-After`, before a byte is read | `client_connections` |
| `pending` | 503 with `Retry-After` | `overloaded` |
| file descriptors | 503 with `Retry-After` | `descriptors` |

`idle_timeout` and `requests_per_connection` end connections that nobody waits on, `write_queue` holds the
source until the reader has taken enough, `buffer` is told to the plugin that reads; they refuse nobody.

When file descriptors run out the oldest idle connections, of clients and to services, are closed to make room
(`moongate_connections_shed_total`); heads that never end count as idle. The limit of open files is raised to
the hard one at the start: set that with `LimitNOFILE=` or `ulimit -Hn`, to twice the connections and some. A
connection that is idle for a second holds about 800 bytes, 13 KB over TLS ([more](tls.md#watching-it)). What
requests hold together is bounded by `connections` times what one may hold: `head`, `buffer` both ways where a
plugin reads bodies, `write_queue` both ways.

]]

local function skip_common()
  local set = {}
  for _, name in ipairs(EVERY) do
    set[name] = true
  end
  return set
end

-- A number in the unit that makes it short, as a file would say it.
local function readable(kind, value)
  if value == 0 then return "off" end
  local steps = kind.name == "size" and { { 1024 ^ 2, "m" }, { 1024, "k" } } or { { 60000, "m" }, { 1000, "s" } }
  if kind.name == "count" then return ("%d"):format(value) end
  for _, step in ipairs(steps) do
    if value % step[1] == 0 and value / step[1] < 1000 and not (step[2] == "m" and step[1] == 60000) then
      return ("%d%s"):format(value / step[1], step[2])
    end
  end
  return ("%d%s"):format(value, kind.name == "size" and "b" or "ms")
end

local function limits_table()
  local kind = limits.of_listener
  local shown = setmetatable({ fields = {} }, { __index = kind })
  for name, field in pairs(kind.fields) do
    shown.fields[name] = setmetatable({ default = readable(field, limits.DEFAULTS[name]) }, { __index = field })
  end
  return schema_text.fields(shown)
end

local function unexplained(where, name)
  if name then error(("%s: the field %s has no `about`"):format(where, name), 0) end
end

local function section(out, name, title, intro)
  local text, missing = schema_text.fields(entities[name], { leaves = LEAVES, skip = skip_common() })
  unexplained("lua/moongate/config/entities.lua, " .. name, missing)
  out[#out + 1] = ("## %s\n\n%s\n\n%s\n"):format(title, intro, text)
end

--- The generated part of docs/configuration.md.
---@param plugins table[]  what moongate.config.plugins knows of each bundled one, in order
---@return string
function M.text(plugins)
  local at_top, missing = schema_text.fields(top.schema, { leaves = LEAVES })
  unexplained("lua/moongate/config/top.lua", missing)
  local out = { "## At the top\n\n" .. at_top .. "\n" }
  out[#out + 1] = LIMITS .. limits_table() .. "\n"
  for _, entry in ipairs(SECTIONS) do
    section(out, entry[1], entry[2], entry[3])
  end
  local common = { fields = {}, names = EVERY, rules = {} }
  for _, name in ipairs(EVERY) do
    common.fields[name] = entities.services.fields[name]
  end
  out[#out + 1] = "## What every one of them may say\n\n" .. schema_text.fields(common) .. "\n"
  for _, info in ipairs(plugins) do
    if info.credentials then
      local text, bare = schema_text.fields(info.credentials)
      unexplained(("plugins/%s/credentials.lua"):format(info.name), bare)
      out[#out + 1] = ("## Credentials of %s\n\n%s\n"):format(info.name, text)
    end
  end
  local list = {}
  for i, info in ipairs(plugins) do
    list[i] = ("[%s](../plugins/%s/README.md)"):format(info.name, info.name)
  end
  out[#out + 1] = "## Bundled plugins\n\n" .. table.concat(list, " · ") .. "\n"
  return table.concat(out, "\n")
end

--- The table of one plugin's README.
---@param info table  from moongate.config.plugins
---@return string
function M.plugin(info)
  local text, missing = schema_text.fields(info.schema)
  unexplained(("plugins/%s/schema.lua"):format(info.name), missing)
  return text .. "\n"
end

return M
