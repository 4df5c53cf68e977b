--- The record `redis` at the top: connections to Redis by name, for limits and for plugins (moongate.redis).
local native = require("moongate.config.native")
local pem = require("moongate.config.pem")
local report = require("moongate.config.report")
local t = require("moongate.schema")

local C = native.available and require("moongate.cdef") or nil

local M = {}

-- What a socket's path may have (sun_path, with its NUL).
local PATH_MAX = 107

local ENTRY = t.record {
  host = t.host { about = "Where it is: a name or an address." },
  port = t.port { default = 6379 },
  unix_socket = t.string {
    len_max = PATH_MAX,
    check = function(path) return path:sub(1, 1) == "/", "must be an absolute path" end,
    about = "Instead of `host`: the path of its socket.",
  },
  username = t.string { len_min = 1, about = "Of its ACL; without it `password` is for everybody (requirepass)." },
  password = t.string { len_min = 1, secret = true, about = "What it wants to know of us." },
  database = t.integer { between = { 0, 65535 }, default = 0, about = "The number of the database." },
  tls = t.boolean { default = false, about = "Whether it speaks TLS." },
  tls_verify = t.boolean {
    default = true,
    about = "Whether its certificate must be signed by somebody trusted, for its name.",
  },
  server_name = t.host { about = "The name that its certificate must have, where that is not `host`." },
  ca_certificate = t.string {
    len_min = 1,
    about = "PEM, or a file: who is trusted; without it whom the system trusts.",
  },
  timeout = t.duration {
    unit = "ms",
    default = "1s",
    between = { 1, 600000 },
    about = "How long a command waits for its reply, where whoever sends it says nothing else.",
  },
  connect_timeout = t.duration {
    unit = "ms",
    default = "1s",
    between = { 1, 600000 },
    about = "How long it may take to connect, with TLS and the password.",
  },
  idle_timeout = t.duration {
    unit = "ms",
    default = "60s",
    between = { 100, 86400000 },
    about = "After it a connection that nobody uses is closed.",
  },
  pool_size = t.integer {
    between = { 1, 64 },
    default = 1,
    about = "Connections of a worker; all its commands share them, so that one is enough where none takes long.",
  },
  max_commands = t.integer {
    between = { 1, 1000000 },
    default = 1000,
    about = "Commands that may wait on a connection; beyond it they fail at once …",
  },
  max_queued = t.size { default = "4m", between = { 1024, 2 ^ 30 }, about = "… and their bytes." },
  max_reply = t.size { default = "16m", between = { 1024, 2 ^ 30 }, about = "Bytes of one reply." },
  sentinel_nodes = t.any { later = "Who may how often" },
  sentinel_master = t.any { later = "Who may how often" },
  sentinel_role = t.any { later = "Who may how often" },
  sentinel_username = t.any { later = "Who may how often" },
  sentinel_password = t.any { later = "Who may how often", secret = true },
  cluster_nodes = t.any { later = "Who may how often" },
  cluster_max_redirections = t.any { later = "Who may how often" },
  t.only_one_of { "host", "unix_socket" },
  t.at_least_one_of { "host", "unix_socket" },
  t.check(function(record)
    if record.tls and record.unix_socket then return nil, "is for hosts only", "tls" end
    if record.username and not record.password then return nil, "needs a password", "username" end
    if not record.tls then
      for _, name in ipairs { "server_name", "ca_certificate" } do
        if record[name] then return nil, "needs tls: true", name end
      end
    end
    return true
  end),
}

M.RECORD = t.map {
  keys = t.string { match = "^[%w_.-]+$", len_max = 64 },
  values = ENTRY,
  about = "Connections to Redis, by the name that limits and plugins call them.",
}

local function tls_of(state, config, name, entry)
  local path = { "redis", name, "ca_certificate" }
  local ca = pem.text(state, config, entry.ca_certificate, path)
  if ca and pem.check(state, path, "gw_tls_check_ca", ca, #ca) then
    pem.warn_of_time(state, path, ca)
    return ca
  end
end

--- Puts the connections into the normal form: `redis`, by name, as moongate.redis opens them.
---@param state table   from collect.lua
---@param config table  the normal form so far
---@param given? table  what stands at the top
function M.run(state, config, given)
  config.redis = {}
  for name, entry in pairs(given or {}) do
    local own = {}
    for key, value in pairs(entry) do
      own[key] = value
    end
    own.name, own.ca_certificate = name, nil
    own.ca = entry.tls and tls_of(state, config, name, entry) or nil
    config.redis[name] = own
  end
  if next(config.redis) and C and C.gw_pdk_redis_available() == 0 then
    report.error(
      state.report,
      { "redis" },
      "this moongate was built without hiredis, so it cannot speak to Redis (install libhiredis-dev and build again)"
    )
  end
end

return M
