--- Sends a share of the requests, or those of some clients, to another upstream.
local health = require("moongate.health")
local ip = require("moongate.ip")
local metrics = require("moongate.metrics")
local split = require("canary.split")
local time = require("moongate.time")
local uuid = require("moongate.uuid")

local M = { version = "1.0.0", priority = 13 }

local requests
local salts = {} -- [conf]

-- A host is written with its port, or as nobody calls an upstream: what is left is a name that was mistyped.
local function is_host(conf)
  local host = conf.upstream_host
  return conf.upstream_port or host == "localhost" or host:find(".", 1, true) or ip.is_address(host)
end

local function check(conf)
  local host = conf.upstream_host
  if not host then return end
  local known = health.upstreams()
  for _, name in ipairs(known) do
    if name == host and not (conf.upstream_port and conf.upstream_fallback) then return end
  end
  local list = #known > 0 and ("known: " .. table.concat(known, ", ")) or "there are none"
  if conf.upstream_fallback then
    error(
      ("upstream_fallback: upstream_host must name an upstream, without a port; %q is none (%s)"):format(
        host,
        list
      ),
      0
    )
  elseif not is_host(conf) then
    error(
      ("upstream_host: no upstream named %q (%s); a host of one word needs upstream_port"):format(host, list),
      0
    )
  end
end

function M.init(configs)
  requests = metrics.counter {
    name = "requests",
    about = "Requests by the side they were sent to.",
    labels = { "route", "side" },
  }
  for _, conf in ipairs(configs) do
    check(conf)
    salts[conf] = split.salt((conf.upstream_host or "") .. " " .. (conf.upstream_uri or "") .. " ")
  end
end

--- The value of a cookie.
local function cookie(ctx, name)
  local header = ctx.request:get_header("cookie")
  if not header then return nil end
  for found, value in header:gmatch("([^;%s=]+)=([^;]*)") do
    if found == name then return value end
  end
end

-- What a header or cookie says of itself: true, false, or nil where it says nothing.
local WORDS = { always = true, never = false }

local function told(conf, ctx)
  local verdict
  if conf.canary_by_header_name then verdict = WORDS[ctx.request:get_header(conf.canary_by_header_name) or ""] end
  if verdict == nil and conf.canary_by_cookie_name then
    verdict = WORDS[cookie(ctx, conf.canary_by_cookie_name) or ""]
  end
  return verdict
end

local function in_groups(conf, ctx)
  for _, group in ipairs(ctx.client:get_consumer_groups()) do
    for _, wanted in ipairs(conf.groups) do
      if group.name == wanted then return true end
    end
  end
  return false
end

local function new_cookie(conf, ctx)
  local id = uuid.v4()
  ctx.response:add_header(
    "Set-Cookie",
    ("%s=%s; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax"):format(conf.hash_cookie, id)
  )
  return id
end

local function key_of(conf, ctx)
  local hash, key = conf.hash, nil
  if hash == "consumer" then
    -- One that `anonymous` names has no credential, and is everybody: that says nothing of who this is.
    local consumer = ctx.client:get_credential() and ctx.client:get_consumer()
    key = consumer and consumer.id
  elseif hash == "header" then
    key = ctx.request:get_header(conf.hash_header)
  elseif hash == "cookie" then
    return cookie(ctx, conf.hash_cookie) or new_cookie(conf, ctx)
  end
  return key or ctx.client:get_forwarded_ip()
end

-- The canary's share of this moment, from 0 to 1.
local function share(conf)
  if not conf.start then return (conf.percentage or 0) / 100 end
  local part = (time.now() - conf.start) / (conf.duration / 1000)
  return math.floor(math.min(math.max(part, 0), 1) * conf.steps) / conf.steps
end

local function is_canary(conf, ctx)
  local verdict = told(conf, ctx)
  if verdict ~= nil then return verdict end
  if conf.hash == "allow" then return in_groups(conf, ctx) end
  if conf.hash == "deny" then return not in_groups(conf, ctx) end
  if conf.hash == "none" then return math.random() < share(conf) end
  return split.place(salts[conf], key_of(conf, ctx)) < share(conf)
end

local function send(conf, ctx)
  local host = conf.upstream_host
  if host and (conf.upstream_port or not ctx.service:set_upstream(host)) then
    ctx.service:set_target(host, conf.upstream_port or 80)
  end
  if conf.upstream_uri then ctx.service.request:set_path(conf.upstream_uri) end
end

local function side_of(conf, ctx)
  if not is_canary(conf, ctx) then return "stable" end
  if conf.upstream_fallback and not health.is_available(conf.upstream_host) then return "fallback" end
  return "canary"
end

function M.access(conf, ctx)
  local side = side_of(conf, ctx)
  if side == "canary" then send(conf, ctx) end
  ctx.shared.canary = side == "canary"
  local route = ctx.router:get_route()
  requests:add(1, route and (route.name or route.id) or "", side)
end

return M
