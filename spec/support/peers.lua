--- HAProxy and nginx as real peers for specs. They inherit a socket that listens already, so no port is taken twice; unix
--- sockets they make themselves.
---
---     local lb = peers.haproxy { gw.port, "send-proxy" }     lb.port
---     local web = peers.nginx { server = "location / { return 200 hello; }", listen = "proxy_protocol" }
local bit = require("bit")
local ffi = require("ffi")
local moongate = require("support.moongate")
local process = require("support.process")
local wire = require("support.wire")

local C = ffi.C

local M = {}

local running = {}

local function find(name)
  for _, folder in ipairs { "/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin" } do
    local file = io.open(folder .. "/" .. name)
    if file then
      file:close()
      return folder .. "/" .. name
    end
  end
end

-- A listening socket that children inherit.
local function listening()
  local fd = C.wire_socket(2, 1, 0)
  local addr, len = ffi.new("uint8_t[16]", { 2, 0, 0, 0, 127, 0, 0, 1 }), ffi.new("unsigned[1]", 16)
  assert(C.wire_bind(fd, addr, 16) == 0 and C.wire_listen(fd, 128) == 0)
  C.wire_getsockname(fd, addr, len)
  return fd, bit.bor(bit.lshift(addr[2], 8), addr[3])
end

local Peer = {}
Peer.__index = Peer

local function start(argv, env, fd, port, folder, ready)
  local peer = setmetatable({ port = port, folder = folder }, Peer)
  peer.process = process.start(argv, folder, env)
  C.wire_close(fd)
  running[peer] = true
  local up = wire.wait(function() return peer.process.code or ready(peer) end)
  assert(up and not peer.process.code, argv[1] .. " does not run:\n" .. peer.process:stderr())
  return peer
end

--- What it wrote.
function Peer:stderr() return self.process:stderr() end

function Peer:stop()
  running[self] = nil
  self.process:kill("TERM")
  if not self.process:wait(5) then
    self.process:kill("KILL")
    self.process:wait()
  end
end

-- It answers: what listened before it ran accepts connections, too.
local function answers(where, before)
  return function()
    local conn = wire.connect(where)
    if not conn then return nil end
    conn:send((before or "") .. "GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    local line = conn:read_until("\r\n", 2)
    conn:close()
    return line ~= nil
  end
end

--- HAProxy in front of `options[1]` (a port, or a path), which it calls with the server options `options[2]`. `mode`:
--- "tcp" (the default) or "http"; `defaults`: more lines.
function M.haproxy(options)
  local binary = find("haproxy")
  if not binary then return nil end
  local folder = moongate.folder()
  local fd, port = listening()
  local server = type(options[1]) == "number" and "127.0.0.1:" .. options[1] or "unix@" .. options[1]
  moongate.write(
    folder .. "/haproxy.cfg",
    table.concat({
      "defaults",
      "  mode " .. (options.mode or "tcp"),
      "  timeout connect 5s",
      "  timeout client 30s",
      "  timeout server 30s",
      options.defaults or "",
      "listen front",
      "  bind fd@" .. fd,
      ("  server gw %s %s"):format(server, options[2] or ""),
      "",
    }, "\n")
  )
  return start({ binary, "-db", "-f", folder .. "/haproxy.cfg" }, nil, fd, port, folder, answers(port))
end

--- nginx on a port, or on the unix socket `path`; `server`: the inside of its server block, `listen`: more words of listen,
--- `ready`: what to say before the request that shows that it runs.
function M.nginx(options)
  local binary = find("nginx")
  if not binary then return nil end
  local folder = moongate.folder()
  local fd, port = listening()
  local address = options.path and "unix:" .. options.path or "127.0.0.1:" .. port
  moongate.write(
    folder .. "/nginx.conf",
    ([[
daemon off;
worker_processes 1;
pid %s/nginx.pid;
error_log stderr notice;
events { worker_connections 128; }
http {
  access_log off;
  client_body_temp_path %s/body;
  proxy_temp_path %s/proxy;
  fastcgi_temp_path %s/fastcgi;
  uwsgi_temp_path %s/uwsgi;
  scgi_temp_path %s/scgi;
  server {
    listen %s %s;
    %s
  }
}
]]):format(folder, folder, folder, folder, folder, folder, address, options.listen or "", options.server)
  )
  local env = { NGINX = not options.path and fd .. ";" or false }
  local function ready(peer) return peer:stderr():find("start worker process ", 1, true) end
  return start(
    { binary, "-p", folder, "-e", "stderr", "-c", folder .. "/nginx.conf" },
    env,
    fd,
    port,
    folder,
    options.path and answers(options.path, options.ready) or ready
  )
end

--- For after_each: ends what runs.
function M.stop_all()
  for peer in pairs(running) do
    peer:stop()
  end
end

return M
