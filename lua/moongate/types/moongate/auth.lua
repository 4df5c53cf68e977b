---@meta moongate.auth
-- Written by ./dev docs from the sources. Do not change it here.

---What authenticating plugins share: finding a consumer by a credential, and telling the service who it is.
---@class moongate.auth
local M = {}

---Makes the index at once, for `init`.
---@param plugin string
---@param field string
function M.prepare(plugin, field) end

---The consumer whose credential of that plugin has that value.
---@param plugin string # "key-auth"
---@param field string # "key"
---@param value string
---@return table? consumer
---@return table? credential
function M.find(plugin, field, value) end

---Takes away what a client said about who it is.
---@param ctx table
function M.strip(ctx) end

---The request is this consumer's: later plugins, limits, logs and the service will know.
---@param ctx table
---@param consumer table?
---@param credential table?
function M.accept(ctx, consumer, credential) end

---Lets a request without credentials pass as the consumer that stands for everybody.
---@param ctx table
---@param id_or_name string
---@return boolean ok
---@return string? reason
function M.accept_anonymous(ctx, id_or_name) end

return M
