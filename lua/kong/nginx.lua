--- The global `ngx` of one plugin that was written for Kong: the part of it that plugins use and that has a like here.
--- Whatever else is asked for is an error that names it.
local here = require("kong.here")
local pdk = {
  request = require("moongate.pdk.request"),
  response = require("moongate.pdk.response"),
  service_request = require("moongate.pdk.service_request"),
  client = require("moongate.pdk.client"),
}
local args = require("moongate.args")
local crypto = require("moongate.crypto")
local json = require("moongate.json")
local time = require("moongate.time")

local request, response = pdk.request, pdk.response

local M = {}

local LEVELS = { "EMERG", "ALERT", "CRIT", "ERR", "WARN", "NOTICE", "INFO", "DEBUG" } -- 1 to 8

local CONSTANTS = {
  OK = 0,
  ERROR = -1,
  AGAIN = -2,
  DONE = -4,
  DECLINED = -5,
  STDERR = 0,
  null = json.null,
  HTTP_OK = 200,
  HTTP_CREATED = 201,
  HTTP_ACCEPTED = 202,
  HTTP_NO_CONTENT = 204,
  HTTP_PARTIAL_CONTENT = 206,
  HTTP_SPECIAL_RESPONSE = 300,
  HTTP_MOVED_PERMANENTLY = 301,
  HTTP_MOVED_TEMPORARILY = 302,
  HTTP_SEE_OTHER = 303,
  HTTP_NOT_MODIFIED = 304,
  HTTP_TEMPORARY_REDIRECT = 307,
  HTTP_PERMANENT_REDIRECT = 308,
  HTTP_BAD_REQUEST = 400,
  HTTP_UNAUTHORIZED = 401,
  HTTP_PAYMENT_REQUIRED = 402,
  HTTP_FORBIDDEN = 403,
  HTTP_NOT_FOUND = 404,
  HTTP_NOT_ALLOWED = 405,
  HTTP_NOT_ACCEPTABLE = 406,
  HTTP_REQUEST_TIMEOUT = 408,
  HTTP_CONFLICT = 409,
  HTTP_GONE = 410,
  HTTP_UPGRADE_REQUIRED = 426,
  HTTP_TOO_MANY_REQUESTS = 429,
  HTTP_CLOSE = 444,
  HTTP_ILLEGAL = 451,
  HTTP_INTERNAL_SERVER_ERROR = 500,
  HTTP_NOT_IMPLEMENTED = 501,
  HTTP_METHOD_NOT_IMPLEMENTED = 501,
  HTTP_BAD_GATEWAY = 502,
  HTTP_SERVICE_UNAVAILABLE = 503,
  HTTP_GATEWAY_TIMEOUT = 504,
}
for _, name in ipairs { "GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH" } do
  CONSTANTS["HTTP_" .. name] = name
end

local function ctx_for(what) return here.ctx or error(("ngx.%s: no request runs here"):format(what), 3) end

-- What ngx.say said, and the ngx.status for it, by the ctx of a request.
local said = setmetatable({}, { __mode = "k" })

local function saying(ctx)
  said[ctx] = said[ctx] or { n = 0 }
  return said[ctx]
end

-- ── variables ───────────────────────────────────────────────────────────────

local VARIABLES = {
  remote_addr = pdk.client.get_forwarded_ip,
  realip_remote_addr = pdk.client.get_ip,
  remote_port = pdk.client.get_port,
  host = request.get_host,
  http_host = function(ctx) return request.get_header(ctx, "host") end,
  uri = request.get_path,
  request_uri = request.get_path_with_query,
  request_method = request.get_method,
  scheme = request.get_forwarded_scheme,
  server_port = request.get_port,
  args = request.get_raw_query,
  query_string = request.get_raw_query,
  request_id = request.get_id,
  content_type = function(ctx) return request.get_header(ctx, "content-type") end,
  content_length = function(ctx) return request.get_header(ctx, "content-length") end,
  status = response.get_status,
}
for name, read in pairs(require("kong.nginx_tls")) do
  VARIABLES[name] = read
end

local function cookie(ctx, name)
  for part in (request.get_header(ctx, "cookie") or ""):gmatch("[^;]+") do
    local key, value = part:match("^%s*([^=]+)=(.*)$")
    if key == name then return value end
  end
end

local function variable(plugin)
  return function(_, name)
    local ctx, read = ctx_for("var"), VARIABLES[name]
    if read then
      local value = read(ctx)
      return value
    end
    local kind, rest = tostring(name):match("^(%a+)_(.+)$")
    if kind == "http" then return request.get_header(ctx, rest) end
    if kind == "cookie" then return cookie(ctx, rest) end
    if kind == "arg" then
      local value = request.get_query_arg(ctx, rest)
      return value == true and "" or value
    end
    error(("not in this version: ngx.var.%s (plugin %s)"):format(tostring(name), plugin), 2)
  end
end

-- ── the request and the response ────────────────────────────────────────────

local function requests()
  local req = {}
  local service = pdk.service_request
  function req.get_headers(max) return request.get_headers(ctx_for("req.get_headers"), max ~= 0 and max or nil) end
  function req.get_method() return request.get_method(ctx_for("req.get_method")) end
  function req.get_uri_args(max) return request.get_query(ctx_for("req.get_uri_args"), max ~= 0 and max or nil) end
  function req.http_version() return request.get_http_version(ctx_for("req.http_version")) end
  function req.start_time() return request.get_start_time(ctx_for("req.start_time")) / 1000 end
  function req.read_body() here.waiting(ctx_for("req.read_body"), request.get_raw_body) end
  function req.get_body_data()
    local body = here.waiting(ctx_for("req.get_body_data"), request.get_raw_body)
    return body ~= "" and body or nil
  end
  function req.get_post_args()
    return here.waiting(ctx_for("req.get_post_args"), request.get_body, "application/x-www-form-urlencoded")
  end
  function req.set_header(name, value)
    local ctx = ctx_for("req.set_header")
    if value == nil then return service.clear_header(ctx, name) end
    if type(value) ~= "table" then return service.set_header(ctx, name, value) end
    service.set_headers(ctx, { [name] = value })
  end
  function req.clear_header(name) return service.clear_header(ctx_for("req.clear_header"), name) end
  function req.set_uri(path) return service.set_path(ctx_for("req.set_uri"), path) end
  function req.set_uri_args(query)
    local ctx = ctx_for("req.set_uri_args")
    return type(query) == "table" and service.set_query(ctx, query) or service.set_raw_query(ctx, query)
  end
  function req.set_body_data(data) return service.set_raw_body(ctx_for("req.set_body_data"), data) end
  return req
end

local function headers()
  return setmetatable({}, {
    __metatable = false,
    __index = function(_, name) return response.get_header(ctx_for("header"), name) end,
    __newindex = function(_, name, value)
      local ctx = ctx_for("header")
      if value == nil then return response.clear_header(ctx, name) end
      if type(value) == "table" then return response.set_headers(ctx, { [name] = value }) end
      response.set_header(ctx, name, value)
    end,
  })
end

-- ngx.arg: the piece of body_filter, and whether it is the last. moongate.pipe keeps both in the request.
local function piece()
  return setmetatable({}, {
    __metatable = false,
    __index = function(_, key)
      local state = ctx_for("arg")[3]
      if key == 1 then return state.out or state.chunk end
      if key == 2 then return state.last end
    end,
    __newindex = function(_, key, value)
      local state = ctx_for("arg")[3]
      if key ~= 1 then error("only ngx.arg[1] can be set here", 2) end
      state.out = value == nil and "" or tostring(value)
    end,
  })
end

local function put(ngx, name, fn) rawset(ngx, name, fn) end

local function add_answers(ngx)
  local function say(...)
    local own = saying(ctx_for("say"))
    for i = 1, select("#", ...) do
      own.n = own.n + 1
      own[own.n] = tostring((select(i, ...)))
    end
    return 1
  end
  put(ngx, "print", say)
  put(ngx, "say", function(...)
    say(...)
    return say("\n")
  end)
  put(ngx, "exit", function(status)
    local ctx = ctx_for("exit")
    local own = said[ctx]
    said[ctx] = nil
    if type(status) ~= "number" or status < 0 then status = 500 end
    if status < 200 then status = own and (own.status or 200) or nil end
    if status then response.exit(ctx, status, own and own.n > 0 and table.concat(own) or nil) end
    here.leave()
  end)
  put(ngx, "redirect", function(uri, status)
    response.exit(ctx_for("redirect"), status or 302, nil, { Location = uri })
    here.leave()
  end)
end

-- ── time, texts, timers ─────────────────────────────────────────────────────

local function add_texts(ngx)
  put(ngx, "now", time.now)
  put(ngx, "time", function() return math.floor(time.now()) end)
  put(ngx, "update_time", function() end)
  put(ngx, "http_time", time.http_date)
  put(ngx, "parse_http_time", time.parse_http_date)
  put(ngx, "encode_base64", function(bytes) return crypto.base64_encode(tostring(bytes)) end)
  put(ngx, "decode_base64", function(text) return (crypto.base64_decode(text)) end)
  put(ngx, "md5", function(bytes) return crypto.hex_encode(crypto.md5(bytes)) end)
  put(ngx, "md5_bin", crypto.md5)
  put(ngx, "sha1_bin", crypto.sha1)
  put(ngx, "hmac_sha1", function(key, data) return crypto.hmac("sha1", key, data) end)
  put(ngx, "encode_args", function(query) return (args.encode(query)) end)
  put(ngx, "decode_args", function(text, max) return args.decode(text, max) end)
  put(ngx, "escape_uri", function(text)
    return (tostring(text):gsub("[^%w%-_.~!'()*]", function(c) return ("%%%02X"):format(c:byte()) end))
  end)
  put(ngx, "unescape_uri", function(text)
    return (
      tostring(text):gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
    )
  end)
end

-- In init_worker a timer is a task; in a request it is work for after the response.
local function timers()
  local function task() return require("moongate.task") end
  local function running(fn, ...)
    local given, n = { ... }, select("#", ...)
    return function(t) here.call(t, fn, false, unpack(given, 1, n)) end
  end
  return {
    at = function(delay, fn, ...)
      local ctx, run = here.ctx, running(fn, ...)
      if not ctx then
        task().once(run, { first = delay, worker = "each" })
      elseif ctx.after then
        ctx:after(function(later)
          if delay > 0 then later:sleep(delay) end
          run(later)
        end)
      else
        return nil, "not in this version: a timer made by a timer (ngx.timer.every repeats)"
      end
      return 1
    end,
    every = function(delay, fn, ...)
      if here.ctx then error("ngx.timer.every: only in init_worker here", 2) end
      task().every(delay, running(fn, ...), { worker = "each" })
      return 1
    end,
  }
end

local function add_rest(ngx, kong)
  local writers = {}
  for level, name in ipairs(LEVELS) do
    put(ngx, name, level)
    writers[level] = kong.log[name:lower()]
  end
  put(ngx, "log", function(level, ...)
    local write = writers[level] or error("ngx.log: the first argument must be a level, as ngx.ERR", 2)
    write(...)
  end)
  put(ngx, "sleep", function(seconds)
    local ctx = ctx_for("sleep")
    here.waiting(ctx, ctx.sleep, seconds)
  end)
  local function number(name)
    return function() return require("moongate.core")[name] or 0 end
  end
  put(ngx, "worker", { id = number("worker"), exiting = function() return false end })
  put(ngx, "timer", timers())
end

--- `ngx` for one plugin.
---@param plugin string
---@param untrusted boolean  then without regular expressions: what they cost is not reckoned
---@param kong table
---@return table
function M.new(plugin, untrusted, kong)
  local ngx = {}
  for name, value in pairs(CONSTANTS) do
    ngx[name] = value
  end
  add_texts(ngx)
  add_answers(ngx)
  add_rest(ngx, kong)
  ngx.req, ngx.header, ngx.arg, ngx.re =
    requests(), headers(), piece(), not untrusted and require("kong.regex").new() or nil
  ngx.resp =
    { get_headers = function(max) return response.get_headers(ctx_for("resp"), max ~= 0 and max or nil) end }
  ngx.var = setmetatable({}, {
    __index = variable(plugin),
    __metatable = false,
    __newindex = function(_, name)
      error(("not in this version: setting ngx.var.%s (plugin %s)"):format(tostring(name), plugin), 2)
    end,
  })
  for _, name in ipairs { "re", "req", "resp", "timer", "worker" } do
    if ngx[name] then
      setmetatable(ngx[name], {
        __metatable = false,
        __index = function(_, key)
          error(("not in this version: ngx.%s.%s (plugin %s)"):format(name, tostring(key), plugin), 2)
        end,
      })
    end
  end
  return setmetatable(ngx, {
    __metatable = false,
    __index = function(_, key)
      if key == "ctx" then return ctx_for("ctx").shared end
      if key == "status" then return response.get_status(ctx_for("status")) end
      error(("not in this version: ngx.%s (plugin %s)"):format(tostring(key), plugin), 2)
    end,
    __newindex = function(_, key, value)
      if key ~= "status" then error(("ngx.%s cannot be set"):format(tostring(key)), 2) end
      local ctx = ctx_for("status")
      if ctx[1].phase == require("moongate.pdk.check").RESPONSE then return response.set_status(ctx, value) end
      saying(ctx).status = value
    end,
  })
end

return M
