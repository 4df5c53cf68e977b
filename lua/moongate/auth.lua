--- What authenticating plugins share: finding a consumer by a credential, and telling the service who it is.
local entities = require("moongate.entities")

local M = {}

--- What the service is told; whatever a client says under these names is taken away, in every spelling.
local HEADERS = {
  "X-Consumer-ID",
  "X-Consumer-Custom-ID",
  "X-Consumer-Username",
  "X-Credential-Identifier",
  "X-Anonymous-Consumer",
  "X-Authenticated-Groups",
}

-- [plugin][field][value] = { consumer, credential }, made at first use, once per generation.
local indexes = {}

local function build(plugin, field)
  local index = {}
  for _, consumer in ipairs(entities.consumers) do
    for _, credential in ipairs((entities.credentials[consumer.id] or {})[plugin] or {}) do
      local value = credential[field]
      if value ~= nil then index[value] = { consumer = consumer, credential = credential } end
    end
  end
  return index
end

local function index_of(plugin, field)
  indexes[plugin] = indexes[plugin] or {}
  local index = indexes[plugin][field]
  if not index then
    index = build(plugin, field)
    indexes[plugin][field] = index
  end
  return index
end

--- Makes the index at once, for `init`.
---@param plugin string
---@param field string
function M.prepare(plugin, field) index_of(plugin, field) end

--- The consumer whose credential of that plugin has that value.
---@param plugin string  "key-auth"
---@param field string   "key"
---@param value string
---@return table? consumer, table? credential
function M.find(plugin, field, value)
  local found = index_of(plugin, field)[value]
  if found then return found.consumer, found.credential end
end

--- Takes away what a client said about who it is.
---@param ctx table
function M.strip(ctx)
  for _, name in ipairs(HEADERS) do
    ctx.service.request:clear_header(name)
  end
end

local function set(request, name, value)
  if value ~= nil and value ~= "" then request:set_header(name, value) end
end

--- The request is this consumer's: later plugins, limits, logs and the service will know.
---@param ctx table
---@param consumer table?
---@param credential table?
function M.accept(ctx, consumer, credential)
  local request = ctx.service.request
  M.strip(ctx)
  ctx.client:authenticate(consumer, credential)
  if consumer then
    set(request, "X-Consumer-ID", consumer.id)
    set(request, "X-Consumer-Custom-ID", consumer.custom_id)
    set(request, "X-Consumer-Username", consumer.username)
    if consumer.groups and consumer.groups[1] then
      set(request, "X-Authenticated-Groups", table.concat(consumer.groups, ", "))
    end
  end
  if credential then set(request, "X-Credential-Identifier", credential.id) end
end

--- Lets a request without credentials pass as the consumer that stands for everybody.
---@param ctx table
---@param id_or_name string
---@return boolean ok, string? reason
function M.accept_anonymous(ctx, id_or_name)
  local consumer, reason = ctx.client:load_consumer(id_or_name, true)
  if not consumer then return false, reason end
  M.accept(ctx, consumer, nil)
  ctx.service.request:set_header("X-Anonymous-Consumer", "true")
  return true
end

return M
