--- gRPC's own peers for specs: a service and clients by @grpc/grpc-js (spec/support/grpc.js).
local cjson = require("cjson")
local host = require("support.host")
local moongate = require("support.moongate")
local npm = require("support.npm")
local process = require("support.process")
local wire = require("support.wire")

local M = {}

local NODE = "/usr/bin/node"
local ENV = { NODE_PATH = npm.FOLDER .. "/node_modules" }

M.ready = npm.ready

local Service = {}
Service.__index = Service

--- Lines of a child's output, decoded.
function M.lines_of(child)
  local lines = {}
  for line in child:stdout():gmatch("[^\n]+") do
    lines[#lines + 1] = cjson.decode(line)
  end
  return lines
end

--- The lines of a child, as soon as there are so many.
function M.await_lines(child, count)
  local lines
  wire.wait(function()
    lines = M.lines_of(child)
    return #lines >= count or child.code
  end, 20)
  assert(#lines >= count, child:stderr())
  return lines
end

--- Starts node with a script of spec/support.
function M.node(script, ...)
  return process.start({ NODE, host.source_dir .. "/spec/support/" .. script, ... }, moongate.folder(), ENV)
end

--- Runs it to its end: what it printed, decoded.
function M.run(script, ...)
  local result = process.run({ NODE, host.source_dir .. "/spec/support/" .. script, ... }, moongate.folder(), ENV)
  assert(result.code == 0, result.stderr .. result.stdout)
  return cjson.decode(result.stdout)
end

--- A service: its port, and what it saw.
function M.service(script, ...)
  local child = M.node(script or "grpc.js", "server", ...)
  return setmetatable({ child = child, port = M.await_lines(child, 1)[1].port }, Service)
end

--- What it said since the last time, once there are so many lines of it.
function Service:saw(count)
  local from = self.taken or 1
  local lines = M.await_lines(self.child, from + count)
  self.taken = from + count
  local new = {}
  for i = from + 1, from + count do
    new[#new + 1] = lines[i]
  end
  return new
end

--- Forgets what it said so far.
function Service:forget() self.taken = #M.lines_of(self.child) end

function Service:stop()
  self.child:kill("TERM")
  self.child:wait()
end

--- Makes calls at once and says how each ended; over TLS with the file of a CA that signed for localhost.
function M.ask(port, calls, ca) return M.run("grpc.js", "ask", "127.0.0.1:" .. port, cjson.encode(calls), ca) end

--- The same, without waiting for the end: a child whose only line is the answer.
function M.begin(port, calls) return M.node("grpc.js", "ask", "127.0.0.1:" .. port, cjson.encode(calls)) end

return M
