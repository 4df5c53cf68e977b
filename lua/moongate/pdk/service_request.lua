--- ctx.service.request: what the service gets.
local args = require("moongate.args")
local body = require("moongate.pdk.body")
local check = require("moongate.pdk.check")
local entities = require("moongate.entities")
local fields = require("moongate.pdk.fields")

local C = require("moongate.cdef")
local enter = check.enter
local ROUTED, BEFORE = check.ROUTED, check.BEFORE
local REQUEST = C.GW_PDK_OF_REQUEST
local SECURE = { https = true, grpcs = true }

local M = {}

local function change(h, what, text_of, value, name)
  if C.gw_pdk_set_outgoing(h, text_of, value, #value) ~= 0 then
    error(("%s: %q is not a valid %s"):format(what, value, name), 3)
  end
end

-- Whether the configuration says that the service is asked over TLS.
local function is_over_tls(h)
  local service = entities.services[C.gw_pdk_number(h, C.GW_PDK_SERVICE)]
  return service ~= nil and SECURE[service.protocol] == true
end

--- How the service is asked: what the configuration says of it; something else is not in this version.
---@phase rewrite after routing, access
---@param scheme "http"|"https"
function M:set_scheme(scheme)
  local what = "ctx.service.request:set_scheme"
  local h = enter(self, what, ROUTED)
  if scheme ~= "http" and scheme ~= "https" then error(what .. ": the scheme must be http or https", 2) end
  if (scheme == "https") ~= is_over_tls(h) then check.later(what .. ": " .. scheme) end
end

--- Not in this version: asks the service without TLS.
---@phase rewrite after routing, access
function M:disable_tls()
  enter(self, "ctx.service.request:disable_tls", ROUTED)
  check.later("ctx.service.request:disable_tls")
end

--- Not in this version: asks the service with TLS.
---@phase rewrite after routing, access
function M:enable_tls()
  enter(self, "ctx.service.request:enable_tls", ROUTED)
  check.later("ctx.service.request:enable_tls")
end

--- Does nothing: the response is read as a whole where a plugin asks for it (ctx.response:get_raw_body).
---@phase rewrite after routing, access
function M:enable_buffering() enter(self, "ctx.service.request:enable_buffering", ROUTED) end

--- The path the service sees, whole: nothing is put before it.
---@phase rewrite after routing, access
---@param path string  starts with "/"
function M:set_path(path)
  local h = enter(self, "ctx.service.request:set_path", ROUTED)
  path = check.text(path, "ctx.service.request:set_path", "the path")
  change(h, "ctx.service.request:set_path", C.GW_PDK_PATH, path, "path")
end

--- Another method.
---@phase rewrite after routing, access
---@param method string
function M:set_method(method)
  local h = enter(self, "ctx.service.request:set_method", ROUTED)
  method = check.text(method, "ctx.service.request:set_method", "the method")
  change(h, "ctx.service.request:set_method", C.GW_PDK_METHOD, method, "method")
end

--- Another query, as it is sent; "" takes it away.
---@phase rewrite after routing, access
---@param query string
function M:set_raw_query(query)
  local h = enter(self, "ctx.service.request:set_raw_query", ROUTED)
  query = check.text(query, "ctx.service.request:set_raw_query", "the query")
  change(h, "ctx.service.request:set_raw_query", C.GW_PDK_QUERY, query, "query")
end

--- Another query, of arguments that are encoded in alphabetical order.
---@phase rewrite after routing, access
---@param query table<string, string|number|boolean|table>
function M:set_query(query)
  local h = enter(self, "ctx.service.request:set_query", ROUTED)
  if type(query) ~= "table" then
    error("ctx.service.request:set_query: the query must be a table (set_raw_query takes text)", 2)
  end
  local text, reason = args.encode(query)
  if not text then error("ctx.service.request:set_query: " .. reason, 2) end
  change(h, "ctx.service.request:set_query", C.GW_PDK_QUERY, text, "query")
end

--- Takes an argument out of the query, for the service and for later plugins; the others stay as they were sent.
---@phase rewrite after routing, access
---@param name string
function M:clear_query_arg(name)
  local h = enter(self, "ctx.service.request:clear_query_arg", ROUTED)
  name = check.text(name, "ctx.service.request:clear_query_arg", "the name")
  C.gw_pdk_clear_arg(h, name, #name)
end

--- Sets a header; "host" is what the service sees as its own name.
---@phase rewrite, access
---@param name string
---@param value string|number|boolean|string[]
function M:set_header(name, value)
  local h = enter(self, "ctx.service.request:set_header", BEFORE)
  fields.edit(h, REQUEST, C.GW_PDK_SET, "ctx.service.request:set_header", name, value)
end

--- Adds a header.
---@phase rewrite, access
---@param name string
---@param value string|number|boolean|string[]
function M:add_header(name, value)
  local h = enter(self, "ctx.service.request:add_header", BEFORE)
  fields.edit(h, REQUEST, C.GW_PDK_ADD, "ctx.service.request:add_header", name, value)
end

--- Takes a header away.
---@phase rewrite, access
---@param name string
function M:clear_header(name)
  local h = enter(self, "ctx.service.request:clear_header", BEFORE)
  fields.clear(h, REQUEST, "ctx.service.request:clear_header", name)
end

--- Sets several headers.
---@phase rewrite, access
---@param headers table<string, string|number|boolean|string[]>
function M:set_headers(headers)
  local h = enter(self, "ctx.service.request:set_headers", BEFORE)
  if type(headers) ~= "table" then error("ctx.service.request:set_headers: headers must be a table", 2) end
  for name, value in pairs(headers) do
    fields.edit(h, REQUEST, C.GW_PDK_SET, "ctx.service.request:set_headers", name, value)
  end
end

--- Another body.
---@phase rewrite after routing, access
---@param content string
function M:set_raw_body(content)
  local h = enter(self, "ctx.service.request:set_raw_body", ROUTED)
  content = check.text(content, "ctx.service.request:set_raw_body", "the body")
  C.gw_pdk_set_outgoing_body(h, content, #content)
end

--- Another body, made of a table by its type; sets Content-Type.
---@phase rewrite after routing, access
---@param content table
---@param mimetype? string  that of the request; JSON, application/x-www-form-urlencoded or multipart/form-data
function M:set_body(content, mimetype)
  local what = "ctx.service.request:set_body"
  local h = enter(self, what, ROUTED)
  if type(content) ~= "table" then error(what .. ": the body must be a table (set_raw_body takes text)", 2) end
  mimetype = mimetype or fields.get(h, REQUEST, "content-type")
  if not mimetype then error(what .. ": say the mimetype, the request has none", 2) end
  local text, content_type = body.encode(content, check.text(mimetype, what, "the mimetype"))
  if not text then error(what .. ": " .. content_type, 2) end
  C.gw_pdk_set_outgoing_body(h, text, #text)
  fields.edit(h, REQUEST, C.GW_PDK_SET, what, "content-type", content_type)
end

return M
