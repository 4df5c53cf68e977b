--- Node as a service that speaks TLS (spec/support/tls_server.js says how).
---
---     local server = tls_server.start(certs, "good", { http2 = true })      server.port
---     server:handshakes()     what each was: name, protocol, reused, version, client
---     server:stop()           tls_server.stop_all() for after_each
local cjson = require("cjson")
local host = require("support.host")
local process = require("support.process")
local wire = require("support.wire")

local M = {}

local NODE, SCRIPT = "/usr/bin/node", host.source_dir .. "/spec/support/tls_server.js"

local Server = {}
Server.__index = Server

local running = {}

---@param folder table   from support.certs
---@param name string    of its certificate there
---@param options? table
function M.start(folder, name, options)
  local given = { cert = folder:file(name .. ".pem"), key = folder:file(name .. ".key") }
  for key, value in pairs(options or {}) do
    given[key] = value
  end
  if given.ca then given.ca = folder:file(given.ca .. ".pem") end
  local server = setmetatable({}, Server)
  server.process = process.start({ NODE, SCRIPT, cjson.encode(given) }, folder.path)
  running[server] = true
  assert(
    wire.wait(function() return server:lines()[1] or server.process.code end, 20) and not server.process.code,
    server.process:stderr()
  )
  server.port = server:lines()[1].port
  return server
end

--- What it said so far.
function Server:lines()
  local lines = {}
  for line in self.process:stdout():gmatch("([^\n]+)\n") do
    lines[#lines + 1] = cjson.decode(line)
  end
  return lines
end

local function all(server, key)
  local list = {}
  for _, line in ipairs(server:lines()) do
    list[#list + 1] = line[key]
  end
  return list
end

function Server:handshakes() return all(self, "handshake") end

function Server:requests() return all(self, "request") end

function Server:stop()
  running[self] = nil
  self.process:kill("KILL")
  self.process:wait()
end

function M.stop_all()
  for server in pairs(running) do
    server:stop()
  end
end

return M
