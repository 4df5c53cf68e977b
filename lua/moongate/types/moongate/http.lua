---@meta moongate.http
-- Written by ./dev docs from the sources. Do not change it here.

---HTTP as plugins know it that come from Kong with lua-resty-http: request_uri() on top of ctx:fetch. What is written
---anew should call ctx:fetch.
---@class moongate.http
local M = {}

---@class moongate.http.Client
local Client = {}

---Milliseconds for the whole request.
---
---In every hook.
---@param timeout number
function Client:set_timeout(timeout) end

---Milliseconds for connecting, sending and reading; here they are one, for the whole.
---
---In every hook.
---@param connect number
---@param send number
---@param read number
function Client:set_timeouts(connect, send, read) end

---Asks; the host must stand in the configuration or in fetch.allow. Waits for the whole response.
---
---In every hook.
---@param uri string
---@param params? { method?: string, path?: string, query?: string|table, headers?: table, body?: string }
---@return { status: integer, reason: string, headers: table, body: string, has_body: boolean }? response
---@return string? reason
function Client:request_uri(uri, params) end

---Does nothing: connections are kept without a word.
---
---In every hook.
---@return integer
function Client:set_keepalive() end

---Does nothing: request_uri() leaves nothing open.
---
---In every hook.
---@return integer
function Client:close() end

---A client for this request.
---
---In every hook.
---@param ctx moongate.Ctx
---@return moongate.http.Client
function M.new(ctx) end

return M
