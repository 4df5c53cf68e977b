--- How names become addresses: the record `dns` at the top, and which names are asked for SRV records.
local t = require("moongate.schema")
local address = require("moongate.config.address")
local types = require("moongate.schema.types")
local words = require("moongate.schema.words")

local M = {}

local MAX_SERVERS, MAX_HOSTS = 8, 1000

local function is_ip(text) return types.is_ipv4(text) or types.is_ipv6(text) end

-- "10.0.0.53", "10.0.0.53:5353", "[::1]:5353" → with its port, or nothing.
local function server_address(text)
  local host, port = address.split(text)
  if not host then
    host, port = text:gsub("^%[(.*)%]$", "%1"), 53
  end
  if not is_ip(host) or port == 0 then return nil end
  return (host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(host, port)
end

local function server()
  local kind = t.string {}
  kind.noun = { "an IP address, with or without a port", "IP addresses, with or without ports" }
  kind.parse = function(text)
    local parsed = server_address(text)
    if not parsed then return nil, words.quote(text) .. " is not an IP address, with or without a port" end
    return parsed
  end
  return kind
end

M.RECORD = t.record {
  servers = t.array {
    server(),
    len_min = 1,
    len_max = MAX_SERVERS,
    about = "Who is asked, in this order; without it those of /etc/resolv.conf, which is read again when it changes.",
  },
  timeout = t.duration {
    unit = "ms",
    default = "2s",
    between = { 1, 60000 },
    about = "How long the first try waits; each further one waits twice as long as the one before.",
  },
  tries = t.integer { between = { 1, 10 }, default = 2, about = "How often each server is asked." },
  min_ttl = t.duration {
    unit = "ms",
    default = "1s",
    between = { 100, 86400000 },
    about = "An answer is good for at least so long, whatever it says …",
  },
  max_ttl = t.duration {
    unit = "ms",
    default = "1h",
    between = { 100, 86400000 },
    about = "… and for at most so long.",
  },
  empty_answers = t.count {
    default = 3,
    about = "An upstream keeps the addresses of a name that is no more until so many answers in a row said so …",
  },
  empty_hold = t.duration { unit = "ms", default = "30s", about = "… over so long a time." },
  hosts = t.map {
    t.host {},
    t.array { t.ip {}, len_min = 1 },
    about = "Addresses of names that nobody is asked for: `{ users.internal: [10.0.0.7] }`.",
  },
  t.check(function(record)
    if record.min_ttl > record.max_ttl then return nil, "is longer than max_ttl", "min_ttl" end
    local count = 0
    for _, list in pairs(record.hosts or {}) do
      count = count + #list
    end
    if count > MAX_HOSTS then return nil, ("holds more than %d addresses"):format(MAX_HOSTS), "hosts" end
    return true
  end),
}

--- Whether a host is asked for SRV records: `said` by its target, else as such names begin (`_http._tcp.…`).
---@param host string?
---@param said "srv"|"address"|nil
---@return boolean
function M.has_services(host, said)
  if said then return said == "srv" end
  return host ~= nil and host:find("^_[%w-]+%._[%w-]+%.") ~= nil
end

return M
