-- Sets, renames and removes headers on the way to the service and back.
local ipairs = ipairs


local HeaderRules = {
  priority = 802,
  version = "1.3.0",
}

local function split(rule)
  return rule:match("^([^:]+):%s*(.*)$")
end

local function apply_request_rules(ctx, rules)
  for _, rule in ipairs(rules.rename) do
    local from, to = split(rule)
    local value = ctx.request:get_header(from)
    if value then
      ctx.service.request:set_header(to, value)
      ctx.service.request:clear_header(from)
    end
  end
  for _, name in ipairs(rules.remove) do
    ctx.service.request:clear_header(name)
  end
  for _, rule in ipairs(rules.add) do
    local name, value = split(rule)
    ctx.service.request:set_header(name, value)
  end
end

function HeaderRules.access(conf, ctx)
  apply_request_rules(ctx, conf.request)
  ctx.log:debug("request headers were changed")
end

function HeaderRules.response(conf, ctx)
  for _, name in ipairs(conf.response.remove) do
    ctx.response:clear_header(name)
  end
  for _, rule in ipairs(conf.response.add) do
    local name, value = split(rule)
    ctx.response:add_header(name, value)
  end
end

return HeaderRules
