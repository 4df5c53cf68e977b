--- Child processes for specs: started, watched through pidfds, never left behind.
local ffi = require("ffi")
local wire = require("support.wire")

local M = {}

pcall(
  ffi.cdef,
  [[
struct process_actions { char space[256]; };
int process_spawn(int *, const char *, const void *, const void *, char *const *, char *const *) __asm__("posix_spawn");
int process_actions_init(void *) __asm__("posix_spawn_file_actions_init");
int process_actions_destroy(void *) __asm__("posix_spawn_file_actions_destroy");
int process_actions_dup(void *, int, int) __asm__("posix_spawn_file_actions_adddup2");
int process_actions_close(void *, int) __asm__("posix_spawn_file_actions_addclose");
int process_actions_open(void *, int, const char *, int, unsigned) __asm__("posix_spawn_file_actions_addopen");
int process_waitpid(int, int *, int) __asm__("waitpid");
int process_kill(int, int) __asm__("kill");
long process_syscall(long, ...) __asm__("syscall");
int process_close(int) __asm__("close");
extern char **environ;
]]
)

local C = ffi.C
local PIDFD_OPEN, NOHANG = 434, 1
local SIGNALS = { HUP = 1, INT = 2, ABRT = 6, KILL = 9, USR1 = 10, USR2 = 12, TERM = 15, CONT = 18, STOP = 19 }

local Process = {}
Process.__index = Process

-- Those that run. A spec whose setup failed never comes to stop what it started: it is ended with this program.
local running = {}
local at_the_end = ffi.gc(ffi.new("char[1]"), function()
  for pid in pairs(running) do
    C.process_kill(pid, SIGNALS.KILL)
  end
end)

local function read_file(path)
  local file = io.open(path, "rb")
  if not file then return "" end
  local text = file:read("*a")
  file:close()
  return text
end

-- The environment, with changes: false takes a variable away.
local function environment(changes)
  local list = {}
  local i = 0
  while C.environ[i] ~= nil do
    local entry = ffi.string(C.environ[i])
    if changes[entry:match("^[^=]*")] == nil then list[#list + 1] = entry end
    i = i + 1
  end
  for name, value in pairs(changes) do
    if value then list[#list + 1] = name .. "=" .. value end
  end
  return list
end

local function strings(list)
  local array = ffi.new("char *[?]", #list + 1)
  local anchors = {}
  for i, text in ipairs(list) do
    anchors[i] = ffi.new("char[?]", #text + 1, text)
    array[i - 1] = anchors[i]
  end
  return array, anchors
end

--- Starts argv[1]; stdout and stderr go to files in `folder`, or to the paths in `places` (stdout, stderr; with a function
--- read_stderr when it is no file). `env`: changes to the environment. `fds`: { [number in the process] = descriptor }.
function M.start(argv, folder, env, fds, places)
  places = places or {}
  local actions = ffi.new("struct process_actions")
  local args, keep_args = strings(argv)
  local vars, keep_vars = strings(environment(env or {}))
  local pid = ffi.new("int[1]")
  local name = folder .. "/" .. tostring(wire.now()):gsub("%.", "") .. math.random(1e6)
  C.process_actions_init(actions)
  C.process_actions_open(actions, 0, "/dev/null", 0, 0)
  C.process_actions_open(actions, 1, places.stdout or name .. ".out", 0x441, 384) -- O_WRONLY | O_CREAT | O_APPEND, 0600
  C.process_actions_open(actions, 2, places.stderr or name .. ".err", 0x441, 384)
  for number, fd in pairs(fds or {}) do -- by way of numbers that are in nobody's way
    C.process_actions_dup(actions, fd, 500 + number)
  end
  for number in pairs(fds or {}) do
    C.process_actions_dup(actions, 500 + number, number)
    C.process_actions_close(actions, 500 + number)
  end
  local failed = C.process_spawn(pid, argv[1], actions, nil, args, vars)
  C.process_actions_destroy(actions)
  assert(failed == 0 and keep_args and keep_vars, "cannot start " .. argv[1])
  local process = setmetatable({ pid = pid[0], name = name, places = places }, Process)
  running[process.pid] = at_the_end
  process.pidfd = tonumber(C.process_syscall(PIDFD_OPEN, ffi.cast("long", pid[0]), ffi.cast("long", 0)))
  assert(process.pidfd >= 0, "pidfd_open")
  wire.watch(process.pidfd, function() process:reap() end)
  return process
end

function Process:reap()
  local status = ffi.new("int[1]")
  if self.pidfd and C.process_waitpid(self.pid, status, NOHANG) == self.pid then
    wire.unwatch(self.pidfd)
    C.process_close(self.pidfd)
    self.pidfd = nil
    running[self.pid] = nil
    local signal = status[0] % 128
    self.code = signal == 0 and math.floor(status[0] / 256) or -signal
  end
end

function Process:stdout() return read_file(self.places.stdout or self.name .. ".out") end

function Process:stderr()
  if self.places.read_stderr then return self.places.read_stderr() end
  return read_file(self.places.stderr or self.name .. ".err")
end

function Process:kill(signal)
  if self.pidfd then C.process_kill(self.pid, SIGNALS[signal]) end
end

--- A signal to a process that is not a child of ours.
function M.signal(pid, signal) C.process_kill(pid, SIGNALS[signal]) end

--- Whether that process is there, a zombie not counted.
function M.alive(pid)
  local state = read_file(("/proc/%d/stat"):format(pid)):match("^%d+ %b() (%a)")
  return state ~= nil and state ~= "Z"
end

--- The processes it started that are still there.
function M.children(pid)
  local list = {}
  for child in read_file(("/proc/%d/task/%d/children"):format(pid, pid)):gmatch("%d+") do
    if M.alive(tonumber(child)) then list[#list + 1] = tonumber(child) end
  end
  return list
end

--- Waits for its end; the exit code, negative for a signal, nil when it does not end.
function Process:wait(seconds)
  wire.wait(function() return self.code end, seconds or 20)
  return self.code
end

--- Runs a command to its end: { code, stdout, stderr }.
function M.run(argv, folder, env, seconds)
  local process = M.start(argv, folder, env)
  local code = process:wait(seconds)
  if not code then
    process:kill("KILL")
    process:wait()
    error(table.concat(argv, " ") .. " did not end")
  end
  return { code = code, stdout = process:stdout(), stderr = process:stderr() }
end

return M
