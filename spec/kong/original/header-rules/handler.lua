-- Sets, renames and removes headers on the way to the service and back.
local kong = kong
local ipairs = ipairs

local set_header = kong.service.request.set_header
local clear_header = kong.service.request.clear_header

local HeaderRules = {
  PRIORITY = 802,
  VERSION = "1.3.0",
}

local function split(rule)
  return rule:match("^([^:]+):%s*(.*)$")
end

local function apply_request_rules(rules)
  for _, rule in ipairs(rules.rename) do
    local from, to = split(rule)
    local value = kong.request.get_header(from)
    if value then
      set_header(to, value)
      clear_header(from)
    end
  end
  for _, name in ipairs(rules.remove) do
    clear_header(name)
  end
  for _, rule in ipairs(rules.add) do
    local name, value = split(rule)
    set_header(name, value)
  end
end

function HeaderRules:access(conf)
  apply_request_rules(conf.request)
  kong.log.debug("request headers were changed")
end

function HeaderRules:header_filter(conf)
  for _, name in ipairs(conf.response.remove) do
    kong.response.clear_header(name)
  end
  for _, rule in ipairs(conf.response.add) do
    local name, value = split(rule)
    kong.response.add_header(name, value)
  end
end

return HeaderRules
