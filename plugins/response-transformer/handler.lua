--- Changes the headers of the response on its way to the client.
local M = { version = "1.0.0", priority = 800 }

local function split(entry) return entry:match("^([^:]+):%s*(.*)$") end

local function remove(response, entry)
  local name, value = split(entry)
  if not name then return response:clear_header(entry) end
  local kept, all = {}, response:get_headers(1000)[name:lower()]
  if all == nil then return end
  for _, one in ipairs(type(all) == "table" and all or { all }) do
    if one ~= value then kept[#kept + 1] = one end
  end
  response:clear_header(name)
  for _, one in ipairs(kept) do
    response:add_header(name, one)
  end
end

local function rename(response, entry)
  local old, new = split(entry)
  local value = response:get_headers(1000)[old:lower()]
  if value then
    response:clear_header(old)
    response:set_headers { [new] = value }
  end
end

function M.response(conf, ctx)
  local response = ctx.response
  for _, entry in ipairs(conf.remove.headers) do
    remove(response, entry)
  end
  for _, entry in ipairs(conf.rename.headers) do
    rename(response, entry)
  end
  for _, entry in ipairs(conf.replace.headers) do
    local name, value = split(entry)
    if response:get_header(name) then response:set_header(name, value) end
  end
  for _, entry in ipairs(conf.add.headers) do
    local name, value = split(entry)
    if not response:get_header(name) then response:set_header(name, value) end
  end
  for _, entry in ipairs(conf.append.headers) do
    response:add_header(split(entry))
  end
end

return M
