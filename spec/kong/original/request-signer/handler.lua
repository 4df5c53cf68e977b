-- Signs what is sent to the service: method, path, date and body, with a secret that both know.
local kong = kong
local ngx = ngx
local concat = table.concat

local RequestSigner = {
  PRIORITY = 790,
  VERSION = "1.1.0",
}

local function string_to_sign(conf, date, body)
  local lines = { kong.request.get_method(), kong.request.get_path_with_query(), date }
  for _, name in ipairs(conf.signed_headers) do
    lines[#lines + 1] = name:lower() .. ":" .. (kong.request.get_header(name) or "")
  end
  lines[#lines + 1] = ngx.encode_base64(ngx.sha1_bin(body))
  return concat(lines, "\n")
end

function RequestSigner:access(conf)
  local body, err = kong.request.get_raw_body()
  if not body then
    kong.log.err("the body cannot be signed: ", err)
    return kong.response.exit(413, { message = "request body is too large to be signed" })
  end

  local date = tostring(math.floor(kong.request.get_start_time() / 1000))
  local signature = ngx.encode_base64(ngx.hmac_sha1(conf.secret, string_to_sign(conf, date, body)))

  kong.service.request.set_headers({
    ["X-Date"] = date,
    ["Authorization"] = "HMAC " .. conf.key_id .. ":" .. signature,
  })
end

return RequestSigner
