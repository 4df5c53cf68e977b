--- One generation of a gateway in a spec: its configuration, its plugins and the modules they see.
local core = require("moongate.spec.core")
local overlay = require("moongate.spec.overlay")
local setup = require("moongate.spec.setup")

local M = {}

-- What the script's loader asks of us (lua/moongate/load.lua).
local function generation(self, made)
  local modules, current = {}, { handlers = {}, modules = {} }
  local harness = { given = {} }
  for name, given in pairs(made.inline) do
    harness.given[name] = given.handler
  end

  function harness.loaded(name)
    modules[name] = modules[name] or {}
    return modules[name]
  end

  -- What runs looks the hook up each time, so that a spy or stub set in between is what runs.
  function harness.watch(name, handler)
    current.handlers[name], current.modules[name] = handler, modules[name]
    local watched = setmetatable({}, { __index = handler })
    for _, hook in ipairs { "rewrite", "access", "request_body", "response", "body", "log" } do
      if handler[hook] then
        watched[hook] = function(...)
          self.story:add("hook", name, hook)
          return handler[hook](...)
        end
      end
    end
    return watched
  end

  return harness, current
end

-- A function that stands in the spec sees what a plugin's file would: the modules and the clock of its generation.
local function lend(environment, fn)
  if type(fn) ~= "function" or debug.getinfo(fn, "S").what == "C" then return end
  local own = getfenv(fn)
  own = rawget(own, "_of_the_spec") or own
  setfenv(
    fn,
    setmetatable({
      _of_the_spec = own,
      require = environment.require,
      os = environment.os,
      coroutine = environment.coroutine,
    }, { __index = own, __newindex = own })
  )
end

local WAITS = {
  sleep = function(seconds) return ("sleeps %g s"):format(tonumber(seconds) or -1) end,
  fetch = function() return "fetches" end,
  body = function() return "waits for a body" end,
}

-- The functions that wait, with a line in the story.
local function tell_waits(self, given)
  for name, describe in pairs(WAITS) do
    local fn = given[name]
    if fn then
      given[name] = function(...)
        self.story:add("wait", "the hook", describe(...))
        return fn(...)
      end
    end
  end
end

--- Builds the next generation of a gateway; the one before stays when that fails.
---@param self moongate.spec.Gateway
---@param options table
---@return true? ok
---@return string? reason
function M.load(self, options)
  local made, reason = setup.make(options, self.folder)
  if not made then return nil, reason end
  local harness, current = generation(self, made)
  local environment = overlay.new(function() return self.clock:now() end)
  self.environments[#self.environments + 1] = environment
  for _, given in pairs(made.inline) do
    for _, fn in pairs(given.handler) do
      lend(environment, fn)
    end
  end
  local ok, why = self.core:load(made.address, core.home, function(path, given)
    given.harness = harness
    tell_waits(self, given)
    return overlay.run(path, environment, given)
  end)
  if not ok then return nil, why end
  current.environment = environment
  self.current, self.names = current, setup.names(made.normal)
  return true
end

return M
