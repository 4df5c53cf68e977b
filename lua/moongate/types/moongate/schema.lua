---@meta moongate.schema
-- Written by ./dev docs from the sources. Do not change it here.

---The schema language: what a plugin's configuration may be, as data.
---
---    local t = require("moongate.schema")
---    return t.record {
---      key_names = t.array { t.header_name {}, default = { "apikey" }, about = "Where the key may stand." },
---      policy = t.one_of { "local", "redis", default = "local", about = "Where counters live." },
---      redis = t.record { host = t.host { required = true }, port = t.port { default = 6379 } },
---      t.conditional { if_field = "policy", if_equals = "redis", then_field = "redis" },
---    }
---
---Types
---    string number integer boolean any json
---    array { TYPE } · set { TYPE } (doubles are dropped) · map { TYPE } · map { KEYS, TYPE }
---    record(fields, attributes) · one_of { values }
---    header_name http_method host ip cidr ip_or_cidr port path url uuid name tag
---    duration  "30s" → 30 (seconds; with unit = "ms" milliseconds)      size   "10m" → bytes
---    timeout   Kong's: milliseconds as a number, or "30s" → 30000       count  1 or more
---    seconds   Kong's: seconds as a number, or "500ms" → 500 (milliseconds)
---
---Attributes of every type
---    about         what it is for, in a sentence; the plugin's README is made of it
---    default       used where nothing is written          required   must be written
---    secret        never shown                            check      function: true, or nil and a reason
---    later         known, not in this version: only the default is taken
---    kong_default  the default in a file with `_format_version` (t.none: none there)
---    kong_unsafe   what to warn those of who rely on kong_default
---Of strings: one_of, match, not_match (Lua patterns), len_min, len_max.
---Of numbers: one_of, between { low, high }, gt. Of arrays, sets and maps: len_min, len_max.
---Of duration, size, timeout, seconds, count: between, gt, off (takes "off", too, which is 0).
---
---Rules among a record's fields, written between them
---    at_least_one_of {…} · only_one_of {…} · mutually_required {…} · mutually_exclusive {…}
---    conditional { if_field, if_equals | if_one_of, then_field, then_equals | then_one_of }
---    check(function(record) return true | nil, message, field end)
---
---A nested record that is not written is filled in when its defaults alone make a valid one (default = t.none: never).
---Mistakes in a schema are errors when it is loaded, and name the field.
---@class moongate.schema
---@field none any # default = t.none: no default here
local t = {}

---@class moongate.schema.Type

---@class moongate.schema.AnyAttributes
---@field about? string
---@field by_reference? boolean
---@field check? fun(value: any): boolean?, string?
---@field default? any
---@field kong_default? any
---@field kong_unsafe? string
---@field later? string
---@field required? boolean
---@field secret? boolean

---@class moongate.schema.ArrayAttributes
---@field about? string
---@field check? fun(value: any): boolean?, string?
---@field default? any
---@field kong_default? any
---@field kong_unsafe? string
---@field later? string
---@field len_max? integer
---@field len_min? integer
---@field required? boolean
---@field secret? boolean
---@field [1]? moongate.schema.Type

---@class moongate.schema.BooleanAttributes
---@field about? string
---@field check? fun(value: any): boolean?, string?
---@field default? any
---@field kong_default? any
---@field kong_unsafe? string
---@field later? string
---@field required? boolean
---@field secret? boolean

---@class moongate.schema.MapAttributes
---@field about? string
---@field check? fun(value: any): boolean?, string?
---@field default? any
---@field keys? moongate.schema.Type
---@field kong_default? any
---@field kong_unsafe? string
---@field later? string
---@field len_max? integer
---@field len_min? integer
---@field required? boolean
---@field secret? boolean
---@field values? moongate.schema.Type
---@field [1]? moongate.schema.Type
---@field [2]? moongate.schema.Type

---@class moongate.schema.NumberAttributes
---@field about? string
---@field between? number[]
---@field check? fun(value: any): boolean?, string?
---@field default? any
---@field gt? number
---@field kong_default? any
---@field kong_unsafe? string
---@field later? string
---@field one_of? any[]
---@field required? boolean
---@field secret? boolean

---@class moongate.schema.QuantityAttributes
---@field about? string
---@field between? number[]
---@field check? fun(value: any): boolean?, string?
---@field default? any
---@field gt? number
---@field kong_default? any
---@field kong_unsafe? string
---@field later? string
---@field off? boolean
---@field required? boolean
---@field secret? boolean
---@field unit? "s"|"ms"

---@class moongate.schema.RecordAttributes
---@field about? string
---@field check? fun(value: any): boolean?, string?
---@field default? any
---@field kong_default? any
---@field kong_unsafe? string
---@field later? string
---@field required? boolean
---@field secret? boolean

---@class moongate.schema.SetAttributes
---@field about? string
---@field check? fun(value: any): boolean?, string?
---@field default? any
---@field kong_default? any
---@field kong_unsafe? string
---@field later? string
---@field len_max? integer
---@field len_min? integer
---@field required? boolean
---@field secret? boolean
---@field [1]? moongate.schema.Type

---@class moongate.schema.StringAttributes
---@field about? string
---@field check? fun(value: any): boolean?, string?
---@field default? any
---@field kong_default? any
---@field kong_unsafe? string
---@field later? string
---@field len_max? integer
---@field len_min? integer
---@field match? string
---@field not_match? string
---@field one_of? any[]
---@field required? boolean
---@field secret? boolean
---@field unique? boolean
---@field [integer] string|number

---a boolean (true or false)
---@param spec moongate.schema.BooleanAttributes
---@return moongate.schema.Type
function t.boolean(spec) end

---a network
---@param spec moongate.schema.StringAttributes
---@return moongate.schema.Type
function t.cidr(spec) end

---a count
---@param spec moongate.schema.QuantityAttributes
---@return moongate.schema.Type
function t.count(spec) end

---a duration such as "30s"
---@param spec moongate.schema.QuantityAttributes
---@return moongate.schema.Type
function t.duration(spec) end

---a header name
---@param spec moongate.schema.StringAttributes
---@return moongate.schema.Type
function t.header_name(spec) end

---a host
---@param spec moongate.schema.StringAttributes
---@return moongate.schema.Type
function t.host(spec) end

---an HTTP method
---@param spec moongate.schema.StringAttributes
---@return moongate.schema.Type
function t.http_method(spec) end

---an integer
---@param spec moongate.schema.NumberAttributes
---@return moongate.schema.Type
function t.integer(spec) end

---an IP address
---@param spec moongate.schema.StringAttributes
---@return moongate.schema.Type
function t.ip(spec) end

---an IP address or network
---@param spec moongate.schema.StringAttributes
---@return moongate.schema.Type
function t.ip_or_cidr(spec) end

---a name
---@param spec moongate.schema.StringAttributes
---@return moongate.schema.Type
function t.name(spec) end

---a number
---@param spec moongate.schema.NumberAttributes
---@return moongate.schema.Type
function t.number(spec) end

---a path
---@param spec moongate.schema.StringAttributes
---@return moongate.schema.Type
function t.path(spec) end

---a port
---@param spec moongate.schema.NumberAttributes
---@return moongate.schema.Type
function t.port(spec) end

---a time in seconds or such as "500ms"
---@param spec moongate.schema.QuantityAttributes
---@return moongate.schema.Type
function t.seconds(spec) end

---a size such as "10m"
---@param spec moongate.schema.QuantityAttributes
---@return moongate.schema.Type
function t.size(spec) end

---a string
---@param spec moongate.schema.StringAttributes
---@return moongate.schema.Type
function t.string(spec) end

---a tag
---@param spec moongate.schema.StringAttributes
---@return moongate.schema.Type
function t.tag(spec) end

---a time in milliseconds or such as "30s"
---@param spec moongate.schema.QuantityAttributes
---@return moongate.schema.Type
function t.timeout(spec) end

---a URL
---@param spec moongate.schema.StringAttributes
---@return moongate.schema.Type
function t.url(spec) end

---a UUID
---@param spec moongate.schema.StringAttributes
---@return moongate.schema.Type
function t.uuid(spec) end

---any
---@param spec moongate.schema.AnyAttributes
---@return moongate.schema.Type
function t.any(spec) end

---array
---@param spec moongate.schema.ArrayAttributes
---@return moongate.schema.Type
function t.array(spec) end

---json
---@param spec moongate.schema.AnyAttributes
---@return moongate.schema.Type
function t.json(spec) end

---map
---@param spec moongate.schema.MapAttributes
---@return moongate.schema.Type
function t.map(spec) end

---one of the given values
---@param spec moongate.schema.StringAttributes
---@return moongate.schema.Type
function t.one_of(spec) end

---set
---@param spec moongate.schema.SetAttributes
---@return moongate.schema.Type
function t.set(spec) end

---A record: its fields by name, and rules over them as list entries. Attributes of the record
---itself come second.
---@param spec table<string|integer, table>
---@param attributes? table
---@return table
function t.record(spec, attributes) end

---Checks a value; see moongate.schema.check for what it returns.
---@param kind table
---@param value any
---@param opts? { kong: boolean?, kind_of: (fun(value: table): string?)? }
---@return any value
---@return table errors
---@return table warnings
function t.validate(kind, value, opts) end

---A copy of a valid value in which every secret reads "***".
---@param kind table
---@param value any
---@return any
function t.redact(kind, value) end

---@param fields string[]
---@return table
function t.at_least_one_of(fields) end

---@param fields string[]
---@return table
function t.only_one_of(fields) end

---@param fields string[]
---@return table
function t.mutually_required(fields) end

---@param fields string[]
---@return table
function t.mutually_exclusive(fields) end

---@param rule table
---@return table
function t.conditional(rule) end

---@param rule fun(record: table): boolean?, string?, string?
---@return table
function t.check(rule) end

return t
