--- The keys at the top of a configuration, and what Moongate does where they are not written.
local t = require("moongate.schema")
local address = require("moongate.config.address")
local dns = require("moongate.config.dns")
local entities = require("moongate.config.entities")
local later = require("moongate.config.later")
local tls = require("moongate.config.tls")
local limits = require("moongate.config.limits")
local redis = require("moongate.config.redis")
local words = require("moongate.schema.words")

local M = {}

-- An entity is checked on its own, after it was found (collect.lua); here it is only passed on.
local function list_of(one, many, about)
  local element = t.any { by_reference = true }
  element.noun = { one, many }
  return t.array { element, about = about }
end

local function text_address(with_unix)
  return t.string {
    required = true,
    about = with_unix and "host:port, [address]:port, or unix:/path."
      or "host:port or [address]:port; port 0: a free one.",
    check = function(text)
      local ok, problem = address.parse(text, with_unix and "/" or nil)
      return ok ~= nil, problem
    end,
  }
end

local WORDS = { "stdout", "stderr", "on", "off", "none", "yes", "no", "true", "false", "null" }

-- A place for lines that is a file, or one of these words; the other words would be files that nobody meant.
local function no_word_but(...)
  local allowed = { ... }
  local means = {}
  for _, word in ipairs(WORDS) do
    means[word] = true
  end
  for _, word in ipairs(allowed) do
    means[word] = nil
  end
  local problem = ("must be %s or a path"):format(table.concat(allowed, ", "))
  return function(text) return not means[text], problem end
end

-- Of a file, as chmod writes it.
local function mode()
  local kind = t.string { about = "Who may connect to a unix socket: `0660`; 0600 where nothing is written." }
  kind.noun = { "a mode such as 0660", "modes" }
  kind.parse = function(text)
    if not text:find("^0?[0-7][0-7][0-7]$") then return nil, "is not a mode such as 0660" end
    return tonumber(text, 8)
  end
  return kind
end

local function group()
  local kind = t.any {
    about = "The group of a unix socket, by name or number.",
    check = function(value)
      local good = type(value) == "number" and value % 1 == 0 and value >= 0 and value < 2 ^ 31
        or type(value) == "string" and value:find("^[%w_][%w_.-]*$") ~= nil
      return good, "must be the name or number of a group"
    end,
  }
  kind.noun = { "a group", "groups" }
  return kind
end

local function only_of_unix(record)
  local place = type(record.address) == "string" and address.parse(record.address, "/")
  if place and place.kind == "tcp" and (record.mode or record.group) then
    return nil, "is for unix sockets only", record.mode and "mode" or "group"
  end
  return true
end

local function listener()
  local fields = {
    address = text_address(true),
    mode = mode(),
    group = group(),
    proxy_protocol = t.record({
      from = t.array {
        address.peer(),
        required = true,
        len_min = 1,
        about = "Whose connections begin with a PROXY header, v1 or v2, and must; `unix:`: all through unix sockets.",
      },
    }, { default = t.none }),
    tls = tls.of_listener(entities.reference),
    redirect_https = t.one_of {
      301,
      302,
      307,
      308,
      about = "Send requests that came over plain HTTP to the same place over HTTPS, with this status.",
    },
    http2 = t.boolean {
      about = "Whether HTTP/2 is spoken, too: with `tls` by ALPN, unless this is `false`; without, if it is `true`, to "
        .. "clients that begin with it (prior knowledge).",
    },
    limits = limits.of_listener,
  }
  for name, kind in pairs(later.listener) do
    fields[name] = kind
  end
  fields[#fields + 1] = t.check(only_of_unix)
  local kind = t.record(fields)
  kind.noun = { "a listener", "listeners" }
  return kind
end

local function workers()
  local kind = t.any {
    default = "auto",
    about = "Threads that serve; `auto`: one a processor. A reload does not change it.",
    check = function(value)
      local good = value == "auto" or (type(value) == "number" and value % 1 == 0 and value >= 1 and value <= 512)
      return good, 'must be "auto" or a whole number from 1 to 512'
    end,
  }
  kind.noun = { "`auto` or a number", "numbers" }
  return kind
end

local function fields()
  return {
    _format_version = t.string {
      about = '"3.0": the file is Kong\'s, and so are its defaults.',
      check = function(version)
        if version == "3.0" then
          return true
        elseif version == "1.1" or version == "2.1" then
          return nil, ('"%s" is %s; convert the file to "3.0" (deck convert)'):format(version, later.MESSAGE)
        end
        return nil, words.quote(version) .. ' is no version of Kong\'s format that is read here: write "3.0"'
      end,
    },
    _transform = t.boolean { about = "Kong's; taken and not used." },
    _comment = t.string { about = "For people." },
    _ignore = t.any { by_reference = true, about = "A place for YAML anchors." },
    _workspace = t.any { by_reference = true, about = "Kong's; taken and not used." },
    _konnect = t.any { by_reference = true, about = "Kong's; taken and not used." },
    _info = t.record({
      select_tags = t.any { by_reference = true, about = "decK's; taken and not used." },
      defaults = t.any { later = "Kong's plugins" },
    }, { default = t.none }),

    services = list_of("a service", "services", "What stands behind the gateway."),
    routes = list_of("a route", "routes", "Which requests go where; they may stand in their service, too."),
    upstreams = list_of("an upstream", "upstreams", "Several targets under one name."),
    targets = list_of("a target", "targets", "Addresses of upstreams; they may stand in their upstream, too."),
    consumers = list_of("a consumer", "consumers", "Who asks, with their credentials."),
    consumer_groups = list_of("a consumer group", "consumer groups", "Names that consumers share."),
    consumer_group_consumers = t.array {
      entities.consumer_group_consumers,
      default = {},
      about = "Kong's: who is in which group, where neither says it.",
    },
    certificates = list_of("a certificate", "certificates", "What listeners with TLS show, by name."),
    ca_certificates = list_of(
      "a CA certificate",
      "CA certificates",
      "Whose signatures count; services and listeners refer to them by id or name."
    ),
    snis = list_of("an SNI", "SNIs", "Names of certificates; they may stand in their certificate, too."),
    plugins = list_of(
      "a plugin",
      "plugins",
      "For every request; elsewhere: for the route, service, consumer or group they stand in."
    ),

    listeners = t.array { listener(), default = {}, about = "Where clients connect." },
    admin = t.record({
      address = text_address(true),
      token = t.string { secret = true, len_min = 1, about = "What callers must send; needed with a TCP address." },
    }, { default = t.none }),
    status = t.record({ address = text_address(false) }, { default = t.none }),
    workers = workers(),
    plugin_paths = t.array {
      t.string { len_min = 1 },
      about = "Folders of plugins, before the bundled ones; `[./plugins]` where nothing is written.",
    },
    default_access = t.one_of {
      "deny",
      "allow",
      default = "deny",
      kong_default = "allow",
      about = "Whether a route without an authenticating plugin may do without `public: true`.",
    },
    watch = t.boolean { default = false, about = "Reload when this file or a plugin changes, as `--watch` does." },
    strict = t.boolean { default = false, about = "Warnings are errors." },
    path_match = t.one_of {
      "segment",
      "prefix",
      default = "segment",
      kong_default = "prefix",
      about = "Whether the path `/users` takes `/users/7` alone, or `/usersx`, too.",
    },
    drain_timeout = t.duration {
      unit = "ms",
      default = "60s",
      about = "How long a stopping process waits for its streams.",
    },
    drain_delay = t.duration {
      unit = "ms",
      off = true,
      default = "off",
      between = { 0, 3600000 },
      about = "How long before that it goes on as before, but for `/health/ready`, which says 503: for load "
        .. "balancers to see it.",
    },
    limits = limits.of_listener,
    dns = dns.RECORD,
    redis = redis.RECORD,
    quotas = t.record({
      file = t.string {
        required = true,
        len_min = 1,
        about = "Where quotas (`policy: file`) are kept over restarts: a file on a local disk, of this gateway alone.",
      },
      flush_interval = t.duration {
        unit = "ms",
        default = "1s",
        between = { 10, 3600000 },
        about = "How often what was used is written; so much an end by force may lose.",
      },
      size = t.size {
        default = "32m",
        between = { 2 ^ 16, 2 ^ 36 },
        about = "Memory for keys that are in use; others are read from the file when they come.",
      },
    }, { default = t.none }),
    lua = t.record {
      budget = t.duration {
        unit = "ms",
        default = "100ms",
        off = true,
        about = "How long a hook may compute without waiting; then it is stopped, and its request gets 500.",
      },
      stuck_limit = t.duration {
        unit = "ms",
        default = "2s",
        off = true,
        about = "After it a hook that cannot be stopped ends the worker process, which is started again.",
      },
      load_limit = t.duration {
        unit = "ms",
        default = "10s",
        off = true,
        about = "How long plugins may compute while they are loaded, `init` included; then the load fails.",
      },
      memory = t.size { default = "256m", about = "Memory of one Lua state." },
      old_generations = t.size {
        default = "256m",
        about = "Lua memory of all older generations; above it the oldest requests that still need some of it end.",
      },
      bodies = t.size {
        default = "256m",
        about = "Bytes of bodies that one plugin may have collected in one worker at once.",
      },
      fetches = t.count { default = 2000, about = "Requests that one plugin may have under way in one worker." },
      tasks = t.count { default = 100, about = "Background tasks that one plugin may declare." },
      log_lines = t.count {
        default = 1000,
        off = true,
        about = "Lines a second that one plugin may log in one worker; what is more is dropped and counted.",
      },
    },
    log = t.record {
      access = t.string {
        default = "stdout",
        len_min = 1,
        check = no_word_but("stdout", "off"),
        about = "Where a line a request goes: stdout, off or a path.",
      },
      error = t.string {
        default = "stderr",
        len_min = 1,
        check = no_word_but("stderr"),
        about = "Where messages go: stderr or a path.",
      },
      level = t.one_of {
        "debug",
        "info",
        "notice",
        "warn",
        "warning",
        "err",
        "error",
        default = "notice",
        about = "The least important messages that are written.",
      },
    },
    trusted_proxies = t.array {
      address.peer(),
      about = "Whose X-Forwarded-* headers and correlation ids are believed; `unix:`: who comes through a unix socket.",
    },
    trusted_ips = t.array { address.peer(), about = "Kong's name for trusted_proxies." },
    zones = t.map {
      keys = t.string {
        check = function(name) return name:find("^[%w_-]+/[%w_]+$") ~= nil, 'must be "plugin/name"' end,
      },
      values = t.record {
        size = t.size { required = true, between = { 2 ^ 16, 2 ^ 40 }, about = "Bytes it may have." },
      },
      about = "Sizes for what plugins keep for all workers, by `plugin/name`, instead of their own.",
    },
    fetch = t.record {
      allow = t.array {
        t.string { len_min = 1 },
        default = {},
        about = "Hosts outside this file that ctx:fetch may ask: `host`, `host:port` or `*.domain`.",
      },
    },
  }
end

local function token_needed(record)
  local admin = record.admin
  local place = admin and address.parse(admin.address, "/")
  if place and place.kind == "tcp" and not admin.token then
    return nil, "needs a token, because its address is not a unix socket", "admin"
  end
  return true
end

local all = fields()
for name in pairs(entities.COLLECTIONS) do
  all[name] = list_of(
    "a credential",
    "credentials",
    ("Credentials for %s; each names its consumer."):format(entities.COLLECTIONS[name])
  )
end
for name, kind in pairs(later.top) do
  all[name] = kind
end
all[#all + 1] = t.mutually_exclusive { "trusted_proxies", "trusted_ips" }
all[#all + 1] = t.check(token_needed)

M.schema = t.record(all)

local function absolute(path, folder)
  return path:sub(1, 1) == "/" and path or folder .. "/" .. path:gsub("^%./", "")
end

local LEVELS = { warning = "warn", err = "error" }

local function log_of(log, folder)
  local keywords = { stdout = true, stderr = true, off = true }
  return {
    access = keywords[log.access] and log.access or absolute(log.access, folder),
    error = keywords[log.error] and log.error or absolute(log.error, folder),
    level = LEVELS[log.level] or log.level,
  }
end

local function place_of(record, folder)
  return record and type(record.address) == "string" and address.parse(record.address, folder) or nil
end

-- What is wrong was reported; the rest of the file is still to be checked, so the defaults step in.
local function whole(top)
  local result = t.validate(M.schema, {}, { kong = top._format_version ~= nil })
  for key, value in pairs(top) do
    result[key] = value
  end
  return result
end

--- The normal form of everything but entities.
---@param top table     what M.schema made of the file
---@param good boolean  whether it was valid
---@param folder string absolute; relative paths lie there
---@return table config
function M.normalise(top, good, folder)
  top = good and top or whole(top)
  local config = {
    format = top._format_version and "kong" or "native",
    workers = top.workers,
    watch = top.watch,
    strict = top.strict,
    default_access = top.default_access,
    path_match = top.path_match,
    drain_timeout = top.drain_timeout,
    drain_delay = top.drain_delay,
    lua = top.lua,
    fetch = top.fetch,
    zones = top.zones,
    dns = top.dns,
    quotas = good and top.quotas and {
      file = absolute(top.quotas.file, folder),
      flush_interval = top.quotas.flush_interval,
      size = top.quotas.size,
    },
    log = good and log_of(top.log, folder) or nil,
    limits = limits.resolve(top.limits),
    trusted_proxies = top.trusted_proxies or top.trusted_ips or {},
    admin = { address = place_of(top.admin, folder), token = top.admin and top.admin.token },
    status = top.status and { address = place_of(top.status) } or nil,
    listeners = {},
    plugin_paths = {},
  }
  for i, entry in ipairs(top.listeners) do
    local listener_config = place_of(entry, folder) or {}
    listener_config.mode, listener_config.group = entry.mode, entry.group
    listener_config.http2 = entry.http2
    if entry.http2 == nil then listener_config.http2 = entry.tls ~= nil end
    listener_config.proxy_from = entry.proxy_protocol and entry.proxy_protocol.from
    listener_config.limits = limits.resolve(top.limits, entry.limits)
    listener_config.own_limits = entry.limits or {}
    listener_config.tls = entry.tls
    listener_config.redirect_https = entry.redirect_https
    config.listeners[i] = listener_config
  end
  for i, path in ipairs(top.plugin_paths or { "./plugins" }) do
    config.plugin_paths[i] = absolute(path, folder)
  end
  return config
end

return M
