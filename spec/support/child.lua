--- Runs a function in a forked child, for what ends a process or writes to its standard error.
local ffi = require("ffi")

ffi.cdef [[
  int fork(void);
  int pipe(int fds[2]);
  int dup2(int from, int to);
  int close(int fd);
  int64_t read(int fd, void *out, size_t size);
  int waitpid(int pid, int *status, int options);
  void _exit(int code);
  struct gw_child_rlimit { unsigned long soft, hard; };
  int setrlimit(int resource, const void *limit);
]]

local C = ffi.C
local RLIMIT_CORE = 4
local SIGABRT = 6

local M = {}

local function become_child(fds, fn)
  C.setrlimit(RLIMIT_CORE, ffi.cast("const void *", ffi.new("struct gw_child_rlimit")))
  C.dup2(fds[1], 2)
  local ok, message = pcall(fn)
  if not ok then
    io.stderr:write(tostring(message))
    io.stderr:flush()
  end
  C._exit(ok and 0 or 1)
end

--- Returns { stderr = "…", code = 0 } or { stderr = "…", signal = 6 }.
function M.run(fn)
  local fds = ffi.new("int[2]")
  assert(C.pipe(fds) == 0)
  io.stdout:flush()
  local pid = C.fork()
  assert(pid >= 0, "cannot fork")
  if pid == 0 then become_child(fds, fn) end
  C.close(fds[1])

  local out, buffer = {}, ffi.new("char[4096]")
  while true do
    local got = tonumber(C.read(fds[0], buffer, 4096))
    if got <= 0 then break end
    out[#out + 1] = ffi.string(buffer, got)
  end
  C.close(fds[0])

  local status = ffi.new("int[1]")
  assert(C.waitpid(pid, status, 0) == pid)
  local signal = status[0] % 128
  return {
    stderr = table.concat(out),
    signal = signal ~= 0 and signal or nil,
    code = signal == 0 and math.floor(status[0] / 256) or nil,
  }
end

--- What a function that aborts leaves on standard error; an error when it does not abort.
function M.abort(fn)
  local result = M.run(fn)
  if result.signal ~= SIGABRT then
    error(
      ("did not abort (code %s, signal %s): %s"):format(
        tostring(result.code),
        tostring(result.signal),
        result.stderr
      ),
      2
    )
  end
  return result.stderr
end

return M
