--- Circuit breakers for calls that a plugin makes by itself: after too many failures it is not called for a while, then
--- a few probes find out whether it may be again. One for all workers, kept over reloads. A plugin declares its
--- breakers in `init`. (What services have needs no plugin: `circuit_breaker` in the configuration, which `ctx:fetch`
--- obeys.)
---
---     local guard
---
---     function M.init()
---       guard = breaker.new("directory", { failure_threshold = 5, half_open_after = 30 })
---     end
---
---     function M.access(conf, ctx)
---       local pass, wait = guard:allow()
---       if not pass then
---         ctx.response:set_header("retry-after", math.ceil(wait))
---         return ctx.response:error(503, "the directory is not there")
---       end
---       local user = look_up(ctx)
---       if user then guard:success(pass) else guard:failure(pass) end
---     end
local ffi = require("ffi")
local core = require("moongate.core")
local declaring = require("moongate.declaring")

local C = require("moongate.cdef")
local script = core.script

local SUCCESS, FAILURE, NOTHING = 0, 1, 2 -- enum gw_breaker_outcome

local DEFAULTS = {
  failure_threshold = 5,
  failure_ratio = 0,
  minimum_volume = 100,
  window = 10,
  call_timeout = 30,
  half_open_after = 60,
  half_open_after_max = 600,
  half_open_timeout = 60,
  half_open_requests = 1,
  success_threshold = 1,
}

-- The least that means something; the most of all of them is 1e9.
local LEAST = {
  minimum_volume = 1,
  window = 0.01,
  half_open_after = 0.001,
  half_open_after_max = 0.001,
  half_open_timeout = 0.001,
  half_open_requests = 1,
  success_threshold = 1,
}

local M = {}

local pass = ffi.new("struct gw_pdk_breaker_pass") -- for the length of one call
local PASS_SIZE = ffi.sizeof(pass)

---@class moongate.breaker.Breaker
local Breaker = {}
Breaker.__index = Breaker

local function enter(self, what)
  local breaker = type(self) == "table" and self[1]
  if not breaker then error(("breaker:%s is a method: call it with a colon"):format(what), 3) end
  return breaker
end

--- Asks whether it may be called. What is allowed must be ended, by success, failure or cancel: a probe that is not
--- counts as failed after `half_open_timeout`.
---@phase any
---@return string? pass  for the end of the call
---@return number? wait  where there is none: seconds until it makes sense to ask again
function Breaker:allow()
  local wait = C.gw_pdk_breaker_ask(script, enter(self, "allow"), self[2], self[3], pass)
  if wait > 0 then return nil, wait end
  return ffi.string(pass, PASS_SIZE)
end

-- A tail, too.
local function finish(self, breaker, given, outcome, what)
  if type(given) ~= "string" or #given ~= PASS_SIZE then
    error(("breaker:%s: the pass must be what breaker:allow gave"):format(what), 3)
  end
  ffi.copy(pass, given, PASS_SIZE)
  C.gw_pdk_breaker_end(script, breaker, self[2], self[3], pass, outcome)
end

--- It was called, and went well.
---@phase any
---@param given string  what `allow` gave
function Breaker:success(given) finish(self, enter(self, "success"), given, SUCCESS, "success") end

--- It was called, and failed.
---@phase any
---@param given string  what `allow` gave
function Breaker:failure(given) finish(self, enter(self, "failure"), given, FAILURE, "failure") end

--- It was not called after all, or what came of it says nothing about it.
---@phase any
---@param given string  what `allow` gave
function Breaker:cancel(given) finish(self, enter(self, "cancel"), given, NOTHING, "cancel") end

--- How it stands: an open one says so until somebody asks after its time.
---@phase any
---@return "closed"|"open"|"half_open"
function Breaker:state() return ffi.string(C.gw_pdk_breaker_state(script, enter(self, "state"))) end

local function rules_of(options, what)
  local rules = ffi.new("struct gw_pdk_breaker_rules")
  for name, default in pairs(DEFAULTS) do
    local value = options[name]
    if value == nil then value = default end
    if type(value) ~= "number" or not (value >= (LEAST[name] or 0) and value <= 1e9) then
      error(("%s: %s must be a number from %s on"):format(what, name, tostring(LEAST[name] or 0)), 3)
    end
    rules[name] = value
  end
  if rules.failure_ratio > 1 then error(("%s: failure_ratio must be between 0 and 1"):format(what), 3) end
  if rules.half_open_after_max < rules.half_open_after then rules.half_open_after_max = rules.half_open_after end
  return rules
end

-- Of this worker, by the zone's name.
local declared = {}

--- Declares a breaker of this plugin; other plugins do not see it. In `init` only. Times are seconds.
---@phase init
---@param name string  letters, digits and _
---@param options? table<string, number>  as `circuit_breaker` of a service has them, but for `failure_statuses`
---@return moongate.breaker.Breaker
function M.new(name, options)
  local what = "breaker.new"
  local plugin = declaring.plugin(what)
  declaring.name(name, what, "^[%w_]+$", 64)
  local rules = rules_of(declaring.options(options, DEFAULTS, what), what)
  local zone = ("%s/%s"):format(plugin, name)
  if declared[zone] then return declared[zone] end
  local other_kind = ffi.new("const char *[1]")
  local breaker = C.gw_pdk_breaker(script, zone, #zone, other_kind)
  if breaker == nil then error(("%s: %q: %s"):format(what, name, declaring.no_zone(other_kind)), 2) end
  declared[zone] = declaring.keep(setmetatable({ breaker, zone, rules }, Breaker))
  return declared[zone]
end

return M
