-- Answers a repeated request with the same Idempotency-Key as it was answered before.
local kong = kong
local ngx = ngx

local Idempotency = {
  PRIORITY = 905,
  VERSION = "0.4.0",
}

local answers = {}

local function purge(now)
  for key, answer in pairs(answers) do
    if answer.expires <= now then
      answers[key] = nil
    end
  end
end

local function applies(conf)
  local method = kong.request.get_method()
  for _, name in ipairs(conf.methods) do
    if name == method then
      return true
    end
  end
  return false
end

function Idempotency:access(conf)
  if not applies(conf) then
    return
  end

  local key = kong.request.get_header(conf.header)
  if not key then
    if conf.required then
      return kong.response.error(400, conf.header .. " is required")
    end
    return
  end
  if #key > conf.max_length then
    return kong.response.error(400, conf.header .. " is too long")
  end

  local credential = kong.client.get_credential()
  local id = (credential and credential.id or "") .. ":" .. kong.request.get_path() .. ":" .. key
  purge(ngx.now())
  local answer = answers[id]
  if answer then
    return kong.response.exit(answer.status, answer.body, {
      ["Content-Type"] = answer.content_type,
      ["X-Idempotent-Replay"] = "true",
    })
  end
  kong.ctx.plugin.id = id
end

function Idempotency:body_filter(conf)
  local id = kong.ctx.plugin.id
  if not id then
    return
  end

  local body = kong.response.get_raw_body()
  if body and kong.response.get_status() < 500 then
    answers[id] = {
      status = kong.response.get_status(),
      content_type = kong.response.get_header("Content-Type"),
      body = body,
      expires = ngx.now() + conf.ttl,
    }
  end
end

return Idempotency
