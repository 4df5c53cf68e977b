-- Sends a part of the requests to another upstream: those with a header, some consumers, and a share of the rest.
local CanaryRouting = {
  PRIORITY = 13,
  VERSION = "0.3.0",
}

-- The same client always falls into the same of 100 buckets.
local function bucket_of(text)
  local hash = 5381
  for i = 1, #text do
    hash = (hash * 33 + text:byte(i)) % 4294967296
  end
  return hash % 100
end

local function wants_canary(conf)
  local header = kong.request.get_header(conf.header)
  if header == "always" then
    return true, "header"
  elseif header == "never" then
    return false, "header"
  end

  local consumer = kong.client.get_consumer()
  if consumer then
    for _, name in ipairs(conf.consumers or {}) do
      if name == consumer.username then
        return true, "consumer"
      end
    end
  end

  local key = consumer and consumer.id or kong.client.get_forwarded_ip()
  return bucket_of(key) < conf.percentage, "percentage"
end

function CanaryRouting:access(conf)
  local wanted, why = wants_canary(conf)
  kong.ctx.plugin.canary = wanted
  if not wanted then
    return
  end

  if conf.upstream then
    local ok, err = kong.service.set_upstream(conf.upstream)
    if not ok then
      kong.log.err("no canary: ", err)
      kong.ctx.plugin.canary = false
      return
    end
  else
    kong.service.set_target(conf.host, conf.port)
  end
  kong.service.request.set_header("X-Canary", why)
end

function CanaryRouting:header_filter(conf)
  kong.response.set_header("X-Canary", tostring(kong.ctx.plugin.canary or false))
end

return CanaryRouting
