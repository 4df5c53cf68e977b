--- Scripts and exchanges for specs: plugins are texts, the exchange is a fake one (script_driver.c).
---
---     local s = scripts.new { plugins = { p = [[local M = {} … return M]] } }
---     local x = s:exchange()
---     x:run("access")          -- "done" or "waits"
local buffer = require("string.buffer")
local ffi = require("ffi")
local host = require("support.host")
local c = require("support.c")

ffi.cdef([[
struct gw_fake_read {
  struct gw_buf *into; bool *whole; gw_body_cb done; void *ctx; size_t max; int too_large;
};
struct gw_fake {
  struct gw_exchange x;
  struct gw_fake_read request, response;
  unsigned done, cancelled;
  int result;
  struct gw_buf piped;
  bool pipe_failed;
};
struct gw_fake *gw_fake_new(struct gw_loop *loop, struct gw_config *config, struct gw_script *script, int route);
void gw_fake_free(struct gw_fake *fake);
int gw_fake_run(struct gw_fake *fake, int phase);
int gw_fake_pipe(struct gw_fake *fake, int phase, const char *piece, size_t len, bool last);
bool gw_fake_deliver(struct gw_fake *fake, bool of_request, const char *body, size_t len);
void gw_fake_repeat(struct gw_loop *loop, struct gw_config *config, struct gw_script *script, unsigned times);
void gw_log_catch(bool on);
const char *gw_log_caught(void);
]])

local M = {}

local PHASES = { rewrite = 0, access = 1, response = 2, log = 3, request_body = 4, body = 5 }

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function temporary_folder()
  local pipe = assert(io.popen("mktemp -d"))
  local path = pipe:read("*l")
  pipe:close()
  return path
end

-- A plugin is the text of its handler, or { file = text }.
local function write_plugins(folder, plugins)
  local list = {}
  for name, files in pairs(plugins) do
    local dir = folder .. "/" .. name
    os.execute("mkdir " .. dir)
    for file, text in pairs(type(files) == "table" and files or { ["handler.lua"] = files }) do
      write(dir .. "/" .. file, text)
    end
    list[name] = { dir = dir }
  end
  return list
end

local function sorted(names)
  local list = {}
  for name in pairs(names) do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
end

-- Without uses: one of each plugin, in alphabetical order, in the plan of the one route.
local function complete(options, list)
  local plan = {
    plugins = list,
    uses = options.uses,
    plans = options.plans,
    global = options.global or 1,
    routes = options.routes or { { name = "r1", id = "route-1", plan = 2, service = 1 } },
    services = options.services or { { name = "s1", id = "service-1", host = "upstream.test", port = 80 } },
    consumers = options.consumers or {},
    fetch = options.fetch,
    zones = options.zone_sizes,
  }
  if not plan.uses then
    local entries = {}
    plan.uses = {}
    for i, name in ipairs(sorted(options.plugins)) do
      plan.uses[i] = { plugin = name, conf = options.conf and options.conf[name] or {}, on_error = "reply" }
      entries[i] = { use = i }
    end
    plan.plans = { options.globally and entries or {}, entries }
  end
  return plan
end

local function text(build, slice, value)
  slice.ptr, slice.len = c.gw_build_text(build, value, #value), #value
end

local function make_config(plan, options)
  local build = c.gw_build_new()
  local config = c.gw_build_config(build)
  local services = c.gw_build_services(build, #plan.services)
  for i, service in ipairs(plan.services) do
    text(build, services[i - 1].name, service.name)
    text(build, services[i - 1].host, service.host)
    text(build, services[i - 1].authority, service.host)
  end
  local routes = c.gw_build_routes(build, #plan.routes)
  for i, route in ipairs(plan.routes) do
    text(build, routes[i - 1].name, route.name)
    c.gw_build_route_path(build, i - 1, "/", 1, true)
    routes[i - 1].limits.buffer = options.buffer or 1024
    if route.service then routes[i - 1].service = services + (route.service - 1) end
  end
  if #plan.consumers > 0 then
    local consumers = c.gw_build_consumers(build, #plan.consumers)
    for i, consumer in ipairs(plan.consumers) do
      text(build, consumers[i - 1].id, consumer.id)
    end
  end
  config.limits.buffer = options.buffer or 1024
  config.lua_memory = options.memory or 0
  for _, bound in ipairs { "bodies", "fetches", "log_lines" } do
    config["lua_" .. bound] = options[bound] or 0
  end
  config.lua_tasks = options.tasks or 100
  text(build, config.plan, buffer.encode(plan))
  c.gw_build_router(build)
  config = c.gw_build_take(build)
  c.gw_build_free(build)
  config.generation = 1
  return config
end

local Exchange = {}
Exchange.__index = Exchange

--- "done" or "waits".
function Exchange:run(phase) return c.gw_fake_run(self.fake, PHASES[phase]) == c.GW_RUN_WAITS and "waits" or "done" end

--- A piece through the hooks of "request_body" or "body": "done", "waits" or "failed", and what came out.
function Exchange:pipe(phase, piece, last)
  local result = c.gw_fake_pipe(self.fake, PHASES[phase], piece, #piece, last or false)
  if result == c.GW_PIPE_WAITS then return "waits" end
  return result == c.GW_PIPE_FAILED and "failed" or "done", self:piped()
end

--- What came out last.
function Exchange:piped()
  local out = self.fake.piped
  return out.len > 0 and ffi.string(out.data, out.len) or ""
end

function Exchange:pipe_failed() return self.fake.pipe_failed end

--- Calls off the hook that waits with a piece.
function Exchange:cancel_pipe(phase) c.gw_pipe_cancel(self.fake.x, PHASES[phase]) end

--- All phases, one after the other; none may wait.
function Exchange:run_all()
  for _, phase in ipairs { "rewrite", "access", "response", "log" } do
    assert(self:run(phase) == "done", phase .. " waits")
  end
end

--- How many waits ended by themselves.
function Exchange:finished() return self.fake.done end

function Exchange:cancel() c.gw_phase_cancel(self.fake.x) end

--- The body that a hook waits for.
function Exchange:deliver(which, body) return c.gw_fake_deliver(self.fake, which == "request", body, #body) end

function Exchange:free()
  c.gw_fake_free(self.fake)
  self.fake = nil
end

--- The answer of a hook: { status, body, headers }, or nil.
function Exchange:reply()
  local reply = self.fake.x.reply
  if reply == nil then return nil end
  return {
    status = reply.status,
    error = c.reason(reply.error),
    headers = M.headers(reply.fields),
    body = reply.body ~= nil and ffi.string(reply.body.data, reply.body.len) or nil,
  }
end

function Exchange:add_header(name, value)
  local x = self.fake.x
  c.gw_fields_add(
    x.request.fields,
    x.arena,
    c.gw_arena_copy(x.arena, c.slice(name)),
    c.gw_arena_copy(x.arena, c.slice(value))
  )
end

--- Keeps the text as long as the exchange.
function Exchange:text(value) return c.gw_arena_copy(self.fake.x.arena, c.slice(value)) end

--- Fields as a table: the last value of each name.
function M.headers(fields)
  local headers = {}
  for i = 0, fields.count - 1 do
    headers[c.str(fields.items[i].name)] = c.str(fields.items[i].value)
  end
  return headers
end

local Script = {}
Script.__index = Script

---@param route? integer  index from 0; -1: none
function Script:exchange(route)
  return setmetatable({ fake = c.gw_fake_new(self.loop, self.config, self.script, route or 0) }, Exchange)
end

--- Runs one plugin text through all phases and gives back what it put into the log.
function Script:advance(seconds) c.gw_loop_advance(self.loop, seconds * 1e6) end

--- Turns the loop until nothing is ready.
function Script:turn() c.gw_loop_turn(self.loop, false) end

function Script:memory() return tonumber(c.gw_script_memory(self.script)) end

function Script:phases(route) return c.gw_script_phases(self.script, route and self.config.routes + route or nil) end

function Script:repeat_all(times) c.gw_fake_repeat(self.loop, self.config, self.script, times) end

function Script:free()
  if self.script ~= nil then
    c.gw_script_retire(self.script)
    c.gw_script_free(self.script)
  end
  c.gw_config_unref(self.config)
  c.gw_loop_free(self.loop)
  os.execute("rm -r " .. self.folder)
end

local never = ffi.cast(
  "void (*)(struct gw_script *, void *)",
  function() error("nobody drops the script here") end
)

--- `why` is what gw_script_new() said when it failed.
---@param options table  plugins, and if wanted conf, uses, plans, routes, consumers, buffer, memory
function M.new(options)
  local folder = temporary_folder()
  local plan = complete(options, write_plugins(folder, options.plugins))
  local self = setmetatable({ folder = folder, loop = c.gw_loop_new(true) }, Script)
  self.config = make_config(plan, options)
  local why = ffi.new("char *[1]")
  local home = host.source_dir
  local script_options = ffi.new("struct gw_script_options", {
    config = self.config,
    home = home,
    worker = options.worker or 0,
    on_unused = never,
    clock = self.loop.clock,
    zones = options.zones,
    metrics = options.metrics,
  })
  self.script = c.gw_script_new(script_options, why)
  if self.script == nil then
    self.why = ffi.string(why[0]):gsub(folder .. "/", "")
    c.gw_free(why[0])
  else
    c.gw_script_attach(self.script, self.loop, nil, nil)
  end
  return self
end

--- What was logged since catch().
function M.catch() c.gw_log_catch(true) end

function M.caught() return ffi.string(c.gw_log_caught()) end

function M.release() c.gw_log_catch(false) end

return M
