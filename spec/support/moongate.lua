--- The real binary for specs: a folder with a configuration, the gateway running on it on free ports, requests to it, and a stop
--- that is checked to be clean.
---
---     local gw = moongate.start { yaml = "services: …", vars = { up = service.port } }     {{up}} in the yaml
---     assert.equal(200, gw:get("/users").status)
---     gw:stop()
local cjson = require("cjson")
local ffi = require("ffi")
local host = require("support.host")
local http = require("support.http")
local process = require("support.process")
local wire = require("support.wire")

local M = {}

pcall(
  ffi.cdef,
  [[
int moongate_mkdir(const char *, unsigned) __asm__("mkdir");
char *moongate_mkdtemp(char *) __asm__("mkdtemp");
]]
)

M.binary = os.getenv("MOONGATE") or host.build_dir .. "/moongate"

-- What no log may show: a sanitizer, a failed assertion, something that was not closed.
local SUSPICIOUS = {
  "AddressSanitizer",
  "LeakSanitizer",
  "ThreadSanitizer",
  "runtime error",
  "internal error",
  "still open",
  "leaving %d+ open handles",
}

local running = {}

-- --- folders --------------------------------------------------------------------------------------------------

local function make_folders(path)
  for at in path:gmatch("()/") do
    if at > 1 then
      ffi.C.moongate_mkdir(path:sub(1, at - 1), 448) -- 0700
    end
  end
end

--- Writes a file in place, with the folders it needs.
function M.write(path, text)
  make_folders(path)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

--- Writes a file beside it and renames it over: how many editors save.
function M.replace(path, text)
  M.write(path .. ".tmp~", text)
  assert(os.rename(path .. ".tmp~", path))
end

local function new_folder()
  local name = ffi.new("char[64]", (host.scratch_dir or "/tmp") .. "/moongate-XXXXXX")
  assert(ffi.C.moongate_mkdtemp(name) ~= nil)
  return ffi.string(name)
end

--- A folder with these files ({ [relative path] = text }); gone with M.stop_all().
local folders = {}

function M.folder(files)
  local folder = new_folder()
  folders[#folders + 1] = folder
  for path, text in pairs(files or {}) do
    M.write(folder .. "/" .. path, text)
  end
  return folder
end

-- --- configuration --------------------------------------------------------------------------------------------

local PRELUDE = {
  { "listeners", "listeners: [{ address: 127.0.0.1:0 }]\n" },
  { "default_access", "default_access: allow\n" },
  { "workers", "workers: 2\n" },
}

--- Fills `{{name}}` in, adds what every configuration of a spec needs and does not say itself.
function M.yaml(text, vars)
  text = text:gsub(
    "{{(%w+)}}",
    function(name) return tostring(vars and vars[name] or error("no variable " .. name)) end
  )
  for _, entry in ipairs(PRELUDE) do
    if not ("\n" .. text):find("\n" .. entry[1] .. ":") and not text:find("_format_version", 1, true) then
      text = entry[2] .. text
    end
  end
  return text
end

-- --- commands -------------------------------------------------------------------------------------------------

local function environment(folder, changes)
  local env = {
    RUNTIME_DIRECTORY = folder .. "/run",
    XDG_RUNTIME_DIR = false,
    MOONGATE_HOME = host.source_dir,
    ASAN_OPTIONS = "detect_leaks=1:exitcode=99",
    TSAN_OPTIONS = "exitcode=99:suppressions=" .. host.source_dir .. "/spec/support/tsan.supp",
  }
  for name, value in pairs(changes or {}) do
    env[name] = value
  end
  return env
end

--- Runs `moongate ARGS` in a folder to its end: { code, stdout, stderr }.
function M.command(args, folder, env)
  folder = folder or M.folder()
  local argv = { "/usr/bin/env", "-C", folder, M.binary }
  for _, arg in ipairs(args) do
    argv[#argv + 1] = arg
  end
  return process.run(argv, folder, environment(folder, env))
end

-- --- a running one ----------------------------------------------------------------------------------------------

local Gateway = {}
Gateway.__index = Gateway

local function read_announcement(gw)
  local text = gw.process:stderr()
  local admin = text:match("serves: generation 1, .- admin on (%S+)")
  if not admin then return gw.process.code and "ended" or nil end
  gw.admin = admin:gsub("^unix:", "")
  gw.ports = {}
  for port in text:gmatch("listening on %S+:(%d+)") do
    gw.ports[#gw.ports + 1] = tonumber(port)
  end
  gw.port = gw.ports[1]
  return "serves"
end

--- Options: yaml, vars, files ({ [path] = text }), args, env, config (the file's name), seconds, binary (another one),
--- sockets (listeners, passed as systemd does), public (everybody may use the folder), open_files (their limit),
--- places (of stdout and stderr, see support.process).
function M.start(opts)
  local folder = M.folder(opts.files)
  local config = folder .. "/" .. (opts.config or "moongate.yaml")
  M.write(config, M.yaml(opts.yaml, opts.vars))
  make_folders(folder .. "/run/")
  if opts.public then os.execute(("chmod -R a+rwX '%s'; chmod 755 '%s/run'"):format(folder, folder)) end
  local argv = { opts.binary or M.binary, "run", "-c", config }
  for _, arg in ipairs(opts.args or {}) do
    argv[#argv + 1] = arg
  end
  if opts.open_files then argv = { "/usr/bin/prlimit", ("--nofile=%d"):format(opts.open_files), unpack(argv) } end
  local gw = setmetatable({ folder = folder, config = config, opts = opts }, Gateway)
  local fds = {}
  for i, listener in ipairs(opts.sockets or {}) do
    fds[2 + i] = listener.fd
  end
  if opts.sockets then
    local script = ('export LISTEN_FDS=%d LISTEN_PID=$$; exec "$@"'):format(#opts.sockets)
    for i, word in ipairs { "/bin/sh", "-c", script, "sh" } do
      table.insert(argv, i, word)
    end
  end
  gw.process = process.start(argv, folder, environment(folder, opts.env), fds, opts.places)
  running[gw] = true
  local state = wire.wait(function() return read_announcement(gw) end, opts.seconds or 30)
  if state ~= "serves" then error("moongate did not start:\n" .. gw.process:stderr(), 2) end
  return gw
end

function Gateway:path(name) return self.folder .. "/" .. name end

function Gateway:write(name, text) M.write(self:path(name), text) end

function Gateway:replace(name, text) M.replace(self:path(name), text) end

--- Writes the configuration anew; `vars` default to those of the start.
function Gateway:configure(yaml, vars) M.replace(self.config, M.yaml(yaml, vars or self.opts.vars)) end

--- A connection to the first listener (or another one's port).
function Gateway:connect(port) return assert(wire.connect(port or self.port)) end

--- One request on a connection of its own, or on `opts.conn`. Gives the response, or nil and what came.
function Gateway:request(method, target, opts)
  opts = opts or {}
  local conn = opts.conn or self:connect(opts.port)
  conn:send(http.request_bytes(method, target, opts))
  local response, other = http.read_response(conn, { method = method, seconds = opts.seconds })
  if not opts.conn then conn:close() end
  return response, other
end

function Gateway:get(target, headers) return self:request("GET", target, { headers = headers }) end

--- Sends bytes on a new connection and gives everything that comes back until the end, and how it ended.
function Gateway:raw(bytes, seconds)
  local conn = self:connect()
  conn:send(bytes)
  local answer, ended = conn:read_all(seconds or 5)
  conn:close()
  return answer, ended
end

--- A request to the admin listener.
function Gateway:ask(method, path, opts)
  opts = opts or {}
  local where = tonumber(self.admin:match(":(%d+)$")) or self.admin
  local conn = assert(wire.connect(where))
  local headers = { Connection = "close", Host = opts.host or "localhost" }
  for name, value in pairs(opts.headers or {}) do
    headers[name] = value
  end
  conn:send(
    http.request_bytes(method, path, { headers = headers, body = opts.body or (method == "POST" and "" or nil) })
  )
  local response, other = http.read_response(conn, { method = method, seconds = opts.seconds or 30 })
  conn:close()
  return response, other
end

function Gateway:status() return cjson.decode(self:ask("GET", "/status").body) end

--- The process that serves: not the one that was started, which is its supervisor.
function Gateway:worker() return self:status().pid end

--- POST /reload; gives the status code and the decoded answer.
function Gateway:reload()
  local response = self:ask("POST", "/reload")
  return response.status, cjson.decode(response.body)
end

--- One sample of /metrics: `gw:metric('moongate_requests_total{route="a"')`, added up over all series that begin so.
function Gateway:metric(prefix)
  local sum
  for line in self:ask("GET", "/metrics").body:gmatch("[^\n]+") do
    if line:sub(1, #prefix) == prefix then sum = (sum or 0) + tonumber(line:match("(%S+)$")) end
  end
  return sum
end

function Gateway:stderr() return self.process:stderr() end

--- Waits until the error log shows that (a Lua pattern).
function Gateway:wait_log(pattern, seconds)
  return wire.wait(function() return self.process:stderr():match(pattern) end, seconds)
end

--- The access log so far, decoded; waits until there are at least `count` lines.
function Gateway:access_log(count)
  wire.wait(function() return select(2, self.process:stdout():gsub("\n", "")) >= (count or 0) end)
  local lines = {}
  for line in self.process:stdout():gmatch("[^\n]+") do
    lines[#lines + 1] = cjson.decode(line)
  end
  return lines
end

local function check_clean(gw)
  local text = gw.process:stderr()
  for _, pattern in ipairs(SUSPICIOUS) do
    if text:find(pattern) then error("moongate left something behind:\n" .. text, 3) end
  end
end

--- SIGTERM; checks that it ends with 0 and left nothing behind.
function Gateway:stop(seconds)
  running[self] = nil
  self.process:kill("TERM")
  local code = self.process:wait(seconds or 30)
  if not code then
    self.process:kill("ABRT")
    self.process:kill("KILL")
    self.process:wait()
  end
  if code ~= 0 then error(("moongate ended with %s:\n%s"):format(tostring(code), self.process:stderr()), 2) end
  check_clean(self)
end

--- For after_each: ends what a failed spec left running and removes the folders.
function M.stop_all()
  for gw in pairs(running) do
    gw.process:kill("KILL")
    gw.process:wait()
    running[gw] = nil
  end
  for _, folder in ipairs(folders) do
    os.execute("rm -rf '" .. folder .. "'")
  end
  folders = {}
end

return M
