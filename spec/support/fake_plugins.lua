--- Plugins with Kong-like schemas, for specs of the configuration that need no plugin code.
local t = require("moongate.schema")
local words = require("moongate.schema.words")

local function headers(extra)
  local fields = {
    headers = t.array { t.string {}, default = {} },
    querystring = t.array { t.string {}, default = {} },
    body = t.array { t.string {}, default = {}, later = "One call instead of six" },
  }
  for name, kind in pairs(extra or {}) do
    fields[name] = kind
  end
  return t.record(fields)
end

local function json_headers()
  return t.record {
    headers = t.array { t.string {}, default = {} },
    json = t.array { t.string {}, default = {}, later = "One call instead of six" },
    json_types = t.array { t.string {}, default = {}, later = "One call instead of six" },
  }
end

local PLUGINS = {
  ["key-auth"] = {
    priority = 1250,
    authenticates = true,
    schema = t.record {
      key_names = t.array { t.header_name {}, default = { "apikey" } },
      hide_credentials = t.boolean {
        default = true,
        kong_default = false,
        kong_unsafe = "the key is passed on to the upstream",
      },
      anonymous = t.string {},
      key_in_header = t.boolean { default = true },
      key_in_query = t.boolean { default = false, kong_default = true, kong_unsafe = "keys end up in logs" },
      key_in_body = t.boolean { default = false },
      run_on_preflight = t.boolean { default = true },
      realm = t.string {},
    },
  },
  ["correlation-id"] = {
    priority = 100001,
    schema = t.record {
      header_name = t.string { default = "Kong-Request-ID" },
      generator = t.one_of { "uuid", "uuid#counter", "tracker", default = "uuid#counter" },
      echo_downstream = t.boolean { default = false },
    },
  },
  ["request-transformer"] = {
    priority = 801,
    schema = t.record {
      http_method = t.http_method {},
      remove = headers(),
      rename = headers(),
      add = headers(),
      append = headers(),
      replace = headers { uri = t.string {} },
    },
  },
  ["response-transformer"] = {
    priority = 800,
    schema = t.record {
      remove = json_headers(),
      rename = json_headers(),
      replace = json_headers(),
      add = json_headers(),
      append = json_headers(),
    },
  },
  echo = { priority = 2, schema = t.record { status = t.integer { default = 200, between = { 100, 599 } } } },
}

--- What `moongate.config.load` takes as `plugins`.
---@param name string
---@return table?
---@return string?
return function(name)
  local info = PLUGINS[name]
  if info then
    info.name = name
    return info
  end
  return nil, ('no plugin named "%s"%s'):format(name, words.did_you_mean(name, words.keys(PLUGINS)))
end
