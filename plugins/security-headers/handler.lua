--- Adds the headers that tell browsers to be careful, and takes out those that tell attackers too much.
--- The lowest priority: it sees the answer as the plugins before it left it.
local M = { version = "1.0.0", priority = -500 }

local HEADERS = {
  "x-content-type-options",
  "content_type_options",
  "x-frame-options",
  "frame_options",
  "content-security-policy",
  "content_security_policy",
  "content-security-policy-report-only",
  "content_security_policy_report_only",
  "referrer-policy",
  "referrer_policy",
  "permissions-policy",
  "permissions_policy",
  "cross-origin-opener-policy",
  "cross_origin_opener_policy",
  "cross-origin-resource-policy",
  "cross_origin_resource_policy",
  "cross-origin-embedder-policy",
  "cross_origin_embedder_policy",
}

-- [conf] = names and values in turn.
local sent = {}

function M.init(configs)
  for _, conf in ipairs(configs) do
    local list = {}
    for i = 1, #HEADERS, 2 do
      local value = conf[HEADERS[i + 1]]
      if value ~= "off" then
        list[#list + 1], list[#list + 2] = HEADERS[i], value
      end
    end
    sent[conf] = list
  end
end

local function put(response, keep, name, value)
  if not response:get_header(name) then
    response:add_header(name, value)
  elseif not keep then
    response:set_header(name, value)
  end
end

function M.response(conf, ctx)
  local response, list, keep = ctx.response, sent[conf], conf.existing == "keep"
  for i = 1, #list, 2 do
    put(response, keep, list[i], list[i + 1])
  end
  if conf.strict_transport_security ~= "off" and ctx.request:get_forwarded_scheme() == "https" then
    put(response, keep, "strict-transport-security", conf.strict_transport_security)
  end
  for _, name in ipairs(conf.remove) do
    response:clear_header(name)
  end
end

return M
