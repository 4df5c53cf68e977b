--- Hooks of plugins whose uses have conditions (`when:`). Such a hook is called with a *box* instead of its
--- configuration: the guard looks whether the condition holds, once a request, at the plugin's first hook, and keeps
--- the answer for its other hooks. Plugins without a condition are not touched.
local context = require("moongate.ctx")
local views = require("moongate.views")
local when = require("moongate.when")

local hold, holds = context.hold, views.holds

local M = {}

local boxes = {} -- by use
local hooks = {} -- by function

local function is_conditional(entry, uses)
  if entry.use and uses[entry.use].when then return true end
  for _, use in pairs(entry.by_consumer or {}) do
    if uses[use].when then return true end
  end
  return false
end

local function box_of(use)
  local box = boxes[use]
  if not box then
    box = { conf = use.conf, when = use.when and when.compile(use.when) or false }
    boxes[use] = box
  end
  return box
end

-- A condition that fails is false for the hooks that come after: the plugin failed, and is not tried again.
local function passes(box, ctx)
  if not box.when then return true end
  local chosen = hold(ctx).chosen
  local answer = chosen[box]
  if answer == nil then
    chosen[box] = false
    answer = holds(box.when, ctx[1])
    chosen[box] = answer
  end
  return answer
end

local function guard(hook)
  local guarded = hooks[hook]
  if not guarded then
    guarded = function(box, ctx, chunk, last)
      if passes(box, ctx) then return hook(box.conf, ctx, chunk, last) end
    end
    hooks[hook] = guarded
  end
  return guarded
end

local function conf_of(use) return use.conf end
local function itself(hook) return hook end

--- How the hooks of one plugin in a plan are called: what turns a use into their first argument, and what stands before
--- a hook.
---@return fun(use: table): any conf_of
---@return fun(hook: function): function guard
function M.of(entry, uses)
  if is_conditional(entry, uses) then return box_of, guard end
  return conf_of, itself
end

return M
