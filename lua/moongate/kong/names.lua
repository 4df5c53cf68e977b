--- What Kong's names are called here: the table by which a plugin is moved (moongate.kong.move, docs/kong.md).
local M = {}

--- The tables of the PDK whose functions are methods of ctx here, with the same names.
M.NAMESPACES = {
  request = "request",
  response = "response",
  service = "service",
  ["service.request"] = "service_request",
  ["service.response"] = "service_response",
  client = "client",
  ["client.tls"] = "client_tls",
  router = "router",
  log = "log",
  node = "node",
  ip = "ip",
}

--- Everything else that has a like: what stands in its place. `ctx`: it needs one.
M.OTHERS = {
  ["ctx.plugin"] = { "ctx.plugin", ctx = true },
  ["ctx.shared"] = { "ctx.shared", ctx = true },
  ["log"] = { "ctx.log:notice", ctx = true, call = true },
  ["plugin.get_id"] = { "ctx:get_plugin_id", ctx = true, call = true },
  ["table.new"] = { 'require("moongate.table").new' },
  ["table.clear"] = { 'require("moongate.table").clear' },
  ["table.merge"] = { 'require("moongate.table").merge' },
  ["version"] = { 'require("moongate.version").text' },
  ["version_num"] = { 'require("moongate.version").number' },
}

--- Kong's hooks: what they are called here, and what they get.
M.HOOKS = {
  init_worker = { "init", "" },
  configure = { "init", "configs" },
  rewrite = { "rewrite", "conf, ctx" },
  access = { "access", "conf, ctx" },
  response = { "response", "conf, ctx" },
  header_filter = { "response", "conf, ctx" },
  body_filter = { "body", "conf, ctx, chunk, last" },
  log = { "log", "conf, ctx" },
}
M.NO_HOOKS = {
  certificate = "not in this version",
  preread = "there are no TCP streams here",
  ws_handshake = "not in this version",
  ws_client_frame = "not in this version",
  ws_upstream_frame = "not in this version",
  ws_close = "not in this version",
}

--- Fields of a handler.
M.FIELDS = { PRIORITY = "priority", VERSION = "version" }

--- Modules with a like that has the same functions.
M.MODULES = { ["cjson"] = "moongate.json", ["cjson.safe"] = "moongate.json", ["resty.http"] = "moongate.http" }

--- Modules that are LuaJIT's own.
M.SAME_MODULES = { ["table.new"] = true, ["table.clear"] = true, bit = true, ffi = true, ["string.buffer"] = true }

--- Of nginx: what has a like (`first`: an argument before the others), and what to say of the rest.
M.NGINX = {
  ["ngx.encode_base64"] = { 'require("moongate.crypto").base64_encode', call = true },
  ["ngx.decode_base64"] = { 'require("moongate.crypto").base64_decode', call = true },
  ["ngx.md5_bin"] = { 'require("moongate.crypto").md5', call = true },
  ["ngx.sha1_bin"] = { 'require("moongate.crypto").sha1', call = true },
  ["ngx.hmac_sha1"] = { 'require("moongate.crypto").hmac', call = true, first = '"sha1", ' },
  ["ngx.null"] = { 'require("moongate.json").null' },
  ["ngx.now"] = { 'require("moongate.time").now', call = true },
  ["ngx.ctx"] = { "ctx.shared", ctx = true },
}
M.LEVELS = {
  EMERG = "emerg",
  ALERT = "alert",
  CRIT = "crit",
  ERR = "err",
  WARN = "warn",
  NOTICE = "notice",
  INFO = "info",
  DEBUG = "debug",
}
M.HINTS = {
  ["ngx.re"] = "moongate.regex matches PCRE patterns",
  ["ngx.arg"] = "body gets chunk and last, and returns",
  ["ngx.var"] = "ctx.request and ctx.client have what it told",
  ["ngx.req"] = "use ctx.request, ctx.service.request",
  ["ngx.resp"] = "use ctx.response",
  ["ngx.header"] = "use ctx.response:set_header",
  ["ngx.status"] = "use ctx.response",
  ["ngx.exit"] = "use ctx.response:exit",
  ["ngx.say"] = "use ctx.response:exit",
  ["ngx.timer"] = "use moongate.task, ctx:after",
  ["ngx.shared"] = "use moongate.shared",
  ["ngx.sleep"] = "use ctx:sleep",
  ["ngx.socket"] = "use ctx:fetch",
  ["ngx.time"] = "moongate.time.now() has fractions",
  ["ngx.thread"] = "use ctx:fetch_all, ctx:race",
  ["ngx.md5"] = "use moongate.crypto",
  ["kong.cache"] = "not in this version",
  ["kong.db"] = "not in this version",
  ["kong.vault"] = "not in this version",
  ["kong.dns"] = "names are resolved by ctx:fetch",
  ["kong.tracing"] = "not in this version",
  ["kong.configuration"] = "has no meaning here",
  ["kong.worker_events"] = "has no meaning here",
  ["kong.cluster"] = "there is no cluster here",
  ["kong.nginx"] = "there is no nginx here",
  ["kong.timer"] = "use moongate.task",
}

return M
