-- Answers 503 to everybody but a few while a service is worked on.

local MaintenanceMode = {
  priority = 3000,
  version = "1.0.0",
}

local function contains(list, value)
  for i = 1, #list do
    if list[i] == value then
      return true
    end
  end
  return false
end

local function is_excepted(ctx, conf)
  if contains(conf.allowed_ips, ctx.client:get_forwarded_ip()) then
    return true
  end
  local path = ctx.request:get_path()
  for _, prefix in ipairs(conf.allowed_paths) do
    if path:sub(1, #prefix) == prefix then
      return true
    end
  end
  return ctx.request:get_query_arg("maintenance") == conf.password
end

function MaintenanceMode.access(conf, ctx)
  if not conf.enabled or is_excepted(ctx, conf) then
    return
  end

  local headers = { ["Retry-After"] = conf.retry_after, ["Cache-Control"] = "no-store" }
  local accept = ctx.request:get_header("accept") or ""
  if accept:find("text/html", 1, true) then
    headers["Content-Type"] = "text/html; charset=utf-8"
    return ctx.response:exit(503, "<h1>" .. conf.message .. "</h1>", headers)
  end
  return ctx.response:exit(503, { message = conf.message }, headers)
end

return MaintenanceMode
