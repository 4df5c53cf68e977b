-- Asks a second service and puts its answer into a field of the first one's.
local cjson = require "cjson.safe"
local http = require "resty.http"

local ResponseMerger = {}

ResponseMerger.PRIORITY = 700
ResponseMerger.VERSION = "1.0.0"

function ResponseMerger:access(conf)
  kong.service.request.clear_header("Accept-Encoding")

  local client = http.new()
  client:set_timeout(conf.timeout)
  local res, err = client:request_uri(conf.url, { headers = { accept = "application/json" } })
  if not res or res.status ~= 200 then
    kong.log.warn("the second service has no answer: ", err or res.status)
    return
  end

  local value = cjson.decode(res.body)
  if value ~= nil then
    kong.ctx.plugin.value = value
  end
end

function ResponseMerger:header_filter(conf)
  if kong.ctx.plugin.value ~= nil then
    kong.response.clear_header("Content-Length")
    kong.response.set_header("X-Merged", conf.field)
  end
end

function ResponseMerger:body_filter(conf)
  local value = kong.ctx.plugin.value
  if value == nil then
    return
  end

  local body = kong.response.get_raw_body()
  if body then
    local document = cjson.decode(body)
    if type(document) == "table" then
      document[conf.field] = value
      kong.response.set_raw_body(cjson.encode(document))
    end
  end
end

return ResponseMerger
