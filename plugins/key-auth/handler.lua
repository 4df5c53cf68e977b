--- Lets a request pass only with a key that belongs to a consumer.
local auth = require("moongate.auth")

local M = { version = "1.0.0", priority = 1250, authenticates = true }

--- One value of a query argument or body field; nil when it is not there, false when it stands there twice: which of
--- the two would the service read?
local function single(value)
  if type(value) == "table" then return false end
  return value ~= true and value or nil
end

--- The key and where it stood; nil when there is none, false when it is ambiguous.
local function find_key(conf, ctx, name)
  local request = ctx.request
  if conf.key_in_header then
    local key = request:get_header(name)
    if key then return request:count_header(name) == 1 and key, "header" end
  end
  if conf.key_in_query then
    local key = single(request:get_query()[name])
    if key ~= nil then return key, "query" end
  end
  if conf.key_in_body then
    local body = request:get_body()
    local key = type(body) == "table" and single(body[name]) or nil
    if key ~= nil then return key, "body" end
  end
  return nil
end

local function hide(ctx, name, place)
  local outgoing = ctx.service.request
  if place == "header" then
    outgoing:clear_header(name)
  elseif place == "query" then
    outgoing:clear_query_arg(name)
  elseif place == "body" then
    local body = ctx.request:get_body()
    body[name] = nil
    outgoing:set_body(body)
  end
end

local function refuse(conf, ctx, detail)
  if conf.anonymous then
    local accepted, reason = auth.accept_anonymous(ctx, conf.anonymous)
    if accepted then return end
    ctx.log:err("anonymous: ", reason)
  end
  ctx.response:set_header("www-authenticate", conf.realm and ('Key realm="%s"'):format(conf.realm) or "Key")
  return ctx.response:error(401, detail)
end

function M.init() auth.prepare("key-auth", "key") end

function M.access(conf, ctx)
  if not conf.run_on_preflight and ctx.request:get_method() == "OPTIONS" then return end
  auth.strip(ctx)
  for _, name in ipairs(conf.key_names) do
    local key, place = find_key(conf, ctx, name)
    if key == false then return refuse(conf, ctx, "more than one API key") end
    if key then
      local consumer, credential = auth.find("key-auth", "key", key)
      if not consumer then return refuse(conf, ctx, "the API key is not valid") end
      if conf.hide_credentials then hide(ctx, name, place) end
      return auth.accept(ctx, consumer, credential)
    end
  end
  return refuse(conf, ctx, "no API key")
end

return M
