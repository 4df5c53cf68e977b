--- Sends the client elsewhere.
local M = { version = "1.0.0", priority = 779 }

-- [conf] = { origin, fragment } where the path is kept. Only the configuration names the host: a request cannot.
local places = {}

local function escape(char) return ("%%%02X"):format(char:byte()) end

--- What a URL may not hold is escaped: some clients read "\" as "/".
local function clean(text)
  return text:find("[^%w%-._~!$&'()*+,;=:@/?%%]") and text:gsub("[^%w%-._~!$&'()*+,;=:@/?%%]", escape) or text
end

function M.init(configs)
  for _, conf in ipairs(configs) do
    if conf.keep_incoming_path then
      places[conf] =
        { origin = conf.location:match("^%a+://[^/?#]+"), fragment = conf.location:match("#.*$") or "" }
    end
  end
end

function M.access(conf, ctx)
  local location, place = conf.location, places[conf]
  if place then location = place.origin .. clean(ctx.request:get_path_with_query()) .. place.fragment end
  return ctx.response:exit(conf.status_code, "redirecting", { location = location })
end

return M
