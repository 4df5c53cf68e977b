--- Reads a configuration, YAML or JSON, native or Kong's (`_format_version`), and gives back its normal form:
--- plain data with every default filled in, every limit resolved and every reference an index. All errors at once.
---
--- In the normal form sizes are bytes, times are milliseconds, and 0 stands for "off". Indices count from 1.
---
---     format          "native" | "kong"
---     file            the file as it was named; `folder` is its absolute folder
---     workers         "auto" | N                      watch, strict   booleans
---     default_access  "deny" | "allow"                path_match      "segment" | "prefix"
---     drain_timeout   ms
---     drain_delay     ms
---     limits          { head, headers, target, body, buffer, head_timeout, body_min_rate, idle_timeout,
---                       total_timeout, connections, connections_per_client, requests_per_connection, write_queue,
---                       pending }
---     listeners[]     { kind = "tcp", host, port, text, loopback, limits }
---     admin           { address = ADDRESS | nil (the default unix socket), token }
---                     ADDRESS = { kind = "tcp", host, port, … } | { kind = "unix", path, … }, `text` in one piece
---     status          nil | { address = ADDRESS }
---     lua             { budget, stuck_limit, memory, old_generations }
---     log             { access = "stdout" | "off" | PATH, error = "stderr" | PATH, level }
---     fetch           { allow = { … } }
---     trusted_proxies { "10.0.0.0/8", … }             plugin_paths    { absolute folders }
---     redis           { [name] = { name, host | unix_socket, …, ca = PEM | nil } } (redis.lua)
---     services[]      { id, name, tags, enabled, protocol, host, port, path, upstream = index | nil, retries,
---                       connect_timeout, write_timeout, read_timeout, response_timeout,
---                       event_stream_timeout | nil, websocket_timeout | nil, grpc_idle_timeout | nil,
---                       forwarded_header, http2, proxy_protocol | nil, tls (tls_services.lua) | nil,
---                       keepalive = { connections, requests, idle }, limits }
---     routes[]        { id, name, tags, service = index | nil, enabled (false: its service is off),
---                       paths = { { kind = "prefix" | "exact" | "regex" | "template", text without = and ~ } },
---                       hosts = { { kind = "exact" | "leading" | "trailing", text } }, methods = { "GET" },
---                       headers, query = { { name, values = { … } (none: it must be there) | nil, regex | nil } },
---                       regex_priority, grpc, websocket | nil, strip_path, preserve_host, path_match, public,
---                       limits, own_limits = what service and route say themselves, path, line }
---     upstreams[]     { id, name, tags, balancing (balancing.lua), health (health.lua), host_header,
---                       targets = { { id, host, port, weight, priority, tags } } }
---     consumers[]     { id, username, custom_id, tags, groups = { … }, credentials = { [plugin] = { { … }, … } } }
---     consumer_groups[] { id, name, tags }
---     plugins[]       { id, name, instance_name, tags, enabled, config,
---                       scope = { service, route, consumer, consumer_group }, priority, on_error = "reply" | "skip",
---                       authenticates (and no `anonymous`), path, line, dir = the plugin's folder,
---                       hooks = { access = true, … }, shown = config without secrets }
---     warnings[]      { path, line, file, message }, as errors are
local access = require("moongate.config.access")
local certificates = require("moongate.config.certificates")
local collect = require("moongate.config.collect")
local credentials = require("moongate.config.credentials")
local document = require("moongate.config.document")
local files = require("moongate.config.files")
local groups = require("moongate.config.groups")
local json = require("moongate.config.json")
local native = require("moongate.config.native")
local plugins = require("moongate.config.plugins")
local redis = require("moongate.config.redis")
local report = require("moongate.config.report")
local services = require("moongate.config.services")
local tls = require("moongate.config.tls")
local top = require("moongate.config.top")
local uses = require("moongate.config.uses")
local words = require("moongate.schema.words")
local yaml = require("moongate.config.yaml")

local M = {}

M.format = report.format

local function read(path, opts)
  if opts.doc then return opts.doc end
  local text = opts.text
  if not text then
    local reason
    text, reason = files.read(path)
    if not text then
      return nil,
        { { path = "", file = path, message = "cannot be read: " .. tostring(reason):gsub("^.-: ", "") } }
    end
  end
  local reader = path:find("%.json$") and json or yaml
  local doc = reader.read(text, opts.env or os.getenv)
  if doc.root == nil and #doc.errors == 0 then doc.root = document.container(doc, "map", 1) end
  return doc
end

local function finder(config, opts)
  if opts.plugins then return opts.plugins end
  return plugins.finder { paths = config.plugin_paths, bundled = opts.bundled or "plugins" }
end

-- `plugin_paths` that were written must exist; the default one need not.
local function check_plugin_paths(rep, config)
  for i, path in ipairs(config.plugin_paths) do
    if rep.doc.root.plugin_paths and not files.is_folder(path) then
      report.error(rep, { "plugin_paths", i - 1 }, ("there is no folder %s"):format(words.quote(path)))
    end
  end
end

local function check_listeners(rep, config)
  local seen = {}
  for i, listener in ipairs(config.listeners) do
    local before = listener.port ~= 0 and listener.text and seen[listener.text]
    if before then
      report.error(
        rep,
        { "listeners", i - 1, "address" },
        ("%s is listened to already (line %d)"):format(
          listener.text,
          report.line(rep, { "listeners", before - 1 })
        )
      )
    end
    seen[listener.text or ""] = i
  end
  if #config.listeners == 0 then
    report.warn(rep, {}, "there are no listeners, so no client can connect (write listeners: [{ address: … }])")
  end
end

local function entities(rep, config, value, opts)
  local state = collect.run(rep)
  local known = finder(config, opts)
  certificates.run(state, config)
  redis.run(state, config, value and value.redis)
  config.services, config.routes = {}, {}
  for i, item in ipairs(state.items.services) do
    config.services[i] = services.service(state, item, value, config)
  end
  for i, item in ipairs(state.items.routes) do
    config.routes[i] = services.route(state, item, config, value, opts)
  end
  config.upstreams = services.upstreams(state)
  config.consumers = services.consumers(state)
  config.consumer_groups = groups.declared(state)
  credentials.run(state, config.consumers, known)
  config.plugins = uses.run(state, known)
  tls.run(state, config)
  config.tls_files, config.expiries = words.keys(state.folders), {}
  for i, expiry in ipairs(state.expiries) do
    config.expiries[i] = expiry
  end
  return state
end

-- Who may pass is only judged when every use of a plugin is understood: a misspelt name would make its routes look
-- open.
local function judge(rep, config, state)
  local understood = #config.plugins == #state.items.plugins
  for _, item in ipairs(state.items.plugins) do
    understood = understood and item.good and not item.dangling
  end
  if understood then access.run(state, config) end
  if config.strict then
    for _, warning in ipairs(rep.warnings) do
      rep.errors[#rep.errors + 1] = warning
    end
  end
end

---@class moongate.config.options
---@field text? string     instead of what the file holds
---@field doc? table       a document that was made otherwise; see moongate.config.document
---@field folder? string   where relative paths lie, instead of the file's folder
---@field env? fun(name: string): string?  instead of the environment
---@field bundled? string  the folder of the bundled plugins
---@field plugins? fun(name: string): table?, string?  instead of looking for folders; see moongate.config.plugins
---@field check_regex? fun(pattern: string): boolean?, string?  whether a regex compiles

--- Reads and checks a configuration.
---@param path string  ".json" is read as JSON, everything else as YAML
---@param opts? moongate.config.options
---@return table? config
---@return table[]? errors  { path = "routes[3].paths[0]", line, file, message }; M.format makes a line of one
function M.load(path, opts)
  opts = setmetatable({}, { __index = opts or {} })
  opts.check_regex = opts.check_regex or native.check_regex
  local doc, problem = read(path, opts)
  if not doc then return nil, problem end
  if type(doc.root) ~= "table" or doc.marks[doc.root].kind ~= "map" then
    if #doc.errors == 0 then
      document.complain(doc, 1, "a configuration is a map; this file holds " .. words.value(doc.root))
    end
    return nil, report.finish(report.new(doc, path, false))
  end
  local rep = report.new(doc, path, doc.root._format_version ~= nil)
  local value, good = report.check(rep, top.schema, doc.root, {})
  local folder = opts.folder or files.absolute(files.folder(path)) or files.folder(path)
  local config = top.normalise(value, good, folder)
  config.file, config.folder = path, folder
  check_plugin_paths(rep, config)
  check_listeners(rep, config)
  judge(rep, config, entities(rep, config, value, opts))
  local errors = report.finish(rep)
  if #errors > 0 then return nil, errors end
  config.warnings = rep.warnings
  return config
end

return M
