--- Redis for specs: a real redis-server on a unix socket of its own, and commands in Redis' protocol.
local process = require("support.process")

local M = {}

--- A command as bytes.
function M.command(...)
  local parts = { ... }
  local out = { ("*%d\r\n"):format(#parts) }
  for _, part in ipairs(parts) do
    part = tostring(part)
    out[#out + 1] = ("$%d\r\n%s\r\n"):format(#part, part)
  end
  return table.concat(out)
end

local Server = {}
Server.__index = Server

local function start(server)
  local argv = { "/usr/bin/redis-server", "--port", "0", "--unixsocket", server.socket, "--save", "" }
  for _, word in ipairs { "--daemonize", "no", "--dir", server.folder, "--appendonly", "no" } do
    argv[#argv + 1] = word
  end
  for _, word in ipairs(server.options) do
    argv[#argv + 1] = word
  end
  server.process = process.start(argv, server.folder)
end

local function wait(server, what, done)
  local deadline = os.time() + 30
  while not done() do
    assert(os.time() < deadline, ("redis-server does not %s: %s"):format(what, server.process:stdout()))
    os.execute("sleep 0.01")
  end
end

--- Started and ready. `options`: more of its arguments.
function M.server(folder, options)
  local server =
    setmetatable({ folder = folder, socket = folder .. "/redis.sock", options = options or {} }, Server)
  server:start()
  return server
end

function Server:start()
  os.remove(self.socket)
  start(self)
  wait(self, "start", function() return self:cli("PING"):find("PONG") end)
end

--- What redis-cli says to a command.
function Server:cli(...)
  local words = {}
  for i, word in ipairs { ... } do
    words[i] = "'" .. tostring(word):gsub("'", "'\\''") .. "'"
  end
  local pipe = io.popen(("redis-cli -s '%s' %s 2>&1"):format(self.socket, table.concat(words, " ")))
  local text = pipe:read("*a")
  pipe:close()
  return text
end

function Server:pause() self.process:kill("STOP") end
function Server:go_on() self.process:kill("CONT") end

function Server:stop()
  if not self.process then return end
  self.process:kill("KILL")
  assert(self.process:wait(10), "redis-server does not end")
  self.process = nil
end

return M
