-- Answers a repeated request with the same Idempotency-Key as it was answered before.

local Idempotency = {
  priority = 905,
  version = "0.4.0",
}

local answers = {}

local function purge(now)
  for key, answer in pairs(answers) do
    if answer.expires <= now then
      answers[key] = nil
    end
  end
end

local function applies(ctx, conf)
  local method = ctx.request:get_method()
  for _, name in ipairs(conf.methods) do
    if name == method then
      return true
    end
  end
  return false
end

function Idempotency.access(conf, ctx)
  if not applies(ctx, conf) then
    return
  end

  local key = ctx.request:get_header(conf.header)
  if not key then
    if conf.required then
      return ctx.response:error(400, conf.header .. " is required")
    end
    return
  end
  if #key > conf.max_length then
    return ctx.response:error(400, conf.header .. " is too long")
  end

  local credential = ctx.client:get_credential()
  local id = (credential and credential.id or "") .. ":" .. ctx.request:get_path() .. ":" .. key
  purge(require("moongate.time").now())
  local answer = answers[id]
  if answer then
    return ctx.response:exit(answer.status, answer.body, {
      ["Content-Type"] = answer.content_type,
      ["X-Idempotent-Replay"] = "true",
    })
  end
  ctx.plugin.id = id
end

function Idempotency.body(conf, ctx, chunk, last)
  local id = ctx.plugin.id
  if not id then
    return
  end

  local body = ctx.response:get_raw_body()
  if body and ctx.response:get_status() < 500 then
    answers[id] = {
      status = ctx.response:get_status(),
      content_type = ctx.response:get_header("Content-Type"),
      body = body,
      expires = require("moongate.time").now() + conf.ttl,
    }
  end
end

return Idempotency
