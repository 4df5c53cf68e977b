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
require("moongate.cdef")
core.script = ffi.cast("struct gw_script *", core.script)
package.loaded["moongate.core"] = core

require("moongate.coroutines").install(core.wait_token)
-- A borrowed state is not ours to change.
if not core.harness then
  require("moongate.finalisers").install(core.script)
  require("moongate.stopping").install(core.script)
end

local buffer = require("string.buffer")
local entities = require("moongate.entities")
local plugins = require("moongate.config.plugins")

local NOT_YET = { "event" }

local harness = core.harness

local problems = {}

local function problem(...) problems[#problems + 1] = string.format(...) end

-- A run-time error in a plugin's file names the file and line itself; a message without a place gets one.
local function place(dir, reason)
  reason = tostring(reason)
  if reason:find(dir, 1, true) then return reason end
  return ("%s/handler.lua: %s"):format(dir, reason)
end

local function run_handler(name, dir)
  if not harness then return plugins.run_file(dir .. "/handler.lua", dir, name, {}) end
  if harness.given[name] then return true, harness.given[name] end
  return plugins.run_file(dir .. "/handler.lua", dir, name, harness.loaded(name))
end

local function load_handler(name, dir)
  local ok, handler = run_handler(name, dir)
  if not ok then
    problem("plugin %s: %s", name, place(dir, handler))
    return
  end
  local reason = plugins.handler_problem(handler)
  if reason then
    problem("plugin %s: %s/handler.lua: %s", name, dir, reason)
    return
  end
  for _, hook in ipairs(NOT_YET) do
    if handler[hook] then
      problem("plugin %s: %s/handler.lua: the hook %s is known, but not in this version", name, dir, hook)
      return
    end
  end
  return harness and harness.watch(name, handler) or handler
end

-- In alphabetical order, so that errors and init come in the same order every time.
local function load_handlers(list)
  local names, handlers = {}, {}
  for name in pairs(list) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    handlers[name] = load_handler(name, list[name].dir)
  end
  return names, handlers
end

-- init may not wait and gets what every use of the plugin was configured with.
local function run_init(names, handlers, uses)
  for _, name in ipairs(names) do
    local init = handlers[name] and handlers[name].init
    if init then
      local configs = {}
      for _, use in ipairs(uses) do
        if use.plugin == name then configs[#configs + 1] = use.conf end
      end
      core.declaring = name -- for the modules in which init declares
      local ok, reason = xpcall(init, debug.traceback, configs)
      core.declaring = nil
      if not ok then problem("plugin %s, init: %s", name, (tostring(reason):gsub("\n%s*", " | "))) end
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
entities.fill(plan)

local names, handlers = load_handlers(plan.plugins)
give_up()
run_init(names, handlers, plan.uses)
check_zones()
give_up()

-- Only now: these modules read what was filled above.
local phases = require("moongate.phases")
local built = phases.build(plan, handlers, core.route_count)
for _, route in ipairs(plan.routes) do
  route.plan = nil
end -- plugins see routes

local uses = {}
for i, use in ipairs(plan.uses) do
  uses[i] = { plugin = use.plugin, skip = use.on_error == "skip" and not handlers[use.plugin].authenticates }
end

return {
  uses = uses,
  phases = built.phases,
  runners = built.runners,
  new_slot = require("moongate.ctx").new_slot,
}
