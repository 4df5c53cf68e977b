-- SIGUSR2: the program on the disk takes over, and nobody notices.
local http = require("support.http")
local moongate = require("support.moongate")
local process = require("support.process")
local wire = require("support.wire")

local YAML = [[
drain_timeout: 1s
services: [{ name: up, url: "http://127.0.0.1:{{up}}", routes: [{ name: up, paths: [/up] }] }]
routes: [{ name: hello, paths: [/], plugins: [{ name: request-termination,
  config: { status_code: 200, message: hello } }] }]
]]

local gw, up

local function start(opts)
  opts = opts or {}
  up = assert(wire.listen())
  opts.yaml = (opts.head or "") .. YAML
  opts.vars = { up = up.port }
  gw = moongate.start(opts)
end

-- SIGUSR2, until the new worker process serves and the supervisor is the new program; gives the old and the new one.
local function upgrade(times)
  local before = gw:worker()
  gw.process:kill("USR2")
  assert.is_truthy(wire.wait(function()
    local _, count = gw:stderr():gsub("upgrade: the supervisor is moongate", "")
    return count == (times or 1)
  end, 30))
  return before, gw:worker()
end

local function dies(pid, seconds)
  return wire.wait(function() return not process.alive(pid) end, seconds or 20)
end

-- A request to /up: the client's connection and the service's, which has read it.
local function open(request)
  local client = gw:connect()
  client:send(request)
  local service = assert(up:accept())
  assert(http.read_request(service))
  return client, service
end

describe("an upgrade", function()
  after_each(function()
    up:close()
    moongate.stop_all()
  end)

  it("replaces the worker process, and the supervisor keeps its process id", function()
    start()
    local before, now = upgrade()
    assert.not_equal(before, now)
    assert.is_truthy(dies(before))
    assert.same({ now }, process.children(gw.process.pid))
    assert.equal(0, gw:status().restarts)
    assert.equal(200, gw:get("/").status)
    gw:stop()
  end)

  it("loses no request, on kept connections and on new ones", function()
    start()
    local request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    local kept, done, broken, fresh = {}, 0, 0, 0
    local function reopen(i)
      kept[i] = gw:connect()
      kept[i].sent = kept[i]:send(request) ~= nil
    end
    for i = 1, 8 do
      reopen(i)
    end
    local function turn(i)
      local conn = kept[i]
      local text = conn:peek()
      if text:find("hello", 1, true) then
        conn:take()
        done = done + 1
        if text:lower():find("connection: close", 1, true) or fresh % 3 == 0 then
          conn:close()
          reopen(i)
        else
          conn:send(request)
        end
        fresh = fresh + 1
      elseif conn.ended then
        broken = broken + 1
        conn:close()
        reopen(i)
      end
    end
    local function go_on(until_done)
      assert(wire.wait(function()
        for i = 1, 8 do
          turn(i)
        end
        return until_done()
      end, 60))
    end
    go_on(function() return done > 50 end)
    local before = gw:worker()
    gw.process:kill("USR2")
    go_on(function() return gw:stderr():find("the supervisor is moongate", 1, true) end)
    local seen = done
    go_on(function() return done > seen + 100 end)
    assert.equal(0, broken)
    assert.not_equal(before, gw:worker())
    for _, conn in pairs(kept) do
      conn:close()
    end
    gw:stop()
  end)

  it("lets downloads and tunnels finish on the old process, longer than drain_timeout", function()
    start()
    local client, service = open("GET /up HTTP/1.1\r\nHost: a\r\n\r\n")
    service:send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    assert.is_truthy(client:read_until("hello"))
    local tunnel, far = open(
      "GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    far:send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert.equal(101, http.read_response(tunnel).status)
    local before = upgrade()
    wire.pass(1.5)
    assert.is_true(process.alive(before))
    tunnel:send("ping")
    assert.equal("ping", far:read(4))
    far:send("pong")
    assert.equal("pong", tunnel:read(4))
    service:send("world")
    assert.is_truthy(client:read_until("world"))
    tunnel:close()
    client:close()
    far:close()
    service:close()
    assert.is_truthy(dies(before))
    gw:stop()
  end)

  it("ends old processes within drain_timeout when the service stops", function()
    start()
    local client, service = open("GET /up HTTP/1.1\r\nHost: a\r\n\r\n")
    local before = upgrade()
    gw.process:kill("TERM")
    assert.equal(0, gw.process:wait(20))
    assert.is_false(process.alive(before))
    client:close()
    service:close()
  end)

  it("hands admin, status and reloads to the new process", function()
    start { head = "status: { address: 127.0.0.1:0 }\n" }
    local status_port = tonumber(gw:stderr():match("status on %S+:(%d+)"))
    upgrade()
    assert.equal(200, gw:request("GET", "/health/ready", { port = status_port }).status)
    local free = assert(wire.listen())
    free:close()
    gw:configure(("listeners: [{ address: 127.0.0.1:0 }, { address: 127.0.0.1:%d }]\n"):format(free.port) .. YAML)
    assert.equal(200, (gw:reload()))
    assert.equal(200, gw:request("GET", "/", { port = free.port }).status)
    upgrade(2)
    assert.equal(200, gw:request("GET", "/", { port = free.port }).status)
    gw:configure(YAML)
    assert.equal(200, (gw:reload()))
    assert.is_truthy(wire.wait(function()
      local conn = assert(wire.connect(free.port))
      wire.wait(function() return conn.ended end, 0.2)
      conn:close()
      return conn.refused
    end))
    assert.equal(200, gw:get("/").status)
    gw:stop()
  end)

  it("is followed by restarts like before it", function()
    start()
    local _, now = upgrade()
    process.signal(now, "KILL")
    assert.is_truthy(gw:wait_log("restart 1"))
    assert.equal(200, gw:get("/").status)
    assert.equal(1, gw:status().restarts)
    gw:stop()
  end)
end)

describe("an upgrade to a program that does not work", function()
  local function install(bytes_or_file)
    local target = gw:path("moongate")
    os.remove(target .. ".new")
    if bytes_or_file:sub(1, 1) == "/" then
      assert(os.execute(("cp '%s' '%s.new'"):format(bytes_or_file, target)) == 0)
    else
      moongate.write(target .. ".new", bytes_or_file)
      os.execute(("chmod 755 '%s.new'"):format(target))
    end
    assert(os.rename(target .. ".new", target))
  end

  before_each(function()
    local folder = moongate.folder()
    assert(os.execute(("cp '%s' '%s/moongate'"):format(moongate.binary, folder)) == 0)
    start { binary = folder .. "/moongate" }
    gw.path = function(_, name) return folder .. "/" .. name end
  end)

  after_each(function()
    up:close()
    moongate.stop_all()
  end)

  local function stays(why)
    local before = gw:worker()
    gw.process:kill("USR2")
    assert.is_truthy(gw:wait_log(why), gw:stderr())
    assert.is_truthy(gw:wait_log("before it was ready: the old one goes on serving"))
    assert.equal(before, gw:worker())
    assert.equal(200, gw:get("/").status)
  end

  it("leaves the old one, and a later one can be good", function()
    install("#!/bin/sh\nexit 3\n")
    stays("ended with exit code 3")
    install("\127ELF, or so it says")
    stays("Exec format error")
    install(moongate.binary)
    upgrade()
    assert.equal(200, gw:get("/").status)
    gw:stop()
  end)

  it("leaves the old one when the configuration is not good", function()
    gw:configure("nonsense: 1\n")
    stays("ended with exit code 1")
    gw:stop()
  end)

  it("does not keep a worker process from being replaced", function()
    install("#!/bin/sh\nexit 3\n")
    process.signal(gw:worker(), "KILL")
    assert.is_truthy(gw:wait_log("before it was ready: trying again"))
    assert.equal(200, gw:request("GET", "/", { seconds = 20 }).status)
    gw:stop()
  end)
end)
