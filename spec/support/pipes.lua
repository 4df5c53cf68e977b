--- Named pipes for specs, with a reader that reads when it is told to: what a stalled or a vanished reader of a log is.
local ffi = require("ffi")
local wire = require("support.wire")

local M = {}

pcall(
  ffi.cdef,
  [[
int pipes_mkfifo(const char *, unsigned) __asm__("mkfifo");
int pipes_open(const char *, int, ...) __asm__("open");
int pipes_fcntl(int, int, ...) __asm__("fcntl");
ssize_t pipes_read(int, void *, size_t) __asm__("read");
int pipes_close(int) __asm__("close");
]]
)

local C = ffi.C
local NONBLOCK, CLOEXEC, SETPIPE_SZ = 0x800, 0x80000, 1031
local chunk = ffi.new("char[65536]")

local Pipe = {}
Pipe.__index = Pipe

--- A pipe at that path that holds one page; its reader is there but does not read.
function M.new(path)
  assert(C.pipes_mkfifo(path, 384) == 0, "mkfifo")
  local pipe = setmetatable({ path = path, parts = {}, count = 0 }, Pipe)
  pipe:open()
  return pipe
end

function Pipe:open()
  self.fd = C.pipes_open(self.path, NONBLOCK + CLOEXEC)
  assert(self.fd >= 0, "open " .. self.path)
  C.pipes_fcntl(self.fd, SETPIPE_SZ, ffi.cast("int", 4096))
end

--- The reader goes away.
function Pipe:close()
  if self.fd then
    wire.unwatch(self.fd)
    C.pipes_close(self.fd)
    self.fd = nil
  end
end

--- Reads on and on from now, whenever the spec waits for something.
function Pipe:read()
  C.pipes_fcntl(self.fd, SETPIPE_SZ, ffi.cast("int", 1048576))
  wire.watch(self.fd, function()
    local got = tonumber(C.pipes_read(self.fd, chunk, 65536))
    if got > 0 then
      local text = ffi.string(chunk, got)
      self.parts[#self.parts + 1] = text
      self.count = self.count + select(2, text:gsub("\n", ""))
    else
      wire.unwatch(self.fd) -- no writer is left
    end
  end)
end

--- Stops reading; there is room for a page then.
function Pipe:hold()
  wire.unwatch(self.fd)
  C.pipes_fcntl(self.fd, SETPIPE_SZ, ffi.cast("int", 4096))
end

--- What came so far.
function Pipe:text()
  if #self.parts > 1 then self.parts = { table.concat(self.parts) } end
  return self.parts[1] or ""
end

--- Waits until that many lines came.
function Pipe:wait(count)
  return wire.wait(function() return self.count >= count end, 60)
end

--- The whole lines that came.
function Pipe:lines()
  local lines = {}
  for line in self:text():gmatch("([^\n]*)\n") do
    lines[#lines + 1] = line
  end
  return lines
end

return M
