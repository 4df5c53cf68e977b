-- Gives the service another path, made of a template: /v2/$(id)/items?source=$(query.from)
local kong = kong

local UrlRewrite = {
  PRIORITY = 850,
  VERSION = "1.1.0",
}

local function lookup(name)
  local captures = kong.request.get_uri_captures()
  if captures.named[name] then
    return captures.named[name]
  end

  local kind, rest = name:match("^(%a+)%.(.+)$")
  if kind == "query" then
    local value = kong.request.get_query_arg(rest)
    return value == true and "" or value
  elseif kind == "header" then
    return kong.request.get_header(rest)
  elseif kind == "consumer" then
    local consumer = kong.client.get_consumer()
    return consumer and consumer[rest]
  end
end

local function fill(template)
  local missing
  local result = template:gsub("%$%(([^)]+)%)", function(name)
    local value = lookup(name)
    if value == nil then
      missing = name
      return ""
    end
    return value
  end)
  if missing then
    return nil, missing
  end
  return result
end

function UrlRewrite:access(conf)
  local path, missing = fill(conf.path)
  if not path then
    return kong.response.exit(400, { message = "missing " .. missing })
  end
  kong.service.request.set_path(path)

  if conf.query then
    local query = {}
    for name, template in pairs(conf.query) do
      query[name] = fill(template)
    end
    kong.service.request.set_query(query)
  end

  local route = kong.router.get_route()
  kong.log.notice("route ", route and route.name, " goes to ", path)
end

return UrlRewrite
