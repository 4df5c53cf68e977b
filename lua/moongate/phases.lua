--- Runs the hooks of a phase. C enters here once per phase, not once per hook. What runs is chosen when the generation
--- is built, so that a request makes no closures, tables or strings.
---
--- A *list* is what one plan runs in one phase: parallel arrays `fns`, `confs`, `uses` and their length `n`. Where
--- consumers have uses of their own, `choices[i]` says so, and the use is picked at the plugin's turn in access and
--- kept for the phases after it. `skips`: a use of it says on_error: skip (moongate.pipe asks).
local check = require("moongate.pdk.check")
local context = require("moongate.ctx")
local core = require("moongate.core")
local guards = require("moongate.guards")
local pipe = require("moongate.pipe")

local C = require("moongate.cdef")
local begin, hold = context.begin, context.hold
local REWRITE_GLOBAL, REWRITE, ACCESS = check.REWRITE_GLOBAL, check.REWRITE, check.ACCESS
local REQUEST_BODY, RESPONSE, BODY, LOG = check.REQUEST_BODY, check.RESPONSE, check.BODY, check.LOG

local M = {}

-- The compiled plan of each route, then the global one.
local plans = {}

local function nothing() end

-- The variant of the consumer, kept from the plugin's turn on; false: the plugin does not run for this one.
local function pick(h, ctx, choice)
  local chosen = hold(ctx).chosen
  local variant = chosen[choice]
  if variant == nil then
    variant = choice.by_consumer[C.gw_pdk_number(h, C.GW_PDK_CONSUMER)] or choice.default
    chosen[choice] = variant
  end
  return variant
end

-- `stops`: an answer skips the hooks that are left.
local function run(h, ctx, list, from, stops)
  local fns, confs, uses, choices = list.fns, list.confs, list.uses, list.choices
  for i = from, list.n do
    h.at = i
    local choice = choices and choices[i]
    if choice then
      local variant = pick(h, ctx, choice)
      if variant then
        h.use = variant.use
        fns[i](variant.conf, ctx)
      end
    else
      h.use = uses[i]
      fns[i](confs[i], ctx)
    end
    if stops and h.replied ~= 0 then return end
  end
end

-- The runners get the slot that serves the request; its handle says with which plan, and where they begin.
local function rewrite(slot)
  local h, ctx = begin(slot)
  h.phase = REWRITE_GLOBAL
  run(h, ctx, plans[h.plan].rewrite_global, h.from, true)
end

local function access(slot)
  local h, ctx = begin(slot)
  local lists, from = plans[h.plan], h.from
  if h.stage ~= ACCESS then
    h.phase = REWRITE
    run(h, ctx, lists.rewrite, from, true)
    if h.replied ~= 0 then return end
    from = 1
  end
  h.phase = ACCESS
  run(h, ctx, lists.access, from, true)
end

local function response(slot)
  local h, ctx = begin(slot)
  h.phase = RESPONSE
  run(h, ctx, plans[h.plan].response, h.from, false)
end

-- What ctx:after kept counts as hooks behind the list's.
local function run_after(h, ctx, after, behind, from)
  local i = math.max(from - behind, 1)
  while i <= after.n do -- one may keep another
    h.at, h.use = behind + i, after.uses[i]
    after[i](ctx)
    i = i + 1
  end
end

local function log(slot)
  local h, ctx = begin(slot)
  local list, from = plans[h.plan].log, h.from
  h.phase = LOG
  run(h, ctx, list, from, false)
  local after = slot.state.after
  if after then run_after(h, ctx, after, list.n, from) end
end

local function send(chunk)
  if type(chunk) ~= "string" then error("send: a chunk must be a string, not a " .. type(chunk), 2) end
  return core.send(chunk)
end

-- What a hook answered with ctx.response:stream(); the handle knows whose it is.
local function stream(slot)
  local h, ctx = begin(slot)
  h.phase = BODY
  hold(ctx).stream(send)
end

local function new_list() return { n = 0, fns = {}, confs = {}, uses = {}, choices = false, skips = false } end

local function add(list, fn, conf, use, choice)
  local n = list.n + 1
  list.n, list.fns[n], list.confs[n], list.uses[n] = n, fn, conf, use
  if choice then
    list.choices = list.choices or {}
    list.choices[n] = choice
  end
end

-- The uses of one plugin that consumers have in a plan.
local function choice_of(entry, uses, consumer_index, conf_of)
  if not entry.by_consumer then return nil end
  local choice = { by_consumer = {}, default = false }
  for id, use in pairs(entry.by_consumer) do
    choice.by_consumer[consumer_index[id]] = { conf = conf_of(uses[use]), use = use }
  end
  if entry.use then choice.default = { conf = conf_of(uses[entry.use]), use = entry.use } end
  return choice
end

-- One of the uses that an entry has; their handler is the same.
local function use_of(entry, uses)
  local _, other = next(entry.by_consumer or {})
  return uses[entry.use or other]
end

local function may_skip(entry, uses)
  if entry.use and uses[entry.use].on_error == "skip" then return true end
  for _, use in pairs(entry.by_consumer or {}) do
    if uses[use].on_error == "skip" then return true end
  end
  return false
end

-- Which hooks the uses of an entry have, where that is a matter of their configuration (moongate.functions).
local function chosen_hooks(handler, entry, uses)
  local chosen = {}
  local function add_of(use)
    for name, has in pairs(handler._hooks(uses[use].conf)) do
      chosen[name] = chosen[name] or has
    end
  end
  if entry.use then add_of(entry.use) end
  for _, use in pairs(entry.by_consumer or {}) do
    add_of(use)
  end
  return chosen
end

-- The hooks of an entry's plugin. What is not trusted gets a ctx that holds nothing.
local function hooks_of(entry, uses, handler_of)
  local use = use_of(entry, uses)
  local handler = handler_of(use)
  local chosen = handler._hooks and chosen_hooks(handler, entry, uses)
  if not use.untrusted and not chosen then return handler end
  local hooks = {}
  for _, name in ipairs { "rewrite", "access", "response", "log", "request_body", "body" } do
    local hook = handler[name]
    -- A plugin that was written for Kong never has a ctx.
    if hook and use.untrusted and not handler._kong then hook = require("moongate.facade").hook(hook) end
    if not chosen or chosen[name] then hooks[name] = hook end
  end
  return hooks
end

-- Global plugins with a rewrite hook have run it before routing: scoped uses of them do not run it again.
local function compile(entries, plan, handler_of, ran_rewrite, consumer_index)
  local lists = {
    rewrite_global = new_list(),
    rewrite = new_list(),
    access = new_list(),
    response = new_list(),
    log = new_list(),
    request_body = new_list(),
    body = new_list(),
  }
  for _, entry in ipairs(entries) do
    local one = use_of(entry, plan.uses)
    local name, handler = one.plugin, hooks_of(entry, plan.uses, handler_of)
    local conf_of, guard = guards.of(entry, plan.uses)
    local choice = choice_of(entry, plan.uses, consumer_index, conf_of)
    local use = entry.use
    local conf = use and conf_of(plan.uses[use])
    if handler.rewrite and use then
      add(lists.rewrite_global, guard(handler.rewrite), conf, use)
      if not ran_rewrite[name] then add(lists.rewrite, guard(handler.rewrite), conf, use) end
    end
    if handler.access or choice then
      add(lists.access, handler.access and guard(handler.access) or nothing, conf, use, choice)
    end
    for _, hook in ipairs { "response", "log", "request_body", "body" } do
      local list = lists[hook]
      if handler[hook] then
        add(list, guard(handler[hook]), conf, use, choice)
        list.skips = list.skips or may_skip(entry, plan.uses)
      end
    end
  end
  return lists
end

-- Bits of enum gw_phase.
local function bits(lists, first)
  return (first.n > 0 and 1 or 0)
    + ((lists.rewrite.n > 0 or lists.access.n > 0) and 2 or 0)
    + (lists.response.n > 0 and 4 or 0)
    + (lists.log.n > 0 and 8 or 0)
    + (lists.request_body.n > 0 and 16 or 0)
    + (lists.body.n > 0 and 32 or 0)
end

local function consumer_places(consumers)
  local places = {}
  for index, consumer in ipairs(consumers) do
    places[consumer.id] = index
  end
  return places
end

---@param plan table  see core/script/script.h
---@param handler_of fun(use: table): table
---@param route_count integer
---@return { phases: integer[], runners: function[] }
function M.build(plan, handler_of, route_count)
  local consumer_index = consumer_places(plan.consumers)
  local ran_rewrite, compiled, phases = {}, {}, {}
  for _, entry in ipairs(plan.plans[plan.global]) do
    ran_rewrite[use_of(entry, plan.uses).plugin] = hooks_of(entry, plan.uses, handler_of).rewrite ~= nil
  end
  for i, entries in ipairs(plan.plans) do
    compiled[i] = compile(entries, plan, handler_of, ran_rewrite, consumer_index)
  end
  local global = compiled[plan.global]
  for i = 1, route_count do
    local route = plan.routes[i]
    plans[i] = compiled[route and route.plan or plan.global]
    phases[i] = bits(plans[i], new_list())
  end
  plans[route_count + 1] = global
  phases[route_count + 1] = bits(global, global.rewrite_global)
  local request_body = pipe.runner(plans, pick, "request_body", REQUEST_BODY)
  local body = pipe.runner(plans, pick, "body", BODY)
  return { phases = phases, runners = { rewrite, access, response, log, request_body, body, stream } }
end

return M
