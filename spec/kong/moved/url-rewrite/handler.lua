-- Gives the service another path, made of a template: /v2/$(id)/items?source=$(query.from)

local UrlRewrite = {
  priority = 850,
  version = "1.1.0",
}

local function lookup(ctx, name)
  local captures = ctx.request:get_uri_captures()
  if captures.named[name] then
    return captures.named[name]
  end

  local kind, rest = name:match("^(%a+)%.(.+)$")
  if kind == "query" then
    local value = ctx.request:get_query_arg(rest)
    return value == true and "" or value
  elseif kind == "header" then
    return ctx.request:get_header(rest)
  elseif kind == "consumer" then
    local consumer = ctx.client:get_consumer()
    return consumer and consumer[rest]
  end
end

local function fill(ctx, template)
  local missing
  local result = template:gsub("%$%(([^)]+)%)", function(name)
    local value = lookup(ctx, name)
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

function UrlRewrite.access(conf, ctx)
  local path, missing = fill(ctx, conf.path)
  if not path then
    return ctx.response:exit(400, { message = "missing " .. missing })
  end
  ctx.service.request:set_path(path)

  if conf.query then
    local query = {}
    for name, template in pairs(conf.query) do
      query[name] = fill(ctx, template)
    end
    ctx.service.request:set_query(query)
  end

  local route = ctx.router:get_route()
  ctx.log:notice("route ", route and route.name, " goes to ", path)
end

return UrlRewrite
