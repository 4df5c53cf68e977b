--- What pre-function and post-function are made of: Lua that stands in the configuration, run in a phase.
local M = {}

--- The plugins' hooks, and what Kong calls them.
M.HOOKS = { "rewrite", "access", "request_body", "response", "body", "log" }
M.KONG_NAMES = { response = "header_filter", body = "body_filter" }

-- A list of { fn } or { chunk }: a chunk that returns a function is run once, and the function takes its place.
local function compile(texts, load, env, name)
  local list = {}
  for i, text in ipairs(texts) do
    local chunk, reason = load(text, ("=%s[%d]"):format(name, i), "t", env)
    if not chunk then error(reason, 0) end
    list[i] = { fn = chunk, is_chunk = true }
  end
  return list
end

local function call(entry, ctx, piece, last)
  local result = entry.fn(ctx, piece, last)
  if not entry.is_chunk or type(result) ~= "function" then return result end
  entry.fn, entry.is_chunk = result, false
  return result(ctx, piece, last)
end

local function texts_of(conf, hook) return conf[hook] or conf[M.KONG_NAMES[hook]] end

--- A handler whose functions stand in its configuration.
---@param name string        the plugin's
---@param priority integer
---@param env table          what the functions see as globals, each use in a table of its own
---@param load function      what makes functions of text there
---@return table
function M.handler(name, priority, env, load)
  local compiled = {} -- by configuration

  local handler = { version = "1.0.0", priority = priority, trusted = false }

  -- For the plan: a use has the hooks that it has functions for.
  function handler._hooks(conf)
    local hooks = {}
    for _, hook in ipairs(M.HOOKS) do
      local texts = texts_of(conf, hook)
      hooks[hook] = texts ~= nil and #texts > 0
    end
    return hooks
  end

  function handler.init(configs)
    for _, conf in ipairs(configs) do
      local own, lists = setmetatable({}, { __index = env }), {}
      for _, hook in ipairs(M.HOOKS) do
        local key = conf[hook] and hook or M.KONG_NAMES[hook] or hook
        lists[hook] = compile(conf[key] or {}, load, own, ("%s, %s"):format(name, key))
      end
      compiled[conf] = lists
    end
  end

  for _, hook in ipairs { "rewrite", "access", "response", "log" } do
    local stops = hook == "rewrite" or hook == "access" -- an answer skips what is left, as it does with hooks
    handler[hook] = function(conf, ctx)
      local list = compiled[conf][hook]
      for i = 1, #list do
        call(list[i], ctx)
        if stops and require("moongate.facade").has_answer(ctx) then return end
      end
    end
  end

  for _, hook in ipairs { "request_body", "body" } do
    handler[hook] = function(conf, ctx, piece, last)
      local list, result = compiled[conf][hook], nil
      for i = 1, #list do
        local made = call(list[i], ctx, piece, last)
        if made ~= nil then
          piece, result = made, made
        end
      end
      return result
    end
  end

  return handler
end

return M
