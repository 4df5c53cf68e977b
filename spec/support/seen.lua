--- Real servers behind the gateway, nginx and Node, that tell what each request looked like to them.
---
---     local service = seen.start("nginx")           or "node"; service.port
---     service:take(n)    waits for n lines and takes them: { method, target, host, judged, body, names (Node) }
---     service:stop()
local cjson = require("cjson")
local host = require("support.host")
local moongate = require("support.moongate")
local process = require("support.process")
local wire = require("support.wire")

local M = {}

-- The outer server reads the whole body (the inner one answers), so that it knows what it was.
local NGINX = [[
daemon off;
master_process off;
pid %s/nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
http {
  client_body_temp_path %s/body;
  proxy_temp_path %s/proxy;
  fastcgi_temp_path %s/fastcgi;
  uwsgi_temp_path %s/uwsgi;
  scgi_temp_path %s/scgi;
  log_format seen escape=json '{"method":"$request_method","target":"$request_uri","host":"$http_host",'
    '"judged":"$http_x_judged","status":$status,"protocol":"$server_protocol","body":"$request_body"}';
  underscores_in_headers on;
  ignore_invalid_headers off;
  keepalive_requests 100000;
  server {
    listen 127.0.0.1:%d;
    access_log /dev/stdout seen;
    client_body_in_single_buffer on;
    merge_slashes off;
    location / { proxy_pass http://127.0.0.1:%d; }
  }
  server {
    listen 127.0.0.1:%d;
    access_log off;
    merge_slashes off;
    default_type text/plain;
    location / { return 200 "$request_method $request_uri"; }
  }
}
]]

local function free_port()
  local listener = wire.listen()
  local port = listener.port
  listener:close()
  return port
end

local function find(name)
  for _, folder in ipairs { "/usr/sbin", "/usr/bin", "/usr/local/bin" } do
    local file = io.open(folder .. "/" .. name)
    if file then
      file:close()
      return folder .. "/" .. name
    end
  end
  error(("%s is not installed, and this spec compares what it sees: ./dev setup installs it"):format(name), 3)
end

local Service = {}
Service.__index = Service

local function lines_of(service)
  local lines = {}
  for line in service.process:stdout():sub(service.read + 1):gmatch("([^\n]*)\n") do
    lines[#lines + 1] = line
  end
  return lines
end

--- Waits for so many whole requests and takes all lines there are by then.
function Service:take(count)
  local taken = {}
  wire.wait(function()
    for _, line in ipairs(lines_of(self)) do
      self.read = self.read + #line + 1
      local seen = cjson.decode(line)
      -- A request that the gateway cut is none: nginx tells of it with 400 or 499.
      if seen.status == nil or seen.status == 200 then taken[#taken + 1] = seen end
    end
    return #taken >= count or self.process.code
  end)
  assert(not self.process.code, self.process:stderr())
  return taken
end

--- No connection to it is kept from before.
function Service:stop()
  self.process:kill("TERM")
  self.process:wait()
end

local function start_nginx(folder)
  local port, inner = free_port(), free_port()
  local f = folder
  moongate.write(folder .. "/nginx.conf", NGINX:format(f, f, f, f, f, f, port, inner, inner))
  local argv = { find("nginx"), "-p", folder, "-e", "stderr", "-c", folder .. "/nginx.conf" }
  return process.start(argv, folder), port
end

local function start_node(folder)
  local node = process.start({ find("node"), host.source_dir .. "/spec/support/seen.js" }, folder)
  local line = wire.wait(function() return node:stdout():match("^[^\n]*\n") or node.code end, 20)
  assert(type(line) == "string", node:stderr())
  return node, cjson.decode(line).port, #line
end

function M.start(kind)
  local folder = moongate.folder()
  local child, port, read = (kind == "nginx" and start_nginx or start_node)(folder)
  local service = setmetatable({ process = child, port = port, read = read or 0 }, Service)
  local up = wire.wait(function()
    local conn = wire.connect(port)
    if conn then conn:close() end
    return conn or child.code
  end, 20)
  assert(type(up) == "table", child:stderr())
  return service
end

return M
