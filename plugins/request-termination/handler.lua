--- Answers in the service's place: maintenance, an API that has ended, a stub of one that is not there yet.
local M = { version = "1.0.0", priority = 2 }

local MAX_BODY = 65536

local SECRET = {
  authorization = true,
  cookie = true,
  ["proxy-authorization"] = true,
  apikey = true,
  ["x-api-key"] = true,
}

local function is_triggered(name, request)
  return name == nil or request:get_header(name) ~= nil or request:get_query_arg(name) ~= nil
end

--- Headers of the request; credentials are named, not shown.
local function visible(headers)
  for name in pairs(headers) do
    if SECRET[name] then headers[name] = "(not shown)" end
  end
  return headers
end

local function identity(entity) return entity and { id = entity.id, name = entity.name } end

local function describe(conf, ctx)
  local request = ctx.request
  local raw_body = request:get_raw_body(MAX_BODY)
  return {
    message = conf.message,
    request = {
      scheme = request:get_scheme(),
      host = request:get_host(),
      port = request:get_port(),
      method = request:get_method(),
      path = request:get_path(),
      uri_captures = request:get_uri_captures(),
      headers = visible(request:get_headers(1000)),
      query = request:get_query(),
      body = raw_body and request:get_body(nil, nil, MAX_BODY) or nil,
      raw_body = raw_body ~= "" and raw_body or nil,
    },
    matched_route = identity(ctx.router:get_route()),
    matched_service = identity(ctx.router:get_service()),
  }
end

function M.access(conf, ctx)
  if not is_triggered(conf.trigger, ctx.request) then return end
  local response, status = ctx.response, conf.status_code
  if conf.echo then
    return response:exit(status, describe(conf, ctx))
  elseif conf.body then
    return response:exit(status, conf.body, { ["content-type"] = conf.content_type })
  elseif status >= 400 then
    return response:error(status, conf.message)
  end
  return response:exit(status, conf.message and { message = conf.message })
end

return M
