-- Gives claims of the user information in a header to the service, each in a header of its own.
local cjson = require "moongate.json"

local type = type
local tostring = tostring

local plugin = {}

plugin.priority = 930
plugin.version = "0.2.1"

-- "address.country" → claims.address.country
local function find_claim(claims, path)
  local value = claims
  for name in path:gmatch("[^.]+") do
    if type(value) ~= "table" then
      return nil
    end
    value = value[name]
  end
  if value == cjson.null or type(value) == "table" then
    return nil
  end
  return value
end

local function read_claims(ctx, conf)
  local text = ctx.request:get_header(conf.userinfo_header)
  if not text then
    return nil, "no user information"
  end
  local claims, err = cjson.decode(text)
  if type(claims) ~= "table" then
    ctx.log:warn("the user information cannot be read: ", err or "not an object")
    return nil, "unreadable"
  end
  return claims
end

function plugin.access(conf, ctx)
  for _, header in pairs(conf.mapping) do
    ctx.service.request:clear_header(header)
  end

  local claims, err = read_claims(ctx, conf)
  if not claims then
    if conf.required then
      return ctx.response:exit(401, { message = "Unauthorized", reason = err }, {
        ["WWW-Authenticate"] = "Bearer",
      })
    end
    return
  end

  for claim, header in pairs(conf.mapping) do
    local value = find_claim(claims, claim)
    if value ~= nil then
      ctx.service.request:set_header(header, tostring(value))
    end
  end
  ctx.shared.claims = claims
end

return plugin
