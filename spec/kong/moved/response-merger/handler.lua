-- Asks a second service and puts its answer into a field of the first one's.
local cjson = require "moongate.json"
local http = require "moongate.http"

local ResponseMerger = {}

ResponseMerger.priority = 700
ResponseMerger.version = "1.0.0"

function ResponseMerger.access(conf, ctx)
  ctx.service.request:clear_header("Accept-Encoding")

  local client = http.new(ctx)
  client:set_timeout(conf.timeout)
  local res, err = client:request_uri(conf.url, { headers = { accept = "application/json" } })
  if not res or res.status ~= 200 then
    ctx.log:warn("the second service has no answer: ", err or res.status)
    return
  end

  local value = cjson.decode(res.body)
  if value ~= nil then
    ctx.plugin.value = value
  end
end

function ResponseMerger.response(conf, ctx)
  if ctx.plugin.value ~= nil then
    ctx.response:clear_header("Content-Length")
    ctx.response:set_header("X-Merged", conf.field)
  end
end

function ResponseMerger.body(conf, ctx, chunk, last)
  local value = ctx.plugin.value
  if value == nil then
    return
  end

  local body = ctx.response:get_raw_body()
  if body then
    local document = cjson.decode(body)
    if type(document) == "table" then
      document[conf.field] = value
      ctx.response:set_raw_body(cjson.encode(document))
    end
  end
end

return ResponseMerger
