--- Builds what a script runs: reads the plan, loads the plugins it names, runs `init`, and tells C which plans have
--- hooks in which phase. Called once, by C, on the loader thread; an error's text is what the operator reads.
---
--- `core` comes from C (core/script/load.c): home, plan, script, wait_token, route_count, worker, and the functions
--- that wait. The shape of the plan is described in core/script/script.h. In a borrowed state it also holds `harness`
--- (lua/moongate/spec/gateway.lua): handlers that are given instead of read, and who watches them.
local core = ...

package.path = ("%s/lua/?.lua;%s/lua/?/init.lua;"):format(core.home, core.home)
  .. package.path:gsub("%./%?%.lua;", "")
package.cpath = package.cpath:gsub("%./%?%.so;", "")

local ffi = require("ffi")
local C = require("moongate.cdef")
core.script = ffi.cast("struct gw_script *", core.script)
package.loaded["moongate.core"] = core

require("moongate.coroutines").install(core.wait_token)
-- A borrowed state is not ours to change.
if not core.harness then
  require("moongate.finalisers").install(core.script)
  require("moongate.catching").install(core.script)
end

-- The compiler rests while this runs (core/script/load.c); a plugin that wants it off for good says so here.
local loading, compiles = true, true
local jit_off, jit_on = jit.off, jit.on
if not core.harness then
  jit.off = function(fn, ...) -- luacheck: ignore 122
    if fn == nil then compiles = false end
    return jit_off(fn, ...)
  end
  jit.on = function(fn, ...) -- luacheck: ignore 122
    if fn ~= nil or not loading then return jit_on(fn, ...) end
    compiles = true
  end
end

local adapt = require("kong.adapt")
local buffer = require("string.buffer")
local entities = require("moongate.entities")
local files = require("moongate.config.files")
local plugins = require("moongate.config.plugins")

local harness = core.harness

local problems = {}

local function problem(...) problems[#problems + 1] = string.format(...) end

-- A run-time error in a plugin's file names the file and line itself; a message without a place gets one.
local function place(dir, reason)
  reason = tostring(reason)
  if reason:find(dir, 1, true) then return reason end
  return ("%s/handler.lua: %s"):format(dir, reason)
end

-- What a file sees besides: for code that is not trusted the sandbox, for plugins of Kong's their globals.
local function surroundings(name, dir, trusted)
  local other, box, globals
  if not trusted then
    local facade = require("moongate.facade") -- only now: it reads what entities.fill() filled
    other, box = facade.require(), facade.environment()
  end
  local text = files.read(dir .. "/handler.lua")
  if text and adapt.may_be(text) then
    other, globals = require("kong.layer").new(name, not trusted, other or require, box or _G)
  end
  return other, box, globals
end

local function run_handler(name, dir, trusted)
  if harness and harness.given[name] then return true, harness.given[name] end
  local other, box, globals = surroundings(name, dir, trusted)
  local loaded = harness and harness.loaded(name) or {}
  return plugins.run_file(dir .. "/handler.lua", dir, name, loaded, other, box, globals)
end

local function load_handler(name, dir, trusted)
  local ok, handler = run_handler(name, dir, trusted)
  if not ok then
    problem("plugin %s: %s", name, place(dir, handler))
    return
  end
  local reason = plugins.handler_problem(handler)
  if reason then
    problem("plugin %s: %s/handler.lua: %s", name, dir, reason)
    return
  end
  if adapt.is_kong(handler) then handler = adapt.adapt(handler) end
  return harness and harness.watch(name, handler) or handler
end

-- In alphabetical order, so that errors and init come in the same order every time. A plugin that one use trusts and
-- another does not is loaded twice.
local function load_handlers(plan)
  local names, handlers = {}, { [true] = {}, [false] = {} }
  for name in pairs(plan.plugins) do
    names[#names + 1] = name
  end
  table.sort(names)
  local wanted = { [true] = {}, [false] = {} }
  for _, use in ipairs(plan.uses) do
    wanted[not use.untrusted][use.plugin] = true
  end
  for _, name in ipairs(names) do
    for _, trusted in ipairs { true, false } do
      if wanted[trusted][name] then
        handlers[trusted][name] = load_handler(name, plan.plugins[name].dir, trusted)
      end
    end
  end
  return names, handlers
end

-- Where an error came from; what init refuses by itself, with error(text, 0), needs no such thing.
local function traced(reason)
  if type(reason) == "string" and not reason:find("^[^\n]-:%d+: ") then return reason end
  return debug.traceback(reason, 2)
end

-- init may not wait and gets what every use of the plugin was configured with.
local function run_init_of(name, handler, uses, trusted)
  if not handler or not handler.init then return end
  local configs = {}
  for _, use in ipairs(uses) do
    if use.plugin == name and not use.untrusted == trusted then configs[#configs + 1] = use.conf end
  end
  core.declaring, core.declaring_trusted = name, trusted -- for the modules in which init declares
  C.gw_pdk_loading(name, "init")
  local ok, reason = xpcall(handler.init, traced, configs)
  C.gw_pdk_loading(nil, nil)
  core.declaring = nil
  if not ok then problem("plugin %s, init: %s", name, (tostring(reason):gsub("\n%s*", " | "))) end
end

local function run_init(names, handlers, uses)
  for _, name in ipairs(names) do
    for _, trusted in ipairs { true, false } do
      run_init_of(name, handlers[trusted][name], uses, trusted)
    end
  end
end

-- A size for a zone that nobody has is a mistake somebody wants to hear of.
local function check_zones()
  local known = {}
  for name in pairs(core.declared_zones) do
    known[#known + 1] = name
  end
  table.sort(known)
  for name in pairs(core.zones) do
    if not core.declared_zones[name] then
      problem(
        "zones: no plugin in use declares %q (declared: %s)",
        name,
        #known > 0 and table.concat(known, ", ") or "none"
      )
    end
  end
end

local function give_up()
  if #problems > 0 then error(table.concat(problems, "\n"), 0) end
end

local plan = core.plan ~= "" and buffer.decode(core.plan)
  or { plugins = {}, uses = {}, plans = { {} }, global = 1, routes = {}, services = {}, consumers = {} }
core.plan = nil
core.zones, core.declared_zones = plan.zones or {}, {}
core.redis = plan.redis or {}
core.retiring = {} -- functions to be called when this generation is no longer current
core.quotas = plan.quotas
entities.fill(plan)

-- For control: the plugins that hear events, and no request's plan.
if core.for_events then
  local wanted = {}
  for name in core.for_events:gmatch("[^\n]+") do
    wanted[name] = plan.plugins[name]
  end
  plan.plugins, plan.plans, plan.global = wanted, { {} }, 1
  for _, route in ipairs(plan.routes) do
    route.plan = 1
  end
end

for _, use in ipairs(plan.uses) do
  if use.untrusted and not harness then
    require("moongate.strings").install(core, plan.uses)
    break
  end
end

local names, handlers = load_handlers(plan)
give_up()
run_init(names, handlers, plan.uses)
if not core.for_events then check_zones() end
give_up()

-- Only now: these modules read what was filled above.
local phases = require("moongate.phases")
local function handler_of(use) return handlers[not use.untrusted][use.plugin] end
local built = phases.build(plan, handler_of, core.route_count)
for _, route in ipairs(plan.routes) do
  route.plan = nil
end -- plugins see routes

local uses = {}
for i, use in ipairs(plan.uses) do
  uses[i] = {
    plugin = use.plugin,
    skip = use.on_error == "skip" and not (handler_of(use) or {}).authenticates,
    untrusted = use.untrusted,
  }
end

jit.off, jit.on, loading = jit_off, jit_on, false -- luacheck: ignore 122

local hears, hearing, call_event = require("moongate.hearing").build(plan, handler_of)

return {
  compiles = compiles,
  retire = core.retiring[1] and function()
    for _, retire in ipairs(core.retiring) do
      retire()
    end
  end,
  hears = hears,
  hearing = hearing,
  call_event = call_event,
  new_task = require("moongate.ctx").new_task,
  uses = uses,
  phases = built.phases,
  runners = built.runners,
  new_slot = require("moongate.ctx").new_slot,
}
