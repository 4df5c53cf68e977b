--- Handlers in Kong's form, and what is made of them when a plugin is loaded: one with our hooks.
local here = require("kong.here")
local words = require("moongate.schema.words")

local M = {}

local HOOKS = { "rewrite", "access", "response", "log" }

local OF_KONG = { "PRIORITY", "VERSION", "header_filter", "body_filter", "init_worker", "configure" }

-- A handler with one of these has work to do that nobody would do here.
local NO_HOOKS = { "certificate", "ws_handshake", "ws_client_frame", "ws_upstream_frame", "ws_close" }

--- Whether a text may be the handler of such a plugin: it names what only they have. Comments do not count.
---@param text string
---@return boolean
function M.may_be(text)
  text = text:gsub("%-%-[^\n]*", "")
  if text:find("%f[%w_]kong%.%l") then return true end -- kong.request, require "kong.plugins.…"
  for _, name in ipairs(OF_KONG) do
    if text:find("%f[%w_]" .. name .. "%f[^%w_]") then return true end
  end
  return false
end

--- Whether a handler is one.
---@param handler any
---@return boolean
function M.is_kong(handler)
  if type(handler) ~= "table" then return false end
  for _, name in ipairs(OF_KONG) do
    if rawget(handler, name) ~= nil then return true end
  end
  return false
end

--- What is wrong with one; nil when nothing is.
---@param handler table
---@return string?
function M.problem(handler)
  local priority, version = rawget(handler, "PRIORITY"), rawget(handler, "VERSION")
  if priority ~= nil and (type(priority) ~= "number" or priority % 1 ~= 0 or math.abs(priority) > 2 ^ 31) then
    return ("PRIORITY must be a whole number, got %s"):format(words.value(priority))
  elseif type(version) == "string" and not version:find("^%d+%.%d+") then
    return ('VERSION must be of the form "1.0.0", got %s'):format(words.value(version))
  end
  for _, name in ipairs(NO_HOOKS) do
    if rawget(handler, name) ~= nil then return ("the hook %s of Kong's is not in this version"):format(name) end
  end
  for _, name in ipairs {
    "rewrite",
    "access",
    "response",
    "log",
    "header_filter",
    "body_filter",
    "init_worker",
    "configure",
  } do
    local hook = rawget(handler, name)
    if hook ~= nil and type(hook) ~= "function" then
      return ("%s must be a function, got %s"):format(name, words.value(hook))
    end
  end
end

-- ngx.arg and set_raw_body are what body_filter answers with (moongate.pipe takes it from there).
local function body_hook(plugin, hook)
  return function(conf, ctx)
    here.ctx = ctx
    hook(plugin, conf)
    here.ctx = false
  end
end

local function init_hook(plugin, init_worker, configure)
  return function(configs)
    here.ctx = false
    if init_worker then init_worker(plugin) end
    if configure then configure(plugin, configs) end
  end
end

--- Our handler of one of theirs. Nothing is made per request.
---@param handler table
---@return table
function M.adapt(handler)
  local plugin = handler
  if rawget(handler, "super") and rawget(handler, "new") then -- a class of BasePlugin's days
    plugin = setmetatable({}, handler)
    plugin:new()
  end
  local made = { priority = rawget(handler, "PRIORITY") or 0, _kong = true }
  for _, name in ipairs(HOOKS) do
    local hook = rawget(handler, name)
    if hook then made[name] = here.hook(plugin, hook) end
  end
  local response, header_filter = rawget(handler, "response"), rawget(handler, "header_filter")
  if header_filter then
    made.response = response and here.hook(plugin, response, header_filter) or here.hook(plugin, header_filter)
  end
  local body_filter = rawget(handler, "body_filter")
  if body_filter then made.body = body_hook(plugin, body_filter) end
  local init_worker, configure = rawget(handler, "init_worker"), rawget(handler, "configure")
  if init_worker or configure then made.init = init_hook(plugin, init_worker, configure) end
  made.version = type(handler.VERSION) == "string" and handler.VERSION:match("^%d+%.%d+%.%d+$") or nil
  return made
end

return M
