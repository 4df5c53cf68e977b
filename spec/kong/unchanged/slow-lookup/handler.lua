-- Looks a value up for each request, and waits for it in a coroutine and in pcall.
local http = require "resty.http"
local cjson = require "cjson.safe"
local kong = kong

local SlowLookup = { PRIORITY = 500, VERSION = "1.0.0" }

local function ask(conf)
  local client = http.new()
  return client:request_uri(conf.url, { query = { who = kong.request.get_query_arg("who") } })
end

function SlowLookup:access(conf)
  local before = kong.request.get_query_arg("who")
  kong.ctx.plugin.who = before
  ngx.sleep(tonumber(kong.request.get_query_arg("sleep")))
  local res, err
  local co = coroutine.wrap(function()
    res, err = ask(conf)
  end)
  co()
  if not res then
    kong.response.exit(502, { message = err })
  end
  pcall(ngx.sleep, 0.5)
  local found = cjson.decode(res.body)
  kong.ctx.shared.found = found.name
  kong.service.request.set_header("X-Seen", table.concat({
    before, kong.request.get_query_arg("who"), kong.ctx.plugin.who, found.name,
  }, " "))
end

function SlowLookup:header_filter(conf)
  ngx.header["X-Found"] = kong.ctx.shared.found
end

function SlowLookup:body_filter(conf)
  ngx.sleep(0.1)
  if ngx.arg[2] then
    ngx.arg[1] = (ngx.arg[1] or "") .. "!" .. kong.ctx.plugin.who
  else
    ngx.arg[1] = ngx.arg[1]:upper()
  end
end

return SlowLookup
