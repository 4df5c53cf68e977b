--- Changes method, path, headers and query of the request on its way to the service.
local M = { version = "1.0.0", priority = 801 }

local function split(entry) return entry:match("^([^:]+):%s*(.*)$") end

local function transform_headers(conf, ctx)
  local request, outgoing = ctx.request, ctx.service.request
  for _, name in ipairs(conf.remove.headers) do
    outgoing:clear_header(name)
  end
  for _, entry in ipairs(conf.rename.headers) do
    local old, new = split(entry)
    local value = request:get_headers(1000)[old:lower()]
    if value then
      outgoing:clear_header(old)
      outgoing:set_headers { [new] = value }
    end
  end
  for _, entry in ipairs(conf.replace.headers) do
    local name, value = split(entry)
    if request:get_header(name) then outgoing:set_header(name, value) end
  end
  for _, entry in ipairs(conf.add.headers) do
    local name, value = split(entry)
    if not request:get_header(name) then outgoing:set_header(name, value) end
  end
  for _, entry in ipairs(conf.append.headers) do
    local name, value = split(entry)
    outgoing:add_header(name, value)
  end
end

local function append(args, name, value)
  local before = args[name]
  if before == nil then
    args[name] = value
  elseif type(before) == "table" then
    before[#before + 1] = value
  else
    args[name] = { before, value }
  end
end

local function transform_query(conf, args)
  for _, name in ipairs(conf.remove.querystring) do
    args[name] = nil
  end
  for _, entry in ipairs(conf.rename.querystring) do
    local old, new = split(entry)
    if args[old] ~= nil then
      args[new], args[old] = args[old], nil
    end
  end
  for _, entry in ipairs(conf.replace.querystring) do
    local name, value = split(entry)
    if args[name] ~= nil then args[name] = value end
  end
  for _, entry in ipairs(conf.add.querystring) do
    local name, value = split(entry)
    if args[name] == nil then args[name] = value end
  end
  for _, entry in ipairs(conf.append.querystring) do
    append(args, split(entry))
  end
  return args
end

local function touches_query(conf)
  return conf.remove.querystring[1]
    or conf.rename.querystring[1]
    or conf.replace.querystring[1]
    or conf.add.querystring[1]
    or conf.append.querystring[1]
end

function M.access(conf, ctx)
  local outgoing = ctx.service.request
  if conf.http_method then outgoing:set_method(conf.http_method) end
  if conf.replace.uri then outgoing:set_path(conf.replace.uri) end
  transform_headers(conf, ctx)
  if touches_query(conf) then outgoing:set_query(transform_query(conf, ctx.request:get_query(1000))) end
end

return M
