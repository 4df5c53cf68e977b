--- A gateway in the process of the specs: the real core, turned by whoever waits for something.
local cjson = require("cjson.safe")
local blocks = require("moongate.spec.blocks")
local client = require("moongate.spec.client")
local clock = require("moongate.spec.clock")
local core = require("moongate.spec.core")
local generation = require("moongate.spec.generation")
local log = require("moongate.spec.log")
local place = require("moongate.spec.place")
local setup = require("moongate.spec.setup")
local story = require("moongate.spec.story")
local upstream = require("moongate.spec.upstream")
local words = require("moongate.schema.words")

local PATIENCE = 2 * 86400 -- seconds of its clock that nobody waits longer for
local ROUNDS = 1000000 -- without time moving, and of those without anything to be seen outside
local IDLE_ROUNDS = 50
local REAL_PATIENCE = 30 -- seconds, where the network is real

---@class moongate.spec.Gateway
---@field upstream moongate.spec.Upstream                  what answers wherever no other upstream is named
---@field upstreams table<string, moongate.spec.Upstream>  by name; made at first use
---@field clock moongate.spec.Clock
---@field log moongate.spec.Log                            the error log's lines
---@field access_log table[]                               the access log's records
local Gateway = {}
Gateway.__index = Gateway

-- ── turning ─────────────────────────────────────────────────────────────────────

local handle = {}

function handle.bytes(self, id, text)
  local wire = self.wires[id]
  if wire then wire:on_bytes(text) end
end

handle["end"] = function(self, id, _, reason)
  local wire = self.wires[id]
  if wire then wire:on_end(reason) end
end

function handle.room() end

function handle.alarm(self, id)
  local fn = self.alarms[id]
  self.alarms[id] = nil
  if fn then fn() end
end

function handle.log(self, _, line, level)
  self.log:add(line, level)
  self.story:add("log", level, line)
end

function handle.access(self, _, line) self.access_log[#self.access_log + 1] = cjson.decode(line) end

--- What answers at an address.
---@param host string  "name:port"
---@return moongate.spec.Upstream
function Gateway:upstream_of(host)
  local by_name = rawget(self.upstreams, host) or rawget(self.upstreams, (host:match("^(.*):%d+$")))
  if by_name then return by_name end
  for _, name in ipairs(self.names[host] or {}) do
    if rawget(self.upstreams, name) then return self.upstreams[name] end
  end
  return self.upstream
end

local function accept(self, id, host, target)
  self.dials[id] = nil
  if target.refuses then
    self.story:add("upstream", target.name, "refuses the connection")
    self.core:refuse(id)
    return
  end
  local wire = self.core:accept(id)
  if not wire then return end
  target.connections = target.connections + 1
  self.wires[wire] = upstream.connection(self, wire, host)
end

function handle.dial(self, id, host)
  local target = self:upstream_of(host)
  self.dials[id] = true
  if target.connect_delay == math.huge then
    self.story:add("upstream", target.name, "lets the gateway wait for a connection")
  elseif target.connect_delay then
    self:alarm(target.connect_delay, function()
      if self.dials[id] then accept(self, id, host, target) end
    end)
  else
    accept(self, id, host, target)
  end
end

function handle.dial_gone(self, id) self.dials[id] = nil end

local function handle_events(self)
  local handled = false
  while true do
    local kind, id, text, more = self.core:take()
    if not kind then return handled end
    handled = true
    handle[kind](self, id, text, more)
  end
end

--- An error that the spec must hear of.
function Gateway:fail(reason) self.failure = self.failure or reason end

local function raise_failure(self)
  local failure = self.failure
  if failure then
    self.failure = nil
    place.raise(failure)
  end
end

--- Calls back after so many seconds of its clock.
function Gateway:alarm(seconds, fn) self.alarms[self.core:alarm(seconds)] = fn end

--- Lets everything happen that needs no time.
function Gateway:settle()
  local idle = 0
  for _ = 1, ROUNDS do
    local more = self.core:turn(false)
    if handle_events(self) then
      idle = 0
    elseif not more then
      raise_failure(self)
      return
    else
      idle = idle + 1
      if idle > IDLE_ROUNDS then break end
    end
  end
  place.raise("the gateway does not come to rest: something goes on for ever without time passing")
end

local function hangs(what, why) place.raise(("%s does not come to its end: %s"):format(what, why)) end

local function drive_really(self, done, what)
  local deadline = os.time() + REAL_PATIENCE
  while not done() do
    self.core:turn(true)
    handle_events(self)
    raise_failure(self)
    if os.time() > deadline then hangs(what, ("nothing for %d s"):format(REAL_PATIENCE)) end
  end
end

--- Lets the gateway work, and time pass where nothing else can happen, until `done()`.
---@param done fun(): any
---@param what string  what is waited for
function Gateway:drive(done, what)
  if self.given.network then return drive_really(self, done, what) end
  local began = self.clock:elapsed()
  self:settle()
  while not done() do
    local due = self.core:next_timer()
    if not due then
      hangs(what, "nothing is left that could happen")
    elseif self.given.auto_advance == false then
      hangs(what, "time must pass first (auto_advance is false: gw.clock:advance() moves it)")
    elseif self.clock:elapsed() + due - began > PATIENCE then
      hangs(what, ("nothing for %d hours"):format(PATIENCE / 3600))
    end
    self.core:step(due)
    self:settle()
  end
end

-- ── requests ────────────────────────────────────────────────────────────────────

local REQUEST_OPTIONS = { "headers", "body", "form", "chunks", "every", "query", "host", "from" }

local IS_OPTION = {}
for _, name in ipairs(REQUEST_OPTIONS) do
  IS_OPTION[name] = true
end

local function check(path, options, level)
  if type(path) ~= "string" then error('which path? (written with a colon: gw:get("/"))', level) end
  for _, key in ipairs(words.keys(options or {})) do
    if not IS_OPTION[key] then
      error(("a request has no %s%s"):format(tostring(key), words.did_you_mean(key, REQUEST_OPTIONS)), level)
    end
  end
end

local function arguments(method, path, options)
  if type(path) ~= "string" then
    method, path, options = "GET", method, path
  end
  check(path, options, 4)
  return method, path, options
end

--- Sends a request and lets the gateway do all that needs no time. It is in flight: start others, wait for it.
---@param method string  may be left out: GET
---@param path string
---@param options? moongate.spec.RequestOptions
---@return moongate.spec.Handle
---@overload fun(self, path: string, options?: moongate.spec.RequestOptions): moongate.spec.Handle
function Gateway:start(method, path, options)
  method, path, options = arguments(method, path, options)
  return client.start(self, method:upper(), path, options)
end

--- Sends a request and waits for its response.
---@param method string  may be left out: GET
---@param path string
---@param options? moongate.spec.RequestOptions
---@return moongate.spec.Response
---@overload fun(self, path: string, options?: moongate.spec.RequestOptions): moongate.spec.Response
function Gateway:request(method, path, options)
  method, path, options = arguments(method, path, options)
  return client.start(self, method:upper(), path, options):wait()
end

for _, method in ipairs { "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS" } do
  Gateway[method:lower()] = function(self, path, options)
    check(path, options, 3)
    return client.start(self, method, path, options):wait()
  end
end

--- A connection whose bytes the spec writes and reads itself.
---@param options? { from: string }
---@return moongate.spec.Connection
function Gateway:connect(options) return client.connect(self, options and options.from) end

-- ── generations ─────────────────────────────────────────────────────────────────

local function take_upstreams(self, upstreams)
  for name, how in pairs(upstreams or {}) do
    if type(name) == "string" then self.upstreams[name]:reply(how) end
  end
end

--- Takes a new configuration, as a running gateway does: requests that are on their way keep the old one. What is given
--- replaces the keys of gateway.new(); plugins' files are read again.
---@param options? table
---@return true? ok
---@return string? reason  what is wrong; the old configuration stays
function Gateway:reload(options)
  local merged = setup.shallow(self.given)
  for key, value in pairs(options or {}) do
    merged[key] = value
  end
  local ok, reason = generation.load(self, merged)
  if not ok then return nil, reason end
  self.given = merged
  take_upstreams(self, options and options.upstreams)
  self:settle()
  return true
end

--- The handler of a plugin as it runs now: `spy.on(gw:plugin("x"), "access")` sees its calls.
---@param name string
---@return table
function Gateway:plugin(name)
  return self.current.handlers[name] or error(("no plugin %q runs in this gateway"):format(name), 2)
end

--- A module as the plugins of this gateway see it: one of a plugin's own ("x.util"), or one of the PDK
--- ("moongate.time").
---@param name string
---@return any
function Gateway:module(name)
  local plugin = name:match("^([^.]+)%.")
  local own = self.current.modules[plugin]
  if own and own[name] then return own[name] end
  if name:find("^moongate%.") then return self.current.environment.require(name) end
  error(("no plugin of this gateway has loaded a module %q"):format(name), 2)
end

-- ── what it is like ─────────────────────────────────────────────────────────────

--- What a scrape shows: { ['moongate_requests_total{…}'] = number }.
---@return table<string, number>
function Gateway:metrics()
  local values = {}
  for line in self.core:metrics():gmatch("[^\n]+") do
    local name, value = line:match("^([^#].*) (%S+)$")
    if name then values[name] = tonumber(value) end
  end
  return values
end

--- What is open now: requests, connections, dials, waiting (hooks and tasks).
---@return table<string, integer>
function Gateway:counts() return self.core:counts() end

-- ── the end ─────────────────────────────────────────────────────────────────────

local LEAKS = { "requests", "connections", "dials", "waiting" }

local function left_over(self)
  local counts, parts = self.core:counts(), {}
  for _, name in ipairs(LEAKS) do
    if counts[name] > 0 then parts[#parts + 1] = ("%d %s"):format(counts[name], name) end
  end
  return #parts > 0 and table.concat(parts, ", ") or nil
end

-- Clients go; what the gateway still does for them (log hooks that wait) may take its time.
local function come_to_rest(self)
  for _, wire in pairs(setup.shallow(self.wires)) do
    if wire.parser == nil or wire.what then wire:drop() end
  end
  self:settle()
  local began = self.clock:elapsed()
  while not self.given.network and left_over(self) and self.clock:elapsed() - began < 3600 do
    local due = self.core:next_timer()
    if not due then break end
    self.core:step(due)
    self:settle()
  end
end

--- Ends it; happens by itself at the end of the block it was made in. Raises when something did not come to its end.
function Gateway:close()
  if self.closed then return end
  self.closed = true
  local ok, reason = pcall(come_to_rest, self)
  local left = ok and not self.given.network and left_over(self)
  local described = left and self.core:describe()
  local done, stuck = self.core:free()
  for _, environment in ipairs(self.environments) do
    environment.require("moongate.declaring").close()
  end
  blocks.forget(self)
  if not done then
    error("this gateway cannot be closed: its requests do not end:\n" .. stuck, 0)
  elseif not ok then
    error(reason, 0)
  elseif left then
    error(("this gateway leaks: %s left at its end\n%s"):format(left, described), 0)
  end
end

-- ── made ────────────────────────────────────────────────────────────────────────

local M = {}

---@param options table
---@param folder string  of the spec
---@return moongate.spec.Gateway? gateway
---@return string? reason  what is wrong with its configuration
function M.new(options, folder)
  local self = setmetatable({
    given = options,
    folder = folder,
    wires = {},
    alarms = {},
    dials = {},
    access_log = {},
    names = {},
    environments = {}, -- of all its generations
    log = log.new(),
  }, Gateway)
  self.upstreams = setmetatable({}, {
    __index = function(all, name)
      all[name] = upstream.new(self, name)
      return all[name]
    end,
  })
  self.core = core.new(options.seed or 1, options.log_level or "info", options.network or false)
  self.clock = clock.new(self)
  self.story = story.new(function() return self.clock:elapsed() end)
  self.upstream = upstream.new(self, "upstream")
  take_upstreams(self, options.upstreams)
  local ok, reason = generation.load(self, options)
  if not ok then
    self.core:free()
    return nil, reason
  end
  blocks.own(self)
  return self
end

return M
