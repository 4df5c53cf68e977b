--- The types of the schema language: the plain kinds and the typedefs built on them.
--- A scalar type says which Lua types it takes (`takes`), how it is called in messages (`noun`,
--- singular and plural),
--- and may parse the value into its normal form: `parse(value, type)` returns it, or nil and a
--- reason.
local M = {}

local COMMON = {
  about = "string",
  required = "boolean",
  default = "any",
  kong_default = "any", -- the default in a file with `_format_version`; `t.none` for none
  kong_unsafe = "string", -- why relying on `kong_default` deserves a warning
  later = "string", -- known, not in this version: only the default is taken
  secret = "boolean", -- never shown
  check = "function", -- gets the normal form, returns true, or nil and a reason
}

local function attributes(more)
  local all = {}
  for name, kind in pairs(COMMON) do
    all[name] = kind
  end
  for name, kind in pairs(more) do
    all[name] = kind
  end
  return all
end

local TEXT = attributes {
  one_of = "list",
  match = "pattern",
  not_match = "pattern",
  len_min = "count",
  len_max = "count",
  unique = "boolean", -- of a credential: no two consumers have it
}
local NUMBER = attributes { one_of = "list", between = "range", gt = "number" }
local QUANTITY = attributes {
  between = "range",
  gt = "number",
  off = "boolean", -- takes "off" too, which becomes 0
  unit = "unit", -- of a duration's normal form: "s" (the default) or "ms"
}

--- What each kind accepts: its own attributes and how many types it holds.
M.KINDS = {
  string = { attributes = TEXT },
  number = { attributes = NUMBER },
  boolean = { attributes = attributes {} },
  quantity = { attributes = QUANTITY },
  any = { attributes = attributes { by_reference = "boolean" } }, -- the value itself, not a copy
  array = { attributes = attributes { len_min = "count", len_max = "count" }, holds = 1 },
  set = { attributes = attributes { len_min = "count", len_max = "count" }, holds = 1 },
  map = {
    attributes = attributes { len_min = "count", len_max = "count", keys = "type", values = "type" },
    holds = 2,
  },
  record = { attributes = attributes {} },
}

local function is_token(text) return text:find("^[%w!#$%%&'*+%-.^_`|~]+$") ~= nil end

-- Dotted decimal only: "010.1.1.1" and "1.1" are addresses to some readers and not to others.
local function is_ipv4(text)
  local count = 0
  for part in (text .. "."):gmatch("(.-)%.") do
    if not part:find("^%d%d?%d?$") or tonumber(part) > 255 or part:find("^0%d") then return false end
    count = count + 1
  end
  return count == 4
end

local function count_groups(text)
  local count = 0
  if text == "" then return 0 end
  for group in (text .. ":"):gmatch("(.-):") do
    if group:find("%.") then
      if not is_ipv4(group) then return nil end
      count = count + 2
    elseif group:find("^%x%x?%x?%x?$") then
      count = count + 1
    else
      return nil
    end
  end
  return count
end

local function is_ipv6(text)
  if text:find("%.[^.]*:") or not text:find(":", 1, true) then return false end
  local at = text:find("::", 1, true)
  if not at then return count_groups(text) == 8 end
  local left, right = text:sub(1, at - 1), text:sub(at + 2)
  local a, b = count_groups(left), count_groups(right)
  return a ~= nil and b ~= nil and not left:find("%.") and a + b <= 7
end

local function is_hostname(text)
  if #text > 253 or text:find("^[%d.]+$") then
    return false -- digits and dots that are no address are a typing error
  end
  for label in (text:gsub("%.$", "") .. "."):gmatch("(.-)%.") do
    if #label > 63 or not label:find("^[%w_][%w_-]*$") or label:find("-$") then return false end
  end
  return true
end

M.is_ipv4, M.is_ipv6 = is_ipv4, is_ipv6

local function host(text)
  if is_ipv4(text) or is_hostname(text) then return text:lower() end
  local inner = text:match("^%[(.*)%]$") or text
  if is_ipv6(inner) then return inner:lower() end
  return nil, "is not a host name or an IP address"
end

local function ip(text)
  if is_ipv4(text) or is_ipv6(text) then return text:lower() end
  return nil, "is not an IP address"
end

local function cidr(text)
  local address, bits = text:match("^(.-)/(%d%d?%d?)$")
  if not address or not (is_ipv4(address) or is_ipv6(address)) then
    return nil, "is not a network such as 10.0.0.0/8"
  elseif tonumber(bits) > (is_ipv4(address) and 32 or 128) then
    return nil, "has more bits than its address"
  end
  return text:lower()
end

local function ip_or_cidr(text)
  return text:find("/", 1, true) and cidr(text) or not text:find("/", 1, true) and ip(text) or nil,
    "is not an IP address or a network such as 10.0.0.0/8"
end

local function path(text)
  if text:sub(1, 1) ~= "/" then
    return nil, 'must begin with "/"'
  elseif text:find("[%c%s\127?#]") then
    return nil, "must not hold blanks, control characters, ? or #"
  elseif text:gsub("%%%x%x", ""):find("%", 1, true) then
    return nil, "holds a % that is not followed by two hex digits"
  end
  return text
end

local function url(text)
  local scheme, authority, rest = text:match("^(%a[%w+.-]*)://([^/?#]*)(.*)$")
  if not scheme then return nil, "is not an absolute URL such as https://example.com/" end
  local name = authority:gsub("^.*@", ""):gsub(":%d+$", "")
  local ok = host(name)
  if not ok or rest:find("[%c%s\127]") then return nil, "is not a URL: its host or path is malformed" end
  return text
end

local function uuid(text)
  local hex = "%x%x%x%x"
  if text:find("^" .. hex .. hex .. ("%-" .. hex):rep(4) .. hex .. hex .. "$") then return text:lower() end
  return nil, "is not a UUID"
end

local function name(text)
  if #text > 128 or not text:find("^[%w%.%-_~\128-\255]+$") then
    return nil, "must be 1 to 128 letters, digits, '.', '-', '_' or '~'"
  end
  return text
end

local function tag(text)
  if text == "" or #text > 128 or text:find("[%c,/\127]") then
    return nil, "must be 1 to 128 characters without , and /"
  end
  return text
end

local UNITS_MS = { ms = 1, s = 1000, m = 60000, h = 3600000, d = 86400000 }
local UNITS_BYTES = { b = 1, k = 1024, m = 1024 ^ 2, g = 1024 ^ 3 }

-- "10m" → 10 * units.m; "off" → 0 where the type allows it.
local function quantity(text, kind, units, known)
  if text == "off" then
    if kind.off then return 0 end
    return nil, "cannot be switched off"
  end
  local digits, unit = text:match("^(%d+%.?%d*)%s*(%a+)$")
  local factor = unit and units[unit:lower()]
  if not factor then return nil, "needs a number and its unit (" .. known .. ")" end
  local result = math.floor(tonumber(digits) * factor)
  if result == 0 then
    return nil, kind.off and 'must be more than 0 (write "off" to switch it off)' or "must be more than 0"
  elseif result > 2 ^ 53 then
    return nil, "is too large"
  end
  return result
end

-- Seconds, because that is what the functions of the PDK take; the core asks for milliseconds.
local function duration(text, kind)
  local ms, reason = quantity(text, kind, UNITS_MS, "ms, s, m, h, d")
  return ms and (kind.unit == "ms" and ms or ms / 1000), reason
end

local function size(text, kind) return quantity(text, kind, UNITS_BYTES, "b, k, m, g") end

-- Kong's times: a number of milliseconds, or anything with a unit.
local function timeout(value, kind)
  if type(value) == "string" then
    return quantity(value, kind, UNITS_MS, "ms, s, m, h, d")
  elseif value % 1 ~= 0 or value < 1 or value > 2 ^ 31 - 2 then
    return nil, "must be a whole number of milliseconds from 1 to 2147483646"
  end
  return value
end

-- Kong's intervals: a number of seconds, or anything with a unit. The core asks for milliseconds.
local function seconds(value, kind)
  if type(value) == "string" then
    return quantity(value, kind, UNITS_MS, "ms, s, m, h, d")
  elseif not (value >= 0 and value <= 65535) then
    return nil, "must be a number of seconds from 0 to 65535"
  end
  return math.floor(value * 1000 + 0.5)
end

local function count(value, kind)
  if value == "off" and kind.off then
    return 0
  elseif type(value) == "string" or value % 1 ~= 0 or value < 1 or value > 2 ^ 31 - 1 then
    return nil, "must be a whole number, 1 or more" .. (kind.off and ', or "off"' or "")
  end
  return value
end

local function integer(value)
  if value % 1 ~= 0 or math.abs(value) > 2 ^ 53 then return nil, "must be a whole number" end
  return value
end

local function number(value)
  if value ~= value or math.abs(value) == math.huge then return nil, "must be a finite number" end
  return value
end

local function port(value)
  if value % 1 ~= 0 or value < 1 or value > 65535 then return nil, "must be a port from 1 to 65535" end
  return value
end

local function checked(test, reason)
  return function(text)
    if test(text) then return text end
    return nil, reason
  end
end

local S, N, SN = { string = true }, { number = true }, { string = true, number = true }

local function def(kind, takes, one, many, parse)
  return { kind = kind, takes = takes, noun = { one, many }, parse = parse }
end

--- Every scalar type by its name.
M.SCALARS = {
  string = def("string", S, "a string", "strings"),
  number = def("number", N, "a number", "numbers", number),
  integer = def("number", N, "an integer", "integers", integer),
  boolean = def("boolean", { boolean = true }, "a boolean (true or false)", "booleans"),
  header_name = def("string", S, "a header name", "header names", checked(is_token, "is not a header name")),
  http_method = def(
    "string",
    S,
    "an HTTP method",
    "HTTP methods",
    checked(function(text) return text:find("^[A-Z][A-Z-]*$") end, "is not an HTTP method in capital letters")
  ),
  host = def("string", S, "a host", "hosts", host),
  ip = def("string", S, "an IP address", "IP addresses", ip),
  cidr = def("string", S, "a network", "networks", cidr),
  ip_or_cidr = def("string", S, "an IP address or network", "IP addresses or networks", ip_or_cidr),
  port = def("number", N, "a port", "ports", port),
  path = def("string", S, "a path", "paths", path),
  url = def("string", S, "a URL", "URLs", url),
  uuid = def("string", S, "a UUID", "UUIDs", uuid),
  name = def("string", S, "a name", "names", name),
  tag = def("string", S, "a tag", "tags", tag),
  duration = def("quantity", S, 'a duration such as "30s"', "durations", duration),
  size = def("quantity", S, 'a size such as "10m"', "sizes", size), -- bytes
  count = def("quantity", SN, "a count", "counts", count),
  timeout = def("quantity", SN, 'a time in milliseconds or such as "30s"', "times", timeout),
  seconds = def("quantity", SN, 'a time in seconds or such as "500ms"', "times", seconds),
}

return M
