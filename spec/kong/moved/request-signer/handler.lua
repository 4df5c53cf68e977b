-- Signs what is sent to the service: method, path, date and body, with a secret that both know.
local concat = table.concat

local RequestSigner = {
  priority = 790,
  version = "1.1.0",
}

local function string_to_sign(ctx, conf, date, body)
  local lines = { ctx.request:get_method(), ctx.request:get_path_with_query(), date }
  for _, name in ipairs(conf.signed_headers) do
    lines[#lines + 1] = name:lower() .. ":" .. (ctx.request:get_header(name) or "")
  end
  lines[#lines + 1] = require("moongate.crypto").base64_encode(require("moongate.crypto").sha1(body))
  return concat(lines, "\n")
end

function RequestSigner.access(conf, ctx)
  local body, err = ctx.request:get_raw_body()
  if not body then
    ctx.log:err("the body cannot be signed: ", err)
    return ctx.response:exit(413, { message = "request body is too large to be signed" })
  end

  local date = tostring(math.floor(ctx.request:get_start_time() / 1000))
  local signature = require("moongate.crypto").base64_encode(require("moongate.crypto").hmac("sha1", conf.secret, string_to_sign(ctx, conf, date, body)))

  ctx.service.request:set_headers({
    ["X-Date"] = date,
    ["Authorization"] = "HMAC " .. conf.key_id .. ":" .. signature,
  })
end

return RequestSigner
