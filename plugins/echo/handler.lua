--- Answers with what arrived, as JSON. For trying out routes and plugins without a service behind them.
local M = { version = "1.0.0", priority = 1 }

local SECRET = {
  authorization = true,
  cookie = true,
  ["proxy-authorization"] = true,
  apikey = true,
  ["x-api-key"] = true,
}

--- Headers as the service would get them; credentials are named, not shown.
local function visible(headers)
  for name in pairs(headers) do
    if SECRET[name] then headers[name] = "(not shown)" end
  end
  return headers
end

function M.access(conf, ctx)
  local request = ctx.request
  local route, consumer = ctx.router:get_route(), ctx.client:get_consumer()
  local body, why
  if conf.include_body then
    body, why = request:get_raw_body(conf.max_body)
  end
  return ctx.response:exit(conf.status, {
    method = request:get_method(),
    path = request:get_path(),
    query = request:get_query(),
    headers = visible(request:get_headers(1000)),
    body = body ~= "" and body or nil,
    body_left_out = why,
    route = route and route.name,
    consumer = consumer and consumer.username,
    client_ip = ctx.client:get_forwarded_ip(),
  })
end

return M
